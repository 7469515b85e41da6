"""What was read of each shard: rows, and their partial statistics, as small files that any process can leave behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_tfx import filesystem
from mlops_tfx.statistics import partial_state

if TYPE_CHECKING:
    import pyarrow as pa

    from mlops_tfx.statistics.compute import Computation, GrowingPartial, Partial


@dataclass(frozen=True)
class Tally:
    """The rows of a shard, and their partial statistics if any were asked for."""

    rows: int
    partial: Partial | None


class Tallying:
    """Counts the rows of one shard and adds them to statistics.

    Args:
        computation: computes the statistics; None for none.
        where: the shard, for errors.
    """

    def __init__(self, computation: Computation | None, where: str) -> None:
        self._growing: GrowingPartial | None = None if computation is None else computation.start(where)
        self.rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Adds a batch. Raises DataError if statistics cannot be computed of it."""
        self.rows += batch.num_rows
        if self._growing is not None:
            self._growing.add(batch)

    def write(self, folder: str, number: int) -> None:
        """Ends the tally and writes it; a shard that is worked on again writes the same file again."""
        partial = None if self._growing is None else self._growing.finish()
        filesystem.write_bytes(_path(folder, number), partial_state.dumps({"rows": self.rows}, partial))


def read_tallies(folder: str, count: int) -> Iterator[Tally]:
    """Reads the tallies of shards 0 to ``count`` - 1, in order. Raises FileNotFoundError if one was not written."""
    for number in range(count):
        path = _path(folder, number)
        header, partial = partial_state.loads(filesystem.read_bytes(path), path)
        yield Tally(int(header["rows"]), partial)


def _path(folder: str, number: int) -> str:
    return os.path.join(folder, f"{number:06d}.tally")
