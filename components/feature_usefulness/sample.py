"""A uniform sample of rows in bounded memory, the same in every run, however the rows come in batches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_SEED = 0x5EED


def draw_rows(batches: Iterable[pa.RecordBatch], size: int) -> tuple[pa.Table, int]:
    """Draws ``size`` rows, or takes all if there are fewer.

    Returns:
        The rows in the order of the data, and how many rows there are.
    """
    import numpy as np
    import pyarrow as pa

    random = np.random.default_rng(_SEED)
    numbers, kept, rows, limit = np.zeros(0), pa.table({}), 0, 1.0
    for batch in batches:
        drawn = random.random(batch.num_rows)
        chosen = np.flatnonzero(drawn < limit)
        rows += batch.num_rows
        if len(chosen):
            part = pa.Table.from_batches([batch]).take(pa.array(chosen))
            kept = join_tables([kept, part]) if kept.num_rows else part
            numbers = np.concatenate([numbers, drawn[chosen]])
        if len(numbers) > 2 * size:
            numbers, kept = _smallest(numbers, kept, size)
            limit = float(numbers.max())
    return _smallest(numbers, kept, size)[1], rows


def _smallest(numbers: NDArray[np.float64], table: pa.Table, size: int) -> tuple[NDArray[np.float64], pa.Table]:
    import numpy as np
    import pyarrow as pa

    if len(numbers) <= size:
        return numbers, table
    places = np.sort(np.argpartition(numbers, size - 1)[:size])
    return numbers[places], table.take(pa.array(places))


def join_tables(tables: list[pa.Table]) -> pa.Table:
    """One table; a column that a part lacks, or has without any value, is null there."""
    import pyarrow as pa

    return pa.concat_tables(tables, promote=True).combine_chunks()
