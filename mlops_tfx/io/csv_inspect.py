"""The first pass over CSV files: number of rows and the type of every column, by TFX's rule, over all rows.

Types are guessed from the first block; Arrow then parses all files with the guess, which is several times as fast as
looking at every cell. A column for which the guess fails is read as text and inferred exactly, as are all columns if
the text has something that Arrow reads as a number and Python does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from mlops_tfx.errors import ConfigError, DataError, did_you_mean
from mlops_tfx.io import compressed, csv_errors, csv_files
from mlops_tfx.io.csv_files import CsvFormat, CsvTable, RowTooLongError
from mlops_tfx.io.csv_types import ColumnInference, ColumnType

_SNIFF_BYTES = 1 << 20
_BLOCK_BYTES = 2 << 20  # Arrow reads some blocks ahead; larger ones cost memory and are no faster
_MAX_BLOCK_BYTES = 1 << 30
_GUESSES = {ColumnType.INT: pa.int64(), ColumnType.FLOAT: pa.float64()}
_FAILED_COLUMN = re.compile(r"column #(\d+): CSV conversion error to (?:int64|double)")
_NAN_CALL = re.compile(rb"nan\(", re.IGNORECASE)


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
            return _Inspection(tuple(files), csv_format, names, block_bytes).table()
        except RowTooLongError as error:
            if block_bytes >= _MAX_BLOCK_BYTES:
                raise DataError(csv_errors.explain(error.path, csv_format.delimiter, names, str(error))) from error
            block_bytes *= 8


class _Inspection:
    def __init__(self, files: tuple[str, ...], csv_format: CsvFormat, names: tuple[str, ...], block_bytes: int) -> None:
        self._files = files
        self._format = csv_format
        self._names = names
        self._block_bytes = block_bytes

    def table(self) -> CsvTable:
        exact = [_has_arrow_only(path, self._format, self._names) for path in self._files]
        guesses = [None] * len(self._names) if any(exact) else self._sniff()
        while True:
            try:
                rows, columns = self._read(guesses)
                break
            except _WrongGuess as error:
                guesses[error.column] = None
        if not rows:
            raise DataError(
                f"{', '.join(self._files)}: expected at least one row of data, received only a header; "
                f"add data or remove the file"
            )
        types = tuple(self._final_type(name, column) for name, column in zip(self._names, columns, strict=True))
        plain = tuple(column.plain for column in columns)
        return CsvTable(self._files, self._format, self._names, types, plain, rows, self._block_bytes)

    def _sniff(self) -> list[ColumnType | None]:
        text = [pa.string()] * len(self._names)
        try:
            first = next(self._blocks(self._files[0], text, _SNIFF_BYTES), None)
        except RowTooLongError:
            first = None
        if first is None:
            return [None] * len(self._names)
        return [_guess(cells) for cells in first.columns]

    def _read(self, guesses: Sequence[ColumnType | None]) -> tuple[int, list[ColumnInference]]:
        """One pass over all files. Raises _WrongGuess at the first column that is not as guessed."""
        columns = [ColumnInference() for _ in self._names]
        types = [pa.string() if guess is None else _GUESSES[guess] for guess in guesses]
        rows = 0
        for path in self._files:
            for batch in self._blocks(path, types, self._block_bytes):
                rows += batch.num_rows
                for index, column in enumerate(columns):
                    _add(column, batch.column(index), guesses[index], index)
            for name, column in zip(self._names, columns, strict=True):
                self._check_override(path, name, column)
        return rows, columns

    def _blocks(self, path: str, types: Sequence[pa.DataType], block_bytes: int) -> Iterator[pa.RecordBatch]:
        by_name = dict(zip(self._names, types, strict=True))
        try:
            yield from csv_files.read_blocks(path, self._format, by_name, block_bytes)
        except csv_files.BadCsvError as error:
            failed = _FAILED_COLUMN.search(str(error))
            if failed is not None:
                raise _WrongGuess(int(failed.group(1))) from error
            raise DataError(csv_errors.explain(path, self._format.delimiter, self._names, str(error))) from error

    def _check_override(self, path: str, name: str, column: ColumnInference) -> None:
        wanted = self._format.column_types.get(name)
        if wanted is None or column.type <= ColumnType[wanted]:
            return
        has_header = not self._format.column_names
        raise DataError(
            csv_errors.explain_wrong_type(
                path, self._format.delimiter, self._names, name, ColumnType[wanted], has_header
            )
        )

    def _final_type(self, name: str, column: ColumnInference) -> ColumnType:
        wanted = self._format.column_types.get(name)
        return column.type if wanted is None or column.type is ColumnType.EMPTY else ColumnType[wanted]


class _WrongGuess(Exception):
    def __init__(self, column: int) -> None:
        self.column = column
        super().__init__(column)


def _guess(cells: pa.StringArray) -> ColumnType | None:
    column = ColumnInference()
    column.add(cells)
    return column.type if column.plain and column.type in _GUESSES else None


def _add(column: ColumnInference, cells: pa.Array, guess: ColumnType | None, index: int) -> None:
    if guess is None:
        column.add(cells)
        return
    # Whole numbers beyond 64 bits make a column STRING; Arrow reads them as floats.
    if guess is ColumnType.FLOAT and np.nanmax(np.abs(_values(cells)), initial=0.0) >= 2.0**63:
        raise _WrongGuess(index)
    column.type = guess


def _values(cells: pa.DoubleArray) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(cells.drop_null())


def _has_arrow_only(path: str, csv_format: CsvFormat, names: tuple[str, ...]) -> bool:
    """Whether the text may hold hexadecimal numbers or ``nan(...)``, which Arrow takes for numbers and Python does not.

    Raises:
        DataError: a quote is never closed, which Arrow does not mind.
    """
    found, quotes, tail = False, 0, b"\n"
    for chunk in compressed.read_chunks(path, _BLOCK_BYTES):
        quotes += chunk.count(b'"')
        text = tail + chunk
        found = found or _starts_number(text, b"0x") or _starts_number(text, b"0X")
        found = found or (b"(" in text and _NAN_CALL.search(text) is not None)
        tail = chunk[-4:]
    if quotes % 2:
        reason = f"expected every quote to be closed, received an odd number of quotes ({quotes})"
        raise DataError(csv_errors.explain(path, csv_format.delimiter, names, reason))
    return found


def _starts_number(text: bytes, prefix: bytes) -> bool:
    place = text.find(prefix, 1)
    while place > 0:
        if not text[place - 1 : place].isalnum():
            return True
        place = text.find(prefix, place + 2)
    return False


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
