"""JSON Lines, line by line with Python's own parser: for blocks that Arrow refuses, and to say what is wrong where."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from mlops_tfx.errors import DataError
from mlops_tfx.io.jsonl_kinds import Kind, Value

_LONGEST_SHOWN = 80
_INT64 = range(-(1 << 63), 1 << 63)


@dataclass(frozen=True)
class Lines:
    """Some whole lines of a file.

    Attributes:
        path: the file.
        first: number of the first line, from 1.
        data: their bytes.
    """

    path: str
    first: int
    data: bytes

    def rows(self) -> int:
        """Lines that are not blank."""
        return sum(1 for line in self.data.split(b"\n") if line.strip())


class Inference:
    """Learns the kind of every key.

    Args:
        known: kinds in lines before, by key.

    Attributes:
        kinds: kind of every key.
        large: by key, where and what the first whole number beyond 64 bits is.
    """

    def __init__(self, known: Mapping[str, Kind] | None = None) -> None:
        self.kinds: dict[str, Kind] = dict(known or {})
        self._places: dict[str, str] = {}
        self.large: dict[str, str] = {}

    def add(self, lines: Lines) -> None:
        """Takes some lines.

        Raises:
            DataError: a line is not a JSON object, or a value does not go with those before it; names file and line.
        """
        for where, row in parse(lines):
            for key, value in row.items():
                self._add(where, key, value)

    def _add(self, where: str, key: str, value: Any) -> None:
        found = _kind(where, key, value)
        before = self.kinds.get(key, Kind())
        joined = before.joined(found)
        if joined is None:
            place = self._places.get(key, "before")
            raise DataError(
                f"{where}: column {key!r}: expected {before} as {place}, received {_shorten(value)}; "
                f"a column has values of one kind"
            )
        if joined != before or key not in self.kinds:
            self.kinds[key] = joined
            self._places[key] = f"in {where}"
        if joined.value in (Value.INTEGER, Value.FLOAT) and key not in self.large:
            self._note_large(where, key, value)

    def _note_large(self, where: str, key: str, value: Any) -> None:
        for item in value if isinstance(value, list) else [value]:
            if type(item) is int and item not in _INT64:
                self.large[key] = f"{where}: column {key!r}: expected integers of 64 bits, received {item}"


def convert(lines: Lines, kinds: Mapping[str, Kind]) -> pa.RecordBatch:
    """The lines as plain columns of the given kinds; errors as for `Inference.add`."""
    cells: dict[str, list[Any]] = {key: [] for key in kinds}
    for where, row in parse(lines):
        for key, kind in kinds.items():
            value = row.pop(key, None)
            cells[key].append(_as_float(value) if kind.value is Value.FLOAT else value)
        if row:
            raise DataError(f"{where}: key {next(iter(row))!r} is new; the file was changed while it was read")
    try:
        arrays = [pa.array(cells[key], kind.arrow_type) for key, kind in kinds.items()]
    except (pa.ArrowException, OverflowError, TypeError) as error:
        raise DataError(f"{lines.path}: {error}; the file was changed while it was read") from error
    return pa.RecordBatch.from_arrays(arrays, list(kinds))


def first_error(lines: Lines) -> DataError | None:
    """The first thing that is wrong with some lines, if anything is."""
    try:
        Inference().add(lines)
    except DataError as error:
        return error
    return None


def parse(lines: Lines) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every row and where it is.

    Raises:
        DataError: a line is not a JSON object, has a key twice, or is not UTF-8; names file and line.
    """
    for number, line in enumerate(lines.data.split(b"\n"), start=lines.first):
        if not line.strip():
            continue
        where = f"{lines.path}, line {number}"
        try:
            row = json.loads(line.decode("utf-8"), object_pairs_hook=_no_key_twice)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{where}: expected UTF-8 text, received byte 0x{line[error.start]:02x} at position "
                f"{error.start + 1} of the line; convert the file, for instance with: iconv -f latin1 -t utf-8"
            ) from error
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{where}: expected a JSON object, received {_line(line)}: {error}{_advice(line)}"
            ) from error
        if not isinstance(row, dict):
            raise DataError(f"{where}: expected a JSON object, received {_line(line)}{_advice(line)}")
        yield where, row


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        raise ValueError(f"expected every key once, received {', '.join(map(repr, twice))} several times")
    return row


def _kind(where: str, key: str, value: Any) -> Kind:
    _check_text(where, key, key)
    if not isinstance(value, list):
        return Kind() if value is None else Kind(_value(where, key, value), False)
    kind = Kind(Value.NULL, True)
    for item in value:
        if item is None:
            raise DataError(f"{where}: column {key!r}: expected lists without null inside, received {_shorten(value)}")
        joined = kind.joined(Kind(_value(where, f"{key}[]", item), True))
        if joined is None:
            raise DataError(f"{where}: column {key!r}: expected values of one kind, received {_shorten(value)}")
        kind = joined
    return kind


def _value(where: str, key: str, value: Any) -> Value:
    if isinstance(value, bool):
        return Value.BOOLEAN
    if isinstance(value, int):
        return Value.INTEGER
    if isinstance(value, float):
        return Value.FLOAT
    if isinstance(value, str):
        _check_text(where, key, value)
        return Value.TEXT
    if isinstance(value, dict):
        inner = ", ".join(f"{key}.{name}" for name in list(value)[:8])
        raise DataError(
            f"{where}: column {key!r}: expected values or lists of values, received an object ({inner}); give each of "
            f"its keys a column of its own, for instance with jq"
        )
    raise DataError(
        f"{where}: column {key!r}: expected values in lists, received lists in lists; make one list of them"
    )


def _check_text(where: str, key: str, text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(
            f"{where}: column {key!r}: expected Unicode text, received half of a surrogate pair at position "
            f"{error.start + 1} of the text; write the character whole"
        ) from error


def _as_float(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_float(item) for item in value]
    if not isinstance(value, int):
        return value
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def _line(line: bytes) -> str:
    return _shorten(line.decode("utf-8", "replace").strip())


def _advice(line: bytes) -> str:
    if not line.lstrip().startswith(b"["):
        return ""
    return "; of a file that is one JSON array, make lines with: jq -c '.[]'"


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."
