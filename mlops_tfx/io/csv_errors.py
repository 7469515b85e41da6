"""Headers of CSV files, and where exactly a CSV file is wrong. Slow and exact: for one line, or after a failure."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

from mlops_tfx.errors import DataError
from mlops_tfx.io import compressed
from mlops_tfx.io.csv_types import ColumnType, cell_type

_BOM = b"\xef\xbb\xbf"
_LONGEST_SHOWN = 80


def read_header(path: str, delimiter: str) -> tuple[str, ...]:
    """Returns the column names of a file.

    Raises:
        DataError: the file is empty, or a name occurs twice.
    """
    header = next(_rows(path, delimiter), None)
    if header is None:
        raise DataError(f"{path}: expected a CSV file with a header line, received an empty file; remove it or fill it")
    return checked_names(header[1], f"{path}, line {header[0]}")


def checked_names(names: Sequence[str], where: str) -> tuple[str, ...]:
    """Returns the names. Raises DataError if one occurs twice."""
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        listing = ", ".join(f"{name!r} (columns {_places(name, names)})" for name in twice)
        raise DataError(f"{where}: expected every column name once, received {listing}; rename the columns")
    return tuple(names)


def _places(name: str, names: Sequence[str]) -> str:
    return " and ".join(str(index + 1) for index, other in enumerate(names) if other == name)


def header_only(path: str, delimiter: str) -> bool:
    """Whether there is nothing after the header."""
    rows = _rows(path, delimiter)
    next(rows, None)
    return next(rows, None) is None


def explain(path: str, delimiter: str, names: tuple[str, ...], reason: str) -> str:
    """Says in which line a file is wrong and how; ``reason`` is what the fast parser said."""
    line = first = 1
    try:
        for first, row in _rows(path, delimiter, strict=True):
            line = first
            if len(row) != len(names):
                cells = _shorten(delimiter.join(row))
                return (
                    f"{path}, line {first}: expected {len(names)} cells ({', '.join(names[:10])}"
                    f"{', ...' if len(names) > 10 else ''}), received {len(row)}: {cells!r}; correct the line, or "
                    f"quote cells that contain {delimiter!r}"
                )
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return f"{path}: expected every quote to be closed, received one that is still open at the end of the file"
        return f"{path}, after line {line}: cannot be read as CSV: {error}"
    return f"{path}: cannot be read as CSV: {reason}"


def explain_wrong_type(
    path: str, delimiter: str, names: Sequence[str], name: str, wanted: ColumnType, has_header: bool
) -> str:
    """Says which cell is not of the type that was given for its column."""
    place = list(names).index(name)
    rows = ((line, row[place]) for line, row in _rows(path, delimiter))
    if has_header:
        next(rows)
    line, cell = next((line, cell) for line, cell in rows if cell_type(cell.encode()) > wanted)
    return (
        f"{path}, line {line}, column {name!r}: expected {wanted.name} (from column_types), received "
        f"{_shorten(cell)!r}; correct the cell, or change or drop the type"
    )


def _rows(path: str, delimiter: str, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with the line it begins in."""
    reader = csv.reader(_lines(path, compressed.read_lines(path)), delimiter=delimiter, strict=strict)
    begin = 1
    for row in reader:
        if row:
            yield begin, row
        begin = reader.line_num + 1


def _lines(path: str, file: Iterator[bytes]) -> Iterator[str]:
    for number, line in enumerate(file, start=1):
        if number == 1 and line.startswith(_BOM):
            line = line[len(_BOM) :]
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path}, line {number}: expected UTF-8 text, received byte 0x{line[error.start]:02x} at position "
                f"{error.start + 1} of the line; convert the file, for instance with: iconv -f latin1 -t utf-8"
            ) from error


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."
