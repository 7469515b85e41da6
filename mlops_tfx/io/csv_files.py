"""CSV files as record batches in tf.Example form, with TFX's rules for header, blank lines, empty cells and types.

Files are read twice, both times block by block: first to infer types over all rows (csv_inspect.py), then to convert.
So memory is bounded by the block, and a column whose type changes half-way is known before a single row is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from pyarrow import csv

from mlops_tfx import filesystem
from mlops_tfx.errors import DataError
from mlops_tfx.io import compressed, csv_errors
from mlops_tfx.io.csv_types import ColumnType, parse_cells, to_float32
from mlops_tfx.io.rows import Rows

_BATCH_ROWS = 20_000


@dataclass(frozen=True)
class CsvFormat:
    """How CSV files are written.

    Attributes:
        delimiter: one character between cells.
        column_names: names of the columns; if given, the files have no header line.
        column_types: types of single columns, instead of inferring them: ``INT``, ``FLOAT`` or ``STRING``.
    """

    delimiter: str = ","
    column_names: tuple[str, ...] = ()
    column_types: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CsvTable:
    """What the first pass found out.

    Attributes:
        files: the files, in order.
        format: how they are written.
        names: column names, in order.
        types: type of every column.
        plain: columns that Arrow parses as Python would.
        rows: number of rows.
        block_bytes: bytes read at a time.
    """

    files: tuple[str, ...]
    format: CsvFormat
    names: tuple[str, ...]
    types: tuple[ColumnType, ...]
    plain: tuple[bool, ...]
    rows: int
    block_bytes: int


class BadCsvError(Exception):
    """Arrow cannot read a file; why is the message. Never leaves this package."""


class RowTooLongError(Exception):
    """A row is longer than a block. Never leaves this package."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        super().__init__(text)


def read_csv(table: CsvTable) -> Iterator[Rows]:
    """Reads the rows in order, in tf.Example form.

    An empty cell is an empty list, and a column without any value has type null: so TFX writes them, too.

    Raises:
        DataError: a file is no longer as it was when it was inspected.
    """
    types = {name: _arrow_type(t, p) for name, t, p in zip(table.names, table.types, table.plain, strict=True)}
    for path in table.files:
        try:
            for block in read_blocks(path, table.format, types, table.block_bytes):
                # A tf.Example is several times as large as its line; smaller pieces also stay in the processor's cache.
                for start in range(0, block.num_rows, _BATCH_ROWS):
                    batch = block.slice(start, _BATCH_ROWS)
                    columns = [_to_lists(*item) for item in zip(batch.columns, table.types, table.plain, strict=True)]
                    yield Rows(pa.RecordBatch.from_arrays(columns, list(table.names)), where=path)
        except (BadCsvError, RowTooLongError) as error:
            reason = csv_errors.explain(path, table.format.delimiter, table.names, str(error))
            raise DataError(f"{reason}; the file was changed while it was read") from error


def read_blocks(
    path: str, csv_format: CsvFormat, types: Mapping[str, pa.DataType], block_bytes: int
) -> Iterator[pa.RecordBatch]:
    """Reads a file as plain columns of the given types; empty cells are null.

    Raises:
        DataError: a compressed file is damaged or cut off.
        BadCsvError: a row is ragged, or a cell is not of its column's type.
        RowTooLongError: a row is longer than a block.
    """
    given = list(csv_format.column_names) or None
    if given is None and csv_errors.header_only(path, csv_format.delimiter):
        return
    # Arrow reads ahead in threads of its own. It must not read through a Python file object: ending early would wait,
    # with Python's lock held, for a thread that waits for that lock.
    with filesystem.open_native(path) as file:
        if file.size() == 0:
            return
        codec = compressed.codec_of(path)
        try:
            yield from csv.open_csv(
                file if codec is None else pa.CompressedInputStream(file, codec),
                csv.ReadOptions(block_size=block_bytes, column_names=given),
                csv.ParseOptions(delimiter=csv_format.delimiter, newlines_in_values=True),
                csv.ConvertOptions(
                    column_types=dict(types),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=True,
                ),
            )
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):
                return
            if "straddling" in str(error) or "block size" in str(error):
                raise RowTooLongError(path, str(error)) from error
            raise BadCsvError(str(error)) from error
        except OSError as error:
            if codec is None:
                raise
            raise compressed.damaged(path, codec, error) from error


def _arrow_type(column_type: ColumnType, plain: bool) -> pa.DataType:
    if column_type is ColumnType.STRING:
        return pa.large_binary()
    if not plain or column_type is ColumnType.EMPTY:
        return pa.string()
    return pa.int64() if column_type is ColumnType.INT else pa.float64()


def _to_lists(cells: pa.Array, column_type: ColumnType, plain: bool) -> pa.Array:
    if column_type is ColumnType.EMPTY:
        return pa.nulls(len(cells))
    values = cells if plain or column_type is ColumnType.STRING else parse_cells(cells, column_type)
    offsets = np.zeros(len(values) + 1, np.int64)
    np.cumsum(np.asarray(values.is_valid()), out=offsets[1:])
    if values.null_count:
        values = values.drop_null()
    if column_type is ColumnType.FLOAT:
        values = to_float32(values)
    return pa.LargeListArray.from_arrays(pa.array(offsets), values)
