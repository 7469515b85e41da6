"""How inputs are named: those of ``serving_raw`` after features, those for tf.Examples by custom."""

from __future__ import annotations

import re
from collections.abc import Iterable

RAW_SIGNATURE = "serving_raw"
# What a string input for serialized tf.Examples is called: TFX says examples, tf.estimator inputs.
_EXAMPLES, _INPUTS = "example", "inputs"


def takes_examples(name: str) -> bool:
    """Whether a signature's only input, a list of strings, is for serialized tf.Examples, as far as its name tells."""
    return name == _INPUTS or _EXAMPLES in name.lower()


def input_aliases(names: Iterable[str]) -> dict[str, str]:
    """Returns the input name of every feature: itself, or the nearest name that TensorFlow accepts.

    TensorFlow wants letters, digits and underscores, and no two names that differ in case only.
    """
    aliases: dict[str, str] = {}
    taken: set[str] = set()
    # Names that need no change come first, so that no other feature takes them.
    for name in sorted(names, key=lambda n: (_plain(n) != n, n)):
        alias, number = _plain(name), 2
        while alias.lower() in taken:
            alias, number = f"{_plain(name)}_{number}", number + 1
        taken.add(alias.lower())
        aliases[name] = alias
    return aliases


def _plain(name: str) -> str:
    text = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return text if re.match(r"[A-Za-z]", text) else f"f{text}"
