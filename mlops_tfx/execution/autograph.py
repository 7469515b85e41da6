"""Spares TensorFlow's autograph the code of two libraries that need no conversion.

Tracing a serving signature around TFT's layer takes longer than training a small model: autograph rewrites, function by
function, the library code that the signature calls. TensorFlow has rules for that, by module name. One of them is for
Keras 2 under its former name, ``keras``; the package is called ``tf_keras`` now, and no rule has followed. Keras 2 asks
for the conversion of a user's ``call`` itself (``Layer._autographed_call``), so that users' code is converted as ever.
TFT's layer restores a saved graph and calls no code of users.

Measured: docs/performance.md.
"""

from __future__ import annotations

LIBRARIES = (
    "tf_keras",
    "tensorflow_transform.output_wrapper",
    "tensorflow_transform.saved",
    "tensorflow_transform.tf2_utils",
)


def leave_libraries_unconverted() -> bool:
    """Adds the libraries to autograph's rules, process-wide; returns False if this TensorFlow has no such list."""
    try:
        from tensorflow.python.autograph.core import config
    except ImportError:
        return False
    # The list is TensorFlow's own and not a public name: without it, traces are slow and right.
    rules = getattr(config, "CONVERSION_RULES", None)
    make_rule = getattr(config, "DoNotConvert", None)
    if not isinstance(rules, tuple) or make_rule is None:
        return False
    known = {str(rule) for rule in rules}
    added = [rule for rule in map(make_rule, LIBRARIES) if str(rule) not in known]
    config.CONVERSION_RULES = (*added, *rules)
    return True
