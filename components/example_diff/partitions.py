"""Rows dealt out to files by the hash of their key, so that a join needs one partition in memory, not the data.

A row is kept as columns of bytes: ``key``; per feature its serialized tf.train.Feature (null where it has no value),
which is what TFDV compares; the same before rounding, for the sample; values for confusion counts.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlops_tfx import filesystem
from mlops_tfx.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from mlops_tfx.config import PairedExampleSkew

KEY = "key"
COMPARED, ORIGINAL, CONFUSED = "compared:", "original:", "confused:"
MISSING_VALUE = b"__MISSING_VALUE__"  # TFDV's placeholder
_BUFFERED_BYTES = 64 << 20
_MIX, _MULTIPLIER = 0x9E3779B97F4A7C15, 0x100000001B3


def encode_rows(batch: pa.RecordBatch, config: PairedExampleSkew) -> tuple[pa.RecordBatch, int]:
    """Turns a batch in tf.Example form into rows of a partition.

    Returns:
        The rows whose identifiers are all there, and how many were left out because one is missing.

    Raises:
        DataError: a feature of confusion_config has numbers, or several values in a row.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = {item.feature_name for item in config.confusion_config}
    left_out = {*config.identifier_features, *config.ignore_features}
    columns: dict[str, pa.Array] = {}
    serialized: dict[str, pa.Array] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        rounded = round_floats(column, config.float_round_ndigits)
        serialized[name] = _features(rounded)
        if name not in left_out:
            columns[COMPARED + name] = serialized[name]
        if config.skew_sample_size:
            columns[ORIGINAL + name] = serialized[name] if rounded is column else _features(column)
    for name in sorted(wanted):
        index = batch.schema.get_field_index(name)
        columns[CONFUSED + name] = single_values(name, batch.column(index) if index >= 0 else pa.nulls(batch.num_rows))
    names = sorted(set(config.identifier_features))
    identifiers = [serialized.get(name, pa.nulls(batch.num_rows, pa.large_binary())) for name in names]
    # The length goes first, so that no two lists of values give one key.
    parts = [part for column in identifiers for part in (_lengths(column), column)]
    keys = pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.large_binary()), null_handling="emit_null")
    rows = pa.RecordBatch.from_arrays([keys, *columns.values()], [KEY, *columns])
    return rows.filter(keys.is_valid()), keys.null_count


def _features(column: pa.Array) -> pa.Array:
    """Serialized tf.train.Features, null where there is no value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from mlops_tfx.io import wire

    if pa.types.is_null(column.type):
        return pa.nulls(len(column), pa.large_binary())
    encoded = wire.encode_feature(column)
    encoded = encoded.cast(pa.large_binary())
    return encoded if not column.null_count else pc.if_else(column.is_valid(), encoded, pa.scalar(None, encoded.type))


def _lengths(column: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(
        pc.binary_length(column).cast(pa.string()).cast(pa.large_string()).cast(pa.large_binary()),
        pa.scalar(b":", pa.large_binary()),
        pa.scalar(b"", pa.large_binary()),
    )


def round_floats(column: pa.Array, digits: int | None) -> pa.Array:
    """Rounds the floats of a column as Python's ``round`` does; other columns stay as they are.

    The product of a float32 and a power of ten up to the 12th is exact in float64, so no rounding happens twice.
    """
    import numpy as np
    import pyarrow as pa

    types = pa.types
    lists = types.is_large_list(column.type) or types.is_list(column.type)
    if digits is None or not lists or not types.is_floating(column.type.value_type):
        return column
    values = np.asarray(column.values).astype(np.float64)
    scale = 10.0**digits
    with np.errstate(invalid="ignore"):
        rounded = (np.rint(values * scale) / scale).astype(np.float32)
    validity = column.buffers()[0]
    buffers = [validity, column.buffers()[1]]
    return pa.Array.from_buffers(
        column.type, len(column), buffers, null_count=column.null_count, offset=column.offset,
        children=[pa.array(rounded, column.type.value_type)],
    )  # fmt: skip


def single_values(name: str, column: pa.Array) -> pa.Array:
    """The only value of every row, with a placeholder where there is none. Raises DataError for several, or numbers."""
    import numpy as np
    import pyarrow as pa

    from mlops_tfx.io import wire

    if pa.types.is_null(column.type):
        return pa.array([MISSING_VALUE], pa.large_binary()).take(pa.array(np.zeros(len(column), np.int64)))
    if not wire.is_bytes(column.type.value_type):
        raise DataError(
            f"confusion_config: expected text or bytes in feature {name!r}, received {column.type.value_type}; "
            "leave the feature out of confusion_config"
        )
    lengths = np.diff(wire.binary_offsets(column)) * np.asarray(column.is_valid())
    if len(lengths) and lengths.max() > 1:
        raise DataError(
            f"confusion_config: expected at most one value of feature {name!r} in a row, received {lengths.max()}; "
            "leave the feature out of confusion_config"
        )
    values = column.flatten().cast(pa.large_binary())
    return pa.concat_arrays([values, pa.array([MISSING_VALUE], pa.large_binary())]).take(
        pa.array(np.where(lengths > 0, np.cumsum(lengths) - 1, len(values)))
    )


class Partitions:
    """Files of rows, one set per part of the keys' hashes, in a folder of their own.

    Attributes:
        count: number of partitions.
        rows: rows written.
    """

    def __init__(self, folder: str, count: int) -> None:
        self.count = count
        self.rows = 0
        self._folder = folder
        self._waiting: list[pa.Table] = []
        self._waiting_bytes = 0
        self._flushed = 0
        self._names: dict[str, None] = {KEY: None}
        filesystem.makedirs(folder)

    def write(self, rows: pa.RecordBatch) -> None:
        """Takes rows from `encode_rows`."""
        import pyarrow as pa

        self.rows += rows.num_rows
        self._names.update(dict.fromkeys(rows.schema.names))
        self._waiting.append(pa.Table.from_batches([rows]))
        self._waiting_bytes += rows.nbytes
        if self._waiting_bytes > _BUFFERED_BYTES:
            self.flush()

    def flush(self) -> None:
        """Deals out what waits in memory to files."""
        import numpy as np
        import pyarrow as pa

        if not self._waiting:
            return
        table = united(self._waiting)
        where = hash_keys(only_chunk(table.column(KEY))) % np.uint64(self.count)
        order = np.argsort(where, kind="stable")
        edges = np.searchsorted(where[order], np.arange(self.count + 1))
        for number, (start, stop) in enumerate(itertools.pairwise(edges.tolist())):
            if stop > start:
                self._write(number, table.take(pa.array(order[start:stop])))
        self._waiting, self._waiting_bytes = [], 0
        self._flushed += 1

    def _write(self, number: int, table: pa.Table) -> None:
        import pyarrow as pa

        path = f"{self._folder}/{number:05}-{self._flushed:06}.arrow"
        with filesystem.open(path, "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)

    def read(self, number: int) -> pa.Table:
        """Returns all rows of one partition, in the order in which they were written, with the columns of all."""
        import pyarrow as pa

        tables = []
        for path in sorted(filesystem.glob(f"{self._folder}/{number:05}-*.arrow")):
            with filesystem.open(path, "rb") as file, pa.ipc.open_file(file) as reader:
                tables.append(reader.read_all())
        return united([pa.schema([(name, pa.large_binary()) for name in self._names]).empty_table(), *tables])


def hash_keys(keys: pa.Array) -> NDArray[np.uint64]:
    """A hash of 64 bits per key, the same in every run: a polynomial of its bytes, mixed."""
    import numpy as np

    from mlops_tfx.io import wire

    offsets = wire.binary_offsets(keys)
    if len(offsets) < 2:
        return np.zeros(0, np.uint64)
    start = int(offsets[0])
    data = np.frombuffer(keys.buffers()[2], np.uint8)[start : int(offsets[-1])].astype(np.uint64) + np.uint64(1)
    positions = np.arange(len(data)) - np.repeat(offsets[:-1] - start, np.diff(offsets))
    powers = np.cumprod(np.full(int(positions.max()) + 1, _MULTIPLIER, np.uint64))
    sums = np.add.reduceat(data * powers[positions], offsets[:-1] - start)
    mixed: NDArray[np.uint64] = (sums ^ (sums >> np.uint64(29))) * np.uint64(_MIX)
    return mixed >> np.uint64(16)


def united(tables: Sequence[pa.Table]) -> pa.Table:
    """One table of all rows, each column in one piece; a column that a part lacks is null there."""
    import pyarrow as pa

    return pa.concat_tables(tables, promote=True).combine_chunks()


def only_chunk(column: pa.ChunkedArray) -> pa.Array:
    """The array of a column that is in one piece."""
    import pyarrow as pa

    return column.chunk(0) if column.num_chunks else pa.array([], column.type)
