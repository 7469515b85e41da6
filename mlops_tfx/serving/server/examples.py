"""The ``Input`` of Classify, Regress and MultiInference: tf.Examples, with or without what all of them share."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlops_tfx.serving.server import statuses

# A context is copied into every example: a small request may ask for more memory than there is.
_MAX_SHARED_BYTES = 1 << 28


def serialized(message: Any) -> Any:
    """Returns the serialized tf.Examples of an ``Input``, bytes objects ``[rows]``. Raises StatusError if it has none.

    A shared context is put in front of every example: read as one message, the two are merged, and what the example
    itself says of a feature wins.
    """
    kind = message.WhichOneof("kind")
    examples = getattr(message, kind).examples if kind else ()
    if not examples:
        raise statuses.invalid("Input is empty.")
    context = b""
    if kind == "example_list_with_context":
        context = message.example_list_with_context.context.SerializeToString()
        if len(context) * len(examples) > _MAX_SHARED_BYTES:
            raise statuses.invalid(
                f"The context of {len(context)} bytes takes more than {_MAX_SHARED_BYTES} bytes in {len(examples)} "
                "examples"
            )
    rows = np.empty(len(examples), object)
    rows[:] = [context + example.SerializeToString() for example in examples]
    return rows
