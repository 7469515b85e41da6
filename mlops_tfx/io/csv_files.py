"""CSV files as record batches in tf.Example form, with TFX's rules for header, blank lines, empty cells and types.

Files are read twice, both times block by block: first to infer types over all rows, then to convert. So memory is
bounded by the block, and a column whose type changes half-way is known before a single row is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from pyarrow import csv

from mlops_tfx import filesystem
from mlops_tfx.errors import ConfigError, DataError, did_you_mean
from mlops_tfx.io import csv_errors
from mlops_tfx.io.csv_types import ColumnInference, ColumnType, parse_cells, to_float32

_BLOCK_BYTES = 8 << 20
_MAX_BLOCK_BYTES = 1 << 30


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


def inspect_csv(files: Sequence[str], csv_format: CsvFormat | None = None) -> CsvTable:
    """Reads files once and infers the type of every column over all rows.

    Raises:
        DataError: no rows, differing headers, duplicate names, ragged rows, text that is not UTF-8, unbalanced quotes,
            or a cell that is not of the type given for its column; names file, line and column.
        ConfigError: a type is given for a column that is not there.
    """
    csv_format = csv_format or CsvFormat()
    names = _common_header(files, csv_format)
    _check_types(csv_format, names)
    block_bytes = _BLOCK_BYTES
    while True:
        try:
            return _inspect(tuple(files), csv_format, names, block_bytes)
        except _RowTooLong as error:
            if block_bytes >= _MAX_BLOCK_BYTES:
                raise DataError(csv_errors.explain(error.path, csv_format.delimiter, names, str(error))) from error
            block_bytes *= 8


def read_csv(table: CsvTable) -> Iterator[pa.RecordBatch]:
    """Reads the rows in order, as batches in tf.Example form.

    An empty cell is an empty list, and a column without any value has type null: so TFX writes them, too.
    """
    types = {name: _arrow_type(t, p) for name, t, p in zip(table.names, table.types, table.plain, strict=True)}
    for path in table.files:
        for batch in _blocks(path, table.format, table.names, types, table.block_bytes):
            columns = [_to_lists(*item) for item in zip(batch.columns, table.types, table.plain, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, list(table.names))


class _RowTooLong(Exception):
    def __init__(self, path: str, text: str) -> None:
        self.path = path
        super().__init__(text)


def _common_header(files: Sequence[str], csv_format: CsvFormat) -> tuple[str, ...]:
    if csv_format.column_names:
        return csv_errors.checked_names(csv_format.column_names, "column_names")
    names = csv_errors.read_header(files[0], csv_format.delimiter)
    for path in files[1:]:
        other = csv_errors.read_header(path, csv_format.delimiter)
        if other != names:
            raise DataError(
                f"{path}, line 1: expected the header of {files[0]} ({', '.join(names)}), received "
                f"{', '.join(other)}; all files of a split must have one header"
            )
    return names


def _check_types(csv_format: CsvFormat, names: Sequence[str]) -> None:
    for name, text in csv_format.column_types.items():
        if name not in names:
            raise ConfigError(f"column_types: there is no column {name!r}{did_you_mean(name, names)}")
        if text not in ("INT", "FLOAT", "STRING"):
            raise ConfigError(f"column_types: expected INT, FLOAT or STRING for column {name!r}, received {text!r}")


def _inspect(files: tuple[str, ...], csv_format: CsvFormat, names: tuple[str, ...], block_bytes: int) -> CsvTable:
    columns = [ColumnInference() for _ in names]
    text_types = {name: pa.string() for name in names}
    rows = 0
    for path in files:
        for batch in _blocks(path, csv_format, names, text_types, block_bytes):
            rows += batch.num_rows
            for column, cells in zip(columns, batch.columns, strict=True):
                column.add(cells)
        for name, column in zip(names, columns, strict=True):
            _check_override(path, csv_format, names, name, column)
    if not rows:
        where = ", ".join(files)
        raise DataError(f"{where}: expected at least one row of data, received only a header; add data or remove the file")
    types = tuple(_final_type(name, column, csv_format) for name, column in zip(names, columns, strict=True))
    plain = tuple(column.plain for column in columns)
    return CsvTable(files, csv_format, names, types, plain, rows, block_bytes)


def _check_override(path: str, csv_format: CsvFormat, names: tuple[str, ...], name: str, column: ColumnInference) -> None:
    wanted = csv_format.column_types.get(name)
    if wanted is not None and column.type > ColumnType[wanted]:
        raise DataError(
            csv_errors.explain_wrong_type(path, csv_format.delimiter, names, name, ColumnType[wanted], not csv_format.column_names)
        )


def _final_type(name: str, column: ColumnInference, csv_format: CsvFormat) -> ColumnType:
    wanted = csv_format.column_types.get(name)
    return column.type if wanted is None or column.type is ColumnType.EMPTY else ColumnType[wanted]


def _blocks(
    path: str, csv_format: CsvFormat, names: Sequence[str], types: Mapping[str, pa.DataType], block_bytes: int
) -> Iterator[pa.RecordBatch]:
    given = list(csv_format.column_names) or None
    try:
        with filesystem.open(path, "rb") as file:
            if file.seek(0, 2) == 0 or (given is None and csv_errors.header_only(path, csv_format.delimiter)):
                return
            file.seek(0)
            reader = csv.open_csv(
                file,
                read_options=csv.ReadOptions(block_size=block_bytes, column_names=given),
                parse_options=csv.ParseOptions(delimiter=csv_format.delimiter, newlines_in_values=True),
                convert_options=csv.ConvertOptions(
                    column_types=dict(types),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=True,
                ),
            )
            yield from reader
    except pa.ArrowInvalid as error:
        if "straddling" in str(error) or "block size" in str(error):
            raise _RowTooLong(path, str(error)) from error
        raise DataError(csv_errors.explain(path, csv_format.delimiter, tuple(names), str(error))) from error


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
