"""JSON Lines files as rows in tf.Example form.

Files are read twice, block by block: first to learn the kind of every column over all rows, then to convert. Arrow
parses the blocks; one that it refuses, or that holds whole numbers beyond 64 bits, goes through Python's parser
(jsonl_exact.py), which accepts it or says in which line it is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mlops_tfx.errors import DataError
from mlops_tfx.io import columns, compressed, jsonl_exact
from mlops_tfx.io.ahead import ahead
from mlops_tfx.io.jsonl_exact import Lines
from mlops_tfx.io.jsonl_kinds import Kind, Value, kind_of_type
from mlops_tfx.io.rows import Rows

_BLOCK_BYTES = 4 << 20
_MAX_LINE_BYTES = 1 << 30
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class JsonTable:
    """What the first pass found out.

    Attributes:
        files: the files, in order.
        kinds: kind of every column, in the order in which they first occur.
        rows: number of rows.
    """

    files: tuple[str, ...]
    kinds: dict[str, Kind]
    rows: int


def inspect_jsonl(files: Sequence[str]) -> JsonTable:
    """Reads files once and learns the kind of every column over all rows.

    Whole numbers together with other numbers are floats; null and an absent key are a missing value.

    Raises:
        DataError: a line is not a JSON object, has a key twice or is not UTF-8; a value is an object, or does not go
            with those before it; a column of integers has one beyond 64 bits. Names file, line and column.
    """
    kinds: dict[str, Kind] = {}
    large: dict[str, str] = {}
    rows = 0
    for lines in _all_lines(files):
        count, found, large_here = _infer(lines, kinds)
        rows += count
        large = large_here | large
        kinds = _joined(kinds, found, lines)
    for key, reason in large.items():
        if kinds[key].value is Value.INTEGER:
            raise DataError(f"{reason}; write the column as text, or with a decimal point as floats")
    if rows and not kinds:
        raise DataError(f"{', '.join(files)}: expected objects with keys, received {rows} without any")
    return JsonTable(tuple(files), kinds, rows)


def _joined(before: dict[str, Kind], found: dict[str, Kind], lines: Lines) -> dict[str, Kind]:
    joined = {key: before.get(key, Kind()).joined(kind) for key, kind in found.items()}
    conflict = next((key for key, kind in joined.items() if kind is None), None)
    if conflict is None:
        return before | {key: kind for key, kind in joined.items() if kind is not None}
    # Says in which line it is.
    jsonl_exact.Inference(before).add(lines)
    raise DataError(f"{lines.path}: column {conflict!r}: expected {before[conflict]}, received {found[conflict]}")


def read_jsonl(table: JsonTable) -> Iterator[Rows]:
    """Reads the rows in order, in tf.Example form.

    Booleans and integers become int64, exactly, floats float32, text bytes. Zero, empty text and false are values;
    null, an absent key and an empty list are missing.

    Raises:
        DataError: a file is no longer as it was when it was inspected.
    """
    for path in table.files:
        for lines in ahead(_read_lines(path)):
            yield Rows(_convert(lines, table), where=path)


def _all_lines(files: Sequence[str]) -> Iterator[Lines]:
    for path in files:
        yield from ahead(_read_lines(path))


def _read_lines(path: str) -> Iterator[Lines]:
    """Pieces of whole lines, at least one row in each."""
    first, rest = 1, b""
    for chunk in compressed.read_chunks(path, _BLOCK_BYTES):
        end = chunk.rfind(b"\n") + 1
        if not end:
            rest += chunk
            if len(rest) > _MAX_LINE_BYTES:
                raise DataError(f"{path}, line {first}: expected lines of at most {_MAX_LINE_BYTES} bytes")
            continue
        data = rest + chunk[:end]
        rest = chunk[end:]
        yield from _pieces(path, first, data)
        first += data.count(b"\n")
    if rest:
        yield from _pieces(path, first, rest)


def _pieces(path: str, first: int, data: bytes) -> Iterator[Lines]:
    if first == 1 and data.startswith(_BOM):
        data = data[len(_BOM) :]
    if data.strip():
        yield Lines(path, first, data)


def _infer(lines: Lines, before: dict[str, Kind]) -> tuple[int, dict[str, Kind], dict[str, str]]:
    """Rows, kinds, and where whole numbers beyond 64 bits are, by key."""
    table = _parse(lines, None)
    if table is not None and not any(_has_large(column) for column in table.columns):
        kinds = {field.name: kind_of_type(field.type) for field in table.schema}
        if None not in kinds.values():
            return table.num_rows, {name: kind for name, kind in kinds.items() if kind is not None}, {}
    exact = jsonl_exact.Inference(before)
    exact.add(lines)
    return lines.rows(), exact.kinds, exact.large


def _has_large(column: pa.ChunkedArray) -> bool:
    """Whether numbers may be integers beyond 64 bits, which Arrow takes for floats."""
    if pa.types.is_list(column.type):
        return any(_has_large(pa.chunked_array([chunk.flatten()])) for chunk in column.chunks)
    if not pa.types.is_float64(column.type):
        return False
    values = np.abs(np.concatenate([np.asarray(chunk.drop_null()) for chunk in column.chunks]))
    return bool((np.isfinite(values) & (values >= 2.0**63)).any())


def _convert(lines: Lines, table: JsonTable) -> pa.RecordBatch:
    schema = pa.schema([pa.field(key, kind.arrow_type) for key, kind in table.kinds.items()])
    parsed = _parse(lines, schema)
    try:
        if parsed is None:
            return columns.to_example_form(jsonl_exact.convert(lines, table.kinds))
        parsed = parsed.combine_chunks()
        arrays = [column.chunk(0) if column.num_chunks else pa.nulls(0) for column in parsed.columns]
        return columns.to_example_form(pa.RecordBatch.from_arrays(arrays, parsed.column_names))
    except DataError as error:
        raise jsonl_exact.first_error(lines) or DataError(f"{lines.path}: {error}") from error


def _parse(lines: Lines, schema: pa.Schema | None) -> pa.Table | None:
    """One row per line, or None if Arrow refuses, or does not see as many rows as there are lines."""
    from pyarrow import json

    data = lines.data
    if not data.isascii() and not _is_utf8(data):
        return None
    unexpected = "infer" if schema is None else "error"
    try:
        table = json.read_json(
            pa.BufferReader(data),
            json.ReadOptions(use_threads=False, block_size=len(data) + 1),
            json.ParseOptions(explicit_schema=schema, unexpected_field_behavior=unexpected),
        )
    except pa.ArrowException:
        return None
    ends = data.count(b"\n") + (not data.endswith(b"\n"))
    return table if table.num_rows == ends or table.num_rows == lines.rows() else None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
