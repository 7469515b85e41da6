"""Parquet files of plain typed columns, which pandas and DuckDB open as they are, and back into tf.Example form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from mlops_tfx import filesystem
from mlops_tfx.errors import DataError
from mlops_tfx.io import columns

if TYPE_CHECKING:
    from mlops_tfx.io.shard_folder import ShardFolder

_ROW_GROUP_BYTES = 16 << 20


def row_groups(uri: str) -> list[tuple[int, int]]:
    """Rows and uncompressed bytes of every row group."""
    with filesystem.open(uri, "rb") as file:
        metadata = _open(uri, file).metadata
        groups = (metadata.row_group(index) for index in range(metadata.num_row_groups))
        return [(group.num_rows, group.total_byte_size) for group in groups]


def read_row_groups(
    uri: str, groups: Sequence[int], *, batch_rows: int, names: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Reads row groups as batches in tf.Example form, each of at most ``batch_rows`` rows.

    Raises:
        DataError: the file is not Parquet or is damaged, or a column cannot be a feature; names file and column.
    """
    with filesystem.open(uri, "rb") as file:
        parquet = _open(uri, file)
        known = parquet.schema_arrow.names
        chosen = None if names is None else [name for name in names if name in known]
        batches = parquet.iter_batches(batch_size=batch_rows, row_groups=list(groups), columns=chosen)
        try:
            for batch in batches:
                yield columns.to_example_form(batch)
        except DataError as error:
            raise DataError(f"{uri}: {error}") from error
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{uri}: the Parquet data is damaged ({error}); write or copy the file again") from error


def _open(uri: str, file: object) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{uri}: expected a Parquet file, received something else ({error})") from error


class ParquetShards:
    """Writes batches in tf.Example form to Parquet shards.

    Whether a column is a scalar or a list, text or bytes is known only when all rows have been seen. So each shard is
    written with what is known by then, and shards that turn out too narrow are written again at the end, one row group
    at a time.
    """

    def __init__(self, folder: ShardFolder, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._schema: pa.Schema | None = None
        self._writer: pq.ParquetWriter | None = None
        self._pending: list[pa.RecordBatch] = []
        self._pending_bytes = 0
        self._shard_bytes = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Appends a batch in tf.Example form."""
        plain = columns.to_plain(batch)
        wider = plain.schema if self._schema is None else _wider_schema(self._schema, plain.schema)
        if wider != self._schema:
            self._end_shard()
            self._schema = wider
        self._pending.append(plain)
        self._pending_bytes += plain.nbytes
        if self._pending_bytes >= _ROW_GROUP_BYTES:
            self._write_row_group()
        if self._shard_bytes >= self._max_bytes:
            self._end_shard()

    def close(self) -> None:
        """Ends the last shard and gives all shards the same columns. Without rows, one empty shard is written."""
        self._schema = self._schema or pa.schema([])
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

    def _write_row_group(self) -> None:
        assert self._schema is not None
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
