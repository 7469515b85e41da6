"""Decoding many blocks at once gives what fastavro gives, also for damaged data."""

from __future__ import annotations

import itertools
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_tfx.errors import DataError
from mlops_tfx.io import avro, avro_lockstep
from mlops_tfx.io.inputs import InputSplit
from mlops_tfx.io.lockstep import IrregularError

ENUM = {"type": "enum", "name": "Suit", "symbols": ["A", "B", "C"]}
FIXED = {"type": "fixed", "name": "Three", "size": 3}
LONGS = st.integers(-(2**63), 2**63 - 1) | st.integers(-70, 70) | st.integers(-(2**20), 2**20)
TYPES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    ("long", LONGS),
    ("int", st.integers(-(2**31), 2**31 - 1)),
    ("float", st.floats(width=32)),
    ("double", st.floats()),
    ("boolean", st.booleans()),
    ("string", st.text(st.characters(blacklist_categories=["Cs"]), max_size=100)),
    ("bytes", st.binary(max_size=100)),
    ("null", st.none()),
    (ENUM, st.sampled_from("ABC")),
    (FIXED, st.binary(min_size=3, max_size=3)),
    ({"type": "int", "logicalType": "date"}, st.dates()),
]
KINDS = ("plain", "null first", "null last", "alone in a union")


@st.composite
def files(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]], int]:
    chosen = draw(st.lists(st.tuples(st.sampled_from(TYPES), st.sampled_from(KINDS)), min_size=1, max_size=6))
    numbers = itertools.count()
    fields, cells = [], {}
    for index, ((schema, values), kind) in enumerate(chosen):
        own = {**schema, "name": f"type{next(numbers)}"} if isinstance(schema, dict) and "name" in schema else schema
        nullable = schema != "null" and kind.startswith("null")
        unions = {"null first": ["null", own], "null last": [own, "null"], "alone in a union": [own]}
        fields.append({"name": f"f{index}", "type": unions.get(kind, own) if schema != "null" else own})
        cells[f"f{index}"] = values | st.none() if nullable else values
    rows = draw(st.lists(st.fixed_dictionaries(cells), min_size=1, max_size=30))
    return {"type": "record", "name": "Row", "fields": fields}, rows, draw(st.sampled_from([1, 60, 10_000]))


def outcome(path: Path, fewest_blocks: int) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(avro_lockstep, "FEWEST_BLOCKS", fewest_blocks)
        try:
            batches = [rows.batch for rows in avro.read_avro(InputSplit("all", (str(path),)))]
        except DataError:
            return "refused"
    return [repr(row) for batch in batches for row in batch.to_pylist()]


@settings(max_examples=200, deadline=None)
@given(files())
def test_equal_to_fastavro(file: tuple[dict[str, Any], list[dict[str, Any]], int]) -> None:
    schema, rows, sync_interval = file
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.avro")
        with path.open("wb") as out:
            fastavro.writer(out, schema, rows, sync_interval=sync_interval)
        found = outcome(path, 1)
        assert found == outcome(path, 10**9)
        assert len(found) == len(rows)


@settings(max_examples=200, deadline=None)
@given(files(), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=3))
def test_damage_is_seen_as_fastavro_sees_it(
    file: tuple[dict[str, Any], list[dict[str, Any]], int], damage: list[tuple[int, int]]
) -> None:
    schema, rows, sync_interval = file
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.avro")
        with path.open("wb") as out:
            fastavro.writer(out, schema, rows, sync_interval=sync_interval)
        data = bytearray(path.read_bytes())
        with path.open("rb") as file_in:
            head = next(iter(fastavro.block_reader(file_in))).offset
        for place, value in damage:
            data[head + place % (len(data) - head)] = value
        path.write_bytes(data)
        assert outcome(path, 1) == outcome(path, 10**9)


def test_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of many blocks are not left to fastavro."""
    schema = {"type": "record", "name": "Row", "fields": [{"name": "n", "type": ["null", "long"]}]}
    path = tmp_path / "a.avro"
    with path.open("wb") as out:
        fastavro.writer(out, schema, [{"n": n if n % 3 else None} for n in range(5000)], sync_interval=100)

    def refuse(*_: Any) -> Any:
        raise AssertionError("fastavro was called")

    monkeypatch.setattr(avro, "_by_fastavro", refuse)
    assert outcome(path, 16)[:3] == ["{'n': None}", "{'n': [1]}", "{'n': [2]}"]


@pytest.mark.parametrize("schema", [{"type": "array", "items": "long"}, ["null", "long", "int"]])
def test_other_schemas_are_left_to_fastavro(schema: Any, tmp_path: Path) -> None:
    from mlops_tfx.io import avro_file, avro_schema

    record = {"type": "record", "name": "Row", "fields": [{"name": "n", "type": schema}]}
    path = tmp_path / "a.avro"
    with path.open("wb") as out:
        fastavro.writer(out, record, [{"n": [1] if isinstance(schema, dict) else 1}])
    blocks = list(avro_file.read_blocks(str(path)))
    with pytest.raises(IrregularError):
        avro_lockstep.decode(blocks, avro_schema.record_schema(record, "here"))
