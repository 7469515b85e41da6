"""How many rows every split of an Examples artifact has: written by who makes it, checked by everyone who reads it.

Between two nodes, on the way through processes or through a runner, rows can get lost without an error: a shard that
was replaced, a worker that was lost. Whoever has read a split compares what came with what was written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlops_tfx.errors import DataError

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Examples

ROWS_BY_SPLIT = "rows_by_split"


def record_rows(examples: Examples, written: Mapping[str, int]) -> None:
    """Notes in the custom property ``rows_by_split`` how many rows were written, by split."""
    examples.custom_properties[ROWS_BY_SPLIT] = json.dumps(dict(written), sort_keys=True)


def recorded_rows(examples: Sequence[Examples], split: str) -> int | None:
    """The rows that a split had when it was written; None if one of the artifacts does not say, such as one of TFX."""
    total = 0
    for artifact in examples:
        counts = json.loads(str(artifact.custom_properties.get(ROWS_BY_SPLIT, "{}")))
        if split not in counts:
            return None
        total += int(counts[split])
    return total


def check_rows_read(examples: Sequence[Examples], split: str, read: int, done: str = "read") -> None:
    """Raises DataError unless as many rows were read as the split has.

    Args:
        examples: the artifacts that were read together.
        split: which split of them.
        read: rows that came.
        done: what was done with these rows, for the message.
    """
    from mlops_tfx.io.examples import count_rows

    recorded = recorded_rows(examples, split)
    expected = count_rows(examples, split) if recorded is None else recorded
    if read != expected:
        where = " and ".join(repr(artifact.recorded_uri) for artifact in examples)
        raise DataError(
            f"split {split!r} of Examples at {where} has {expected} rows, but {read} were {done}; its files have "
            "changed since they were written, or a worker was lost: run the node again that makes them, then this one"
        )
