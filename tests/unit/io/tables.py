"""Random tables for hypothesis, written in every format by other libraries than the ones that read them here."""

from __future__ import annotations

import csv
import itertools
import json
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=10) | st.sampled_from(
    ["", "\0", "\N{GRINNING FACE}", "\U0010ffff", "NaN", "0", "true", "2013-01-01", "a" * 300]
)
VALUES = {
    "int": st.integers(-(2**63), 2**63 - 1) | st.integers(-200, 200),
    "float": st.floats(width=32) | st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, 2.0**-149]),
    "text": TEXT,
    "bytes": st.binary(max_size=10) | st.sampled_from([b"", b"\0", b"\xff\xfe", b"x" * 200]),
}
CSV_TEXT = TEXT.filter(lambda text: text and not set(text) & {"\0", "\r"})
# tfx_bsl hands names over as C strings, which end at the first NUL.
_NAMES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=8) | st.sampled_from(
    ["", "a", "a.b", "a.b.c", "list", "item", "a b", "é", "'", '"', "\\", "\n", "__index_level_0__", "A", "name" * 40]
)
_WORD = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,9}\Z")


@dataclass(frozen=True)
class Column:
    """One column: its kind, whether its cells are lists, and one cell (None, a value or a list) per row."""

    kind: str
    is_list: bool
    cells: list[Any]


Table = dict[str, Column]


@st.composite
def tables(
    draw: st.DrawFn, kinds: Sequence[str] = tuple(VALUES), lists: bool = True, words: bool = False, text: Any = TEXT
) -> Table:
    """A table: zero or more rows, one or more columns, with any values and any of them missing."""
    rows = draw(st.sampled_from([0, 1, 2, 3, 5, 8, 13]))
    many = draw(st.sampled_from([1, 3, 3, 3, 40]))
    names = draw(st.lists(_WORD if words else _NAMES, min_size=1, max_size=many, unique=True))
    return {name: draw(columns(rows, kinds, lists, text)) for name in names}


@st.composite
def columns(draw: st.DrawFn, rows: int, kinds: Sequence[str], lists: bool, text: Any) -> Column:
    """One column of a table."""
    kind = draw(st.sampled_from(kinds))
    is_list = lists and draw(st.booleans())
    values = text if kind == "text" else VALUES[kind]
    cell = st.lists(values, max_size=3) if is_list else values
    missing = draw(st.sampled_from([st.nothing(), st.none(), st.none()]))
    return Column(kind, is_list, draw(st.lists(missing | cell, min_size=rows, max_size=rows)))


def row_count(table: Table) -> int:
    """Rows of a table."""
    return len(next(iter(table.values())).cells)


def expected(table: Table) -> list[dict[str, Any]]:
    """The rows as `comparable` shows them."""
    rows = [{name: column.cells[row] for name, column in table.items()} for row in range(row_count(table))]
    return [comparable(row) for row in rows]


def comparable(row: dict[str, Any]) -> dict[str, Any]:
    """A row without what is missing; every value in a list, floats as the bits of float32, text as UTF-8."""
    listed = {name: value if isinstance(value, list) else [value] for name, value in row.items() if value is not None}
    return {name: [_comparable(item) for item in items] for name, items in listed.items() if items}


def _comparable(value: Any) -> Any:
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("<f", np.float32(value)).hex()
    return value.encode() if isinstance(value, str) else value


def cut(table: Table, files: int) -> list[Table]:
    """The rows in several tables, of which some may be empty."""
    edges = np.linspace(0, row_count(table), files + 1).astype(int).tolist()
    return [
        {name: Column(column.kind, column.is_list, column.cells[start:stop]) for name, column in table.items()}
        for start, stop in itertools.pairwise(edges)
    ]


def write_csv(table: Table, path: Path) -> None:
    """Writes a header and the rows."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(table)
        for row in range(row_count(table)):
            cells = (column.cells[row] for column in table.values())
            writer.writerow("" if cell is None else repr(cell) if isinstance(cell, float) else cell for cell in cells)


def write_jsonl(table: Table, path: Path) -> None:
    """Writes an object per row; every second missing value is null, the others are left out."""
    lines = []
    for row in range(row_count(table)):
        cells = {name: column.cells[row] for name, column in table.items()}
        kept = {name: cell for place, (name, cell) in enumerate(cells.items()) if cell is not None or place % 2}
        lines.append(json.dumps(kept, ensure_ascii=bool(row % 2)) + "\n")
    path.write_text("".join(lines), encoding="utf-8")


def write_tfrecord(table: Table, path: Path) -> None:
    """Writes tf.train.Examples with TensorFlow; every second missing value is an empty feature."""
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for row in range(row_count(table)):
            example = tf.train.Example()
            for place, (name, column) in enumerate(table.items()):
                _add_feature(example.features.feature, name, column.kind, column.cells[row], bool(place % 2))
            writer.write(example.SerializeToString())


def _add_feature(features: Any, name: str, kind: str, cell: Any, keep_empty: bool) -> None:
    if cell is None:
        if keep_empty:
            features[name].SetInParent()
        return
    values = cell if isinstance(cell, list) else [cell]
    target = {"int": "int64_list", "float": "float_list", "text": "bytes_list", "bytes": "bytes_list"}[kind]
    message = getattr(features[name], target)
    message.SetInParent()
    message.value.extend(value.encode() if isinstance(value, str) else value for value in values)


_ARROW = {"int": pa.int64(), "float": pa.float32(), "text": pa.string(), "bytes": pa.binary()}


def write_parquet(table: Table, path: Path) -> None:
    """Writes plain typed columns with pyarrow."""
    arrays = [
        pa.array(column.cells, pa.list_(_ARROW[column.kind]) if column.is_list else _ARROW[column.kind])
        for column in table.values()
    ]
    pq.write_table(pa.Table.from_arrays(arrays, list(table)), path, row_group_size=5)


_AVRO = {"int": "long", "float": "float", "text": "string", "bytes": "bytes"}


def write_avro(table: Table, path: Path) -> None:
    """Writes records with fastavro, few to a block."""
    fields = []
    for name, column in table.items():
        item: Any = _AVRO[column.kind]
        fields.append({"name": name, "type": ["null", {"type": "array", "items": item} if column.is_list else item]})
    rows = [{name: column.cells[row] for name, column in table.items()} for row in range(row_count(table))]
    with path.open("wb") as file:
        fastavro.writer(file, {"type": "record", "name": "Row", "fields": fields}, rows, "deflate", sync_interval=100)
