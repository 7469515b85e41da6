"""Parquet files of plain typed columns, which pandas and DuckDB open as they are, and back into tf.Example form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from mlops_tfx import filesystem
from mlops_tfx.errors import DataError
from mlops_tfx.io import columns

if TYPE_CHECKING:
    from mlops_tfx.io.shard_folder import ShardFolder

_ROW_GROUP_BYTES = 16 << 20
_BATCH_BYTES = 32 << 20
_BUFFER_BYTES = 1 << 20


def row_groups(uri: str) -> list[tuple[int, int]]:
    """Rows and uncompressed bytes of every row group."""
    with filesystem.open(uri, "rb") as file:
        metadata = _open(uri, file).metadata
        groups = (metadata.row_group(index) for index in range(metadata.num_row_groups))
        return [(group.num_rows, group.total_byte_size) for group in groups]


def column_types(uri: str) -> dict[str, pa.DataType]:
    """Arrow type of every column.

    Raises:
        DataError: the file is not Parquet or is damaged, or two columns have one name.
    """
    with filesystem.open(uri, "rb") as file:
        schema = _open(uri, file).schema_arrow
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        raise DataError(f"{uri}: expected every column name once, received {', '.join(map(repr, twice))} several times")
    return dict(zip(schema.names, schema.types, strict=True))


def read_row_groups(
    uri: str,
    groups: Sequence[int],
    *,
    batch_rows: int,
    names: Sequence[str] | None = None,
    batch_bytes: int = _BATCH_BYTES,
) -> Iterator[pa.RecordBatch]:
    """Reads row groups as batches in tf.Example form; a row group may be larger than memory.

    Args:
        uri: the file.
        groups: which row groups, in order.
        batch_rows: rows of a batch at most.
        names: columns that are needed; others may be left out. None for all.
        batch_bytes: about how many bytes a batch may have; it is cut earlier if rows are wide.

    Raises:
        DataError: the file is not Parquet or is damaged, or a column cannot be a feature; names file and column.
    """
    with filesystem.open(uri, "rb") as file:
        parquet = _open(uri, file)
        known = parquet.schema_arrow.names
        chosen = None if names is None else [name for name in names if name in known]
        rows = _rows_that_fit(parquet.metadata, groups, batch_rows, batch_bytes)
        batches = parquet.iter_batches(batch_size=rows, row_groups=list(groups), columns=chosen)
        try:
            for batch in batches:
                yield columns.to_example_form(batch)
        except DataError as error:
            raise DataError(f"{uri}: {error}") from error
        except (pa.ArrowException, OSError) as error:
            raise DataError(
                f"{uri}: the Parquet data cannot be read ({error}); copy the file again if it is damaged, else convert "
                f"the column that this release of pyarrow does not read"
            ) from error


def _rows_that_fit(metadata: pq.FileMetaData, groups: Sequence[int], rows: int, size: int) -> int:
    found = [metadata.row_group(index) for index in groups]
    widest = max((group.total_byte_size / group.num_rows for group in found if group.num_rows), default=0.0)
    return max(1, min(rows, int(size / max(widest, 1.0))))


def _open(uri: str, file: IO[bytes]) -> pq.ParquetFile:
    try:
        # Pages are read as they are needed. Without a buffer Arrow takes in whole row groups, which in files of pandas
        # are the whole file.
        return pq.ParquetFile(file, buffer_size=_BUFFER_BYTES)
    except (pa.ArrowException, OSError) as error:
        file.seek(0)
        if file.read(4) == b"PAR1":
            raise DataError(
                f"{uri}: the Parquet file is cut off or its footer is damaged ({error}); copy it again"
            ) from error
        raise DataError(f"{uri}: expected a Parquet file, received something else ({error})") from error


class CommonColumns:
    """The columns of all files of one or several writers, as far as they are known: types get wider as rows come.

    Attributes:
        schema: the columns; none at first.
    """

    def __init__(self) -> None:
        self.schema: pa.Schema = pa.schema([])

    def widened(self, schema: pa.Schema) -> pa.Schema:
        """The columns that hold those of ``schema``, too. Raises DataError if a column has other kinds of values."""
        self.schema = _wider_schema(self.schema, schema)
        return self.schema


class ParquetShards:
    """Writes batches in tf.Example form to Parquet shards.

    Whether a column is a scalar or a list, text or bytes is known only when all rows have been seen. So each shard is
    written with what is known by then, and shards that turn out too narrow are written again at the end, one row group
    at a time.

    Args:
        folder: where the shards go.
        max_bytes: a shard ends when it has this many bytes.
        common: shared by writers whose files shall have the same columns, if all rows are written before any is closed.
    """

    def __init__(self, folder: ShardFolder, max_bytes: int, common: CommonColumns | None = None) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._common = common or CommonColumns()
        self._schema: pa.Schema = pa.schema([])
        self._writer: pq.ParquetWriter | None = None
        self._pending: list[pa.RecordBatch] = []
        self._pending_bytes = 0
        self._shard_bytes = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Appends a batch in tf.Example form."""
        plain = columns.to_plain(batch)
        self._widen_to(self._common.widened(plain.schema))
        self._pending.append(plain)
        self._pending_bytes += plain.nbytes
        if self._pending_bytes >= _ROW_GROUP_BYTES:
            self._write_row_group()
        if self._shard_bytes >= self._max_bytes:
            self._end_shard()

    def close(self) -> None:
        """Ends the last shard and gives all shards the same columns. Without rows, one empty shard is written.

        Raises:
            DataError: there are rows, but none has a column, which Parquet cannot hold.
        """
        self._widen_to(self._common.schema)
        if self._pending and not self._schema:
            rows = sum(batch.num_rows for batch in self._pending)
            raise DataError(f"expected at least one feature, received {rows} rows without any; write TFRecords instead")
        if self._pending or not self._folder.unfinished:
            self._write_row_group()
        self._end_shard()
        for path in self._folder.unfinished:
            _rewrite_if_narrow(path, self._schema)

    def abort(self) -> None:
        """Closes the open file as it is."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _widen_to(self, schema: pa.Schema) -> None:
        if schema == self._schema:
            return
        if self._writer is not None:
            self._end_shard()
        self._schema = schema

    def _write_row_group(self) -> None:
        if self._writer is None:
            self._writer = _writer(self._folder.next_path(), self._schema)
        if self._pending:
            widened = [_widen(batch, self._schema) for batch in self._pending]
            table = pa.Table.from_batches(widened, self._schema)
            self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
        self._shard_bytes += self._pending_bytes
        self._pending, self._pending_bytes = [], 0

    def _end_shard(self) -> None:
        if self._pending:
            self._write_row_group()
        if self._writer is not None:
            self._writer.close()
        self._writer, self._shard_bytes = None, 0


def _writer(path: str, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(filesystem.local_path(path), schema, compression="snappy")


def _wider_schema(first: pa.Schema, second: pa.Schema) -> pa.Schema:
    names = list(dict.fromkeys([*first.names, *second.names]))
    return pa.schema([pa.field(name, _wider(name, first, second)) for name in names])


def _wider(name: str, first: pa.Schema, second: pa.Schema) -> pa.DataType:
    types = [schema.field(name).type for schema in (first, second) if name in schema.names]
    try:
        return columns.widest_type(types[0], types[-1])
    except DataError as error:
        raise DataError(f"column {name!r}: {error}") from error


def _widen(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    if batch.schema == schema:
        return batch
    known = {name: batch.column(index) for index, name in enumerate(batch.schema.names)}
    empty = pa.nulls(batch.num_rows)
    arrays = [columns.widen(known.get(field.name, empty), field.type) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _rewrite_if_narrow(path: str, schema: pa.Schema) -> None:
    with filesystem.open(path, "rb") as file:
        parquet = pq.ParquetFile(file)
        if parquet.schema_arrow == schema:
            return
        wide = f"{path}.wide"
        with _writer(wide, schema) as writer:
            for index in range(parquet.num_row_groups):
                batches = parquet.read_row_group(index).to_batches()
                table = pa.Table.from_batches([_widen(batch, schema) for batch in batches], schema)
                writer.write_table(table, row_group_size=max(table.num_rows, 1))
    filesystem.rename(wide, path)
