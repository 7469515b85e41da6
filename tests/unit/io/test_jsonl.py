from __future__ import annotations

import bz2
import gzip
import json
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_tfx.errors import DataError
from mlops_tfx.io import jsonl
from mlops_tfx.io.columns import concat


def read(*paths: Path) -> list[dict[str, Any]]:
    table = jsonl.inspect_jsonl([str(path) for path in paths])
    batches = [rows.batch for rows in jsonl.read_jsonl(table)]
    rows: list[dict[str, Any]] = concat(batches).to_pylist() if batches else []
    assert len(rows) == table.rows
    return rows


def written(tmp_path: Path, *lines: str | bytes) -> Path:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in lines) + b"\n")
    return path


def test_values_and_what_is_missing(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '{"i": 0, "f": 0.0, "t": "", "b": false, "l": [], "d": "2013-01-01", "n": null}',
        '  {"i": null, "f": 2, "t": "\\u00e9\\ud83d\\ude00\\u0000\\n", "b": true, "l": [1, -1]}\r',
        "",
        '{"late": [0.5, 1], "i": -9223372036854775808}',
        '{"i": 9223372036854775807, "f": -0.0, "x\\"y": ["", "é"]}',
    )
    assert read(path) == [
        {"i": [0], "f": [0.0], "t": [b""], "b": [0], "l": None, "d": [b"2013-01-01"], "n": None, "late": None,
         'x"y': None},
        {"i": None, "f": [2.0], "t": ["é\N{GRINNING FACE}\0\n".encode()], "b": [1], "l": [1, -1], "d": None, "n": None,
         "late": None, 'x"y': None},
        {"i": [-(2**63)], "f": None, "t": None, "b": None, "l": None, "d": None, "n": None, "late": [0.5, 1.0],
         'x"y': None},
        {"i": [2**63 - 1], "f": [-0.0], "t": None, "b": None, "l": None, "d": None, "n": None, "late": None,
         'x"y': [b"", "é".encode()]},
    ]  # fmt: skip


def test_the_kind_of_a_column_is_known_before_the_first_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "_BLOCK_BYTES", 100)
    path = written(tmp_path, *(json.dumps({"n": n, "s": None}) for n in range(50)), '{"n": 0.5, "s": ["x"]}')
    rows = read(path)
    assert [row["n"] for row in rows] == [[float(n)] for n in range(50)] + [[0.5]]
    assert rows[-1]["s"] == [b"x"]


def test_numbers_that_arrow_does_not_take(tmp_path: Path) -> None:
    path = written(tmp_path, '{"f": NaN}', '{"f": Infinity}', '{"f": -Infinity}', '{"f": 1e400}', '{"f": 1e30}',
                   '{"f": 99999999999999999999}')  # fmt: skip
    values = [row["f"][0] for row in read(path)]
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, -math.inf, math.inf, float(np.float32(1e30)), float(np.float32(1e20))]


@pytest.mark.parametrize(("suffix", "compress"), [("gz", gzip.compress), ("bz2", bz2.compress), ("zst", None)])
def test_compressed_files(tmp_path: Path, suffix: str, compress: Any) -> None:
    plain = b"".join(b'{"n": %d}\n' % n for n in range(10_000))
    compress = compress or (lambda data: pa.compress(data, "zstd", asbytes=True))
    path = tmp_path / f"a.jsonl.{suffix}"
    path.write_bytes(compress(plain))
    assert [row["n"][0] for row in read(path)] == list(range(10_000))
    path.write_bytes(compress(plain)[:-20])
    with pytest.raises(DataError, match=rf"a.jsonl.{suffix}: the .* data is damaged or cut off"):
        read(path)


def test_several_files_and_one_without_rows(tmp_path: Path) -> None:
    paths = [tmp_path / f"{index}.jsonl" for index in range(3)]
    for path, text in zip(paths, ('\ufeff{"a": 1}', "\n\n", '{"b": true, "a": 2}\n'), strict=True):
        path.write_text(text, encoding="utf-8")
    assert read(*paths) == [{"a": [1], "b": None}, {"a": [2], "b": [1]}]
    assert read(paths[1]) == []


GOOD = ['{"a": 1, "b": "x"}'] * 3


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"a": 1'], r"line 4: expected a JSON object, received '\{\"a\": 1': "),
        (["{'a': 1}"], "line 4: expected a JSON object"),
        (["[1]"], r"line 4: expected a JSON object, received '\[1\]'; .*jq -c"),
        (["5"], "line 4: expected a JSON object, received '5'"),
        (['{"a": 1}{"a": 2}'], "line 4: expected a JSON object.*Extra data"),
        (["", '{"a": 1, "a": 2}'], "line 5: .*expected every key once, received 'a' several times"),
        (['{"a": "x"}'], "line 4: column 'a': expected integers as .*, received 'x'"),
        (['{"a": [1]}'], r"line 4: column 'a': expected integers as .*, received \[1\]"),
        (['{"a": true}'], "line 4: column 'a': expected integers as .*, received True"),
        (['{"b": 5}'], "line 4: column 'b': expected text as .*, received 5"),
        (['{"a": 2, "c": {"d": {"e": 1}}}'], r"line 4: column 'c': .*received an object \(c.d\)"),
        (['{"c": [{"d": 1}]}'], r"line 4: column 'c\[\]': .*received an object \(c\[\].d\)"),
        (['{"c": [[1]]}'], r"line 4: column 'c\[\]': expected values in lists, received lists in lists"),
        (['{"c": [1, null]}'], r"line 4: column 'c': expected lists without null inside, received \[1, None\]"),
        (['{"c": [1, "x"]}'], r"line 4: column 'c': expected values of one kind, received \[1, 'x'\]"),
        (['{"a": 99999999999999999999}'], "line 4: column 'a': expected integers of 64 bits, received 99999999999999"),
        (['{"c": [9223372036854775808]}'], "line 4: column 'c': expected integers of 64 bits, received 92233720368547"),
        (['{"b": "\\ud800"}'], "line 4: column 'b': expected Unicode text, received half of a surrogate pair"),
        ([b'{"b": "\xff"}'], "line 4: expected UTF-8 text, received byte 0xff at position 8"),
        ([b"[" * 100_000], "line 4: expected a JSON object"),
    ],
)
@pytest.mark.parametrize("block_bytes", [30, 4 << 20])
def test_wrong_lines(
    tmp_path: Path, lines: list[str | bytes], message: str, block_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "_BLOCK_BYTES", block_bytes)
    path = written(tmp_path, *GOOD, *lines, '{"a": 3}')
    with pytest.raises(DataError, match=f"a.jsonl, {message}"):
        read(path)


def test_only_empty_objects(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a.jsonl: expected objects with keys, received 2 without any"):
        read(written(tmp_path, "{}", "{}"))


def test_a_file_that_changes_between_the_passes(tmp_path: Path) -> None:
    path = written(tmp_path, '{"a": 1}')
    table = jsonl.inspect_jsonl([str(path)])
    for changed in ('{"a": "x"}', '{"b": 1}', '{"a": 99999999999999999999}'):
        path.write_text(changed)
        with pytest.raises(DataError, match=r"a.jsonl.*the file was changed while it was read"):
            list(jsonl.read_jsonl(table))


TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)
SCALARS = {
    "int": st.integers(-(2**63), 2**63 - 1),
    "number": st.floats(width=32) | st.integers(-1000, 1000),
    "text": TEXT | st.sampled_from(["2013-01-01", "2013-01-01 10:00:00", "1", "true", "null", "NaN"]),
    "bool": st.booleans(),
}


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, Any]]:
    names = draw(st.lists(TEXT, min_size=1, max_size=4, unique=True))
    cells = {name: draw(st.sampled_from(list(SCALARS.values())).map(_maybe_list)) for name in names}
    count = draw(st.integers(0, 6))
    rows = [{name: draw(values) for name, values in cells.items() if draw(st.booleans())} for _ in range(count)]
    return rows if any(rows) else []


def _maybe_list(values: st.SearchStrategy[Any]) -> Any:
    return st.sampled_from([values | st.none(), st.lists(values, max_size=3) | st.none()]).flatmap(lambda each: each)


@settings(max_examples=150, deadline=None)
@given(tables(), st.booleans(), st.sampled_from([64, 4 << 20]))
def test_what_json_wrote_is_read(rows: list[dict[str, Any]], ascii_only: bool, block_bytes: int) -> None:
    # One column is of one kind, scalars or lists; the strategy may mix them.
    rows = [{key: value for key, value in row.items() if _same_shape(rows, key)} for row in rows]
    if not any(rows):
        return
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "_BLOCK_BYTES", block_bytes)
        path = Path(folder, "a.jsonl")
        path.write_text("".join(json.dumps(row, ensure_ascii=ascii_only) + "\n" for row in rows), encoding="utf-8")
        ours = read(path)
    names = list(dict.fromkeys(name for row in rows for name in row))
    floats = {n for n in names if any(isinstance(v, float) for row in rows for v in _listed(row.get(n)))}
    assert len(ours) == len(rows)
    for row, line in zip(ours, rows, strict=True):
        assert list(row) == names
        for name in names:
            assert repr(row[name]) == repr(_expected(line.get(name), name in floats))


def _same_shape(rows: list[dict[str, Any]], key: str) -> bool:
    return len({isinstance(row[key], list) for row in rows if row.get(key) is not None}) <= 1


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _expected(value: Any, is_float: bool) -> list[Any] | None:
    def one(item: Any) -> Any:
        return item.encode() if isinstance(item, str) else float(np.float32(item)) if is_float else int(item)

    return [one(item) for item in _listed(value)] or None
