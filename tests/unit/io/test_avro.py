from __future__ import annotations

import datetime as dt
import json
import uuid
import zlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa
import pytest

from mlops_tfx.errors import DataError
from mlops_tfx.io import avro
from mlops_tfx.io.columns import concat
from mlops_tfx.io.inputs import InputSplit

UTC = dt.timezone.utc


def field(name: str, schema: Any) -> dict[str, Any]:
    return {"name": name, "type": schema}


def record(*fields: dict[str, Any], name: str = "Row") -> dict[str, Any]:
    return {"type": "record", "name": name, "namespace": "a.b", "fields": list(fields)}


def write(path: Path, schema: Any, rows: list[dict[str, Any]], **options: Any) -> Path:
    with path.open("wb") as file:
        fastavro.writer(file, schema, rows, **options)
    return path


def read(*paths: Path) -> pa.RecordBatch:
    split = InputSplit("all", tuple(str(path) for path in paths))
    batch = concat([rows.batch for rows in avro.read_avro(split)])
    assert batch.num_rows == avro.count_rows(split)
    return batch


def test_every_type_and_what_counts_as_a_value(tmp_path: Path) -> None:
    enum = {"type": "enum", "name": "Suit", "symbols": ["A", "B"]}
    schema = record(
        field("int", ["null", "int"]),
        field("long", "long"),
        field("float", "float"),
        field("double", ["double", "null"]),
        field("flag", "boolean"),
        field("text", "string"),
        field("bytes", "bytes"),
        field("enum", enum),
        field("again", ["null", "Suit"]),
        field("fixed", {"type": "fixed", "name": "Three", "size": 3}),
        field("longs", {"type": "array", "items": "long"}),
        field("texts", ["null", {"type": "array", "items": ["null", "string"]}]),
        field("number", ["null", "int", "double"]),
        field("nothing", "null"),
    )
    rows = [
        {
            "int": 0, "long": -(2**63), "float": 0.0, "double": -0.0, "flag": False, "text": "", "bytes": b"",
            "enum": "B", "again": None, "fixed": b"\0\0\0", "longs": [], "texts": [""], "number": 3, "nothing": None,
        },
        {
            "int": None, "long": 2**63 - 1, "float": 0.1, "double": None, "flag": True, "text": "\N{GRINNING FACE}\0",
            "bytes": b"\xff\0", "enum": "A", "again": "B", "fixed": b"abc", "longs": [0, -1], "texts": None,
            "number": 2.5, "nothing": None,
        },
    ]  # fmt: skip
    batch = read(write(tmp_path / "a.avro", schema, rows))
    # Zero, empty text and False are values; null and an empty array are not (TFX's executor makes all of them missing).
    assert batch.to_pylist() == [
        {
            "int": [0], "long": [-(2**63)], "float": [0.0], "double": [0.0], "flag": [0], "text": [b""], "bytes": [b""],
            "enum": [b"B"], "again": None, "fixed": [b"\0\0\0"], "longs": None, "texts": [b""], "number": [3.0],
            "nothing": None,
        },
        {
            "int": None, "long": [2**63 - 1], "float": [float(np.float32(0.1))], "double": None, "flag": [1],
            "text": ["\N{GRINNING FACE}\0".encode()], "bytes": [b"\xff\0"], "enum": [b"A"], "again": [b"B"],
            "fixed": [b"abc"], "longs": [0, -1], "texts": None, "number": [2.5], "nothing": None,
        },
    ]  # fmt: skip
    assert np.signbit(batch.column(3).flatten()[0].as_py())


def test_logical_types(tmp_path: Path) -> None:
    def logical(kind: str, logical_type: str, **more: Any) -> dict[str, Any]:
        return {"type": kind, "logicalType": logical_type, **more}

    schema = record(
        field("date", logical("int", "date")),
        field("millis", ["null", logical("long", "timestamp-millis")]),
        field("micros", logical("long", "timestamp-micros")),
        field("local", logical("long", "local-timestamp-millis")),
        field("time", logical("int", "time-millis")),
        field("price", logical("bytes", "decimal", precision=10, scale=2)),
        field("count", logical("fixed", "decimal", precision=18, scale=0, size=8, name="Count")),
        field("id", logical("string", "uuid")),
        field("dates", {"type": "array", "items": logical("int", "date")}),
        field("other", logical("long", "of-our-own")),
    )
    moment = dt.datetime(1960, 2, 3, 4, 5, 6, 7000, tzinfo=UTC)
    row = {
        "date": dt.date(1969, 12, 31),
        "millis": moment,
        "micros": moment,
        "local": moment.replace(tzinfo=None),
        "time": dt.time(1, 2, 3, 4000),
        "price": Decimal("-12.34"),
        "count": Decimal(10**17 + 1),
        "id": uuid.UUID(int=5),
        "dates": [dt.date(1970, 1, 2)],
        "other": 7,
    }
    micros = (moment - dt.datetime(1970, 1, 1, tzinfo=UTC)) // dt.timedelta(microseconds=1)
    assert read(write(tmp_path / "a.avro", schema, [row])).to_pylist() == [
        {
            "date": [-1],
            "millis": [micros],
            "micros": [micros],
            "local": [micros],
            "time": [3_723_004_000],
            "price": [float(np.float32(-12.34))],
            "count": [10**17 + 1],
            "id": [str(uuid.UUID(int=5)).encode()],
            "dates": [1],
            "other": [7],
        }
    ]


NUMBERS = record(field("n", "long"), field("text", "string"))
ROWS = [{"n": n, "text": f"row {n}"} for n in range(5000)]


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz"])
def test_codecs_and_blocks(tmp_path: Path, codec: str) -> None:
    batch = read(write(tmp_path / "a.avro", NUMBERS, ROWS, codec=codec, sync_interval=1000))
    assert [row["n"][0] for row in batch.to_pylist()] == list(range(5000))


@pytest.mark.parametrize("codec", ["snappy", "zstandard"])
def test_codecs_that_fastavro_needs_more_libraries_for(tmp_path: Path, codec: str) -> None:
    path = recompressed(write(tmp_path / "a.avro", NUMBERS, ROWS, sync_interval=1000), codec)
    assert read(path).column(1).flatten().to_pylist() == [row["text"].encode() for row in ROWS]
    data = path.read_bytes()
    place = len(data) // 2
    path.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
    with pytest.raises(DataError, match=r"a.avro(: |, )block \d+"):
        read(path)


def recompressed(path: Path, codec: str) -> Path:
    """The same file with its blocks compressed by another codec, written by hand."""
    sync = b"0123456789abcdef"
    meta = {"avro.schema": json.dumps(NUMBERS).encode(), "avro.codec": codec.encode()}
    pairs = b"".join(_sized(key.encode()) + _sized(value) for key, value in meta.items())
    out = b"Obj\x01" + _zigzag(len(meta)) + pairs + b"\0" + sync
    with path.open("rb") as file:
        for block in fastavro.block_reader(file):
            plain = block.bytes_.getvalue()
            data = pa.compress(plain, "snappy" if codec == "snappy" else "zstd", asbytes=True)
            if codec == "snappy":
                data += zlib.crc32(plain).to_bytes(4, "big")
            out += _zigzag(block.num_records) + _sized(data) + sync
    path.write_bytes(out)
    return path


def _sized(data: bytes) -> bytes:
    return _zigzag(len(data)) + data


def _zigzag(value: int) -> bytes:
    value, out = value << 1, b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def test_every_cut_of_a_file_is_an_error_or_ends_at_a_block(tmp_path: Path) -> None:
    path = write(tmp_path / "a.avro", NUMBERS, ROWS[:60], sync_interval=200)
    data = path.read_bytes()
    with path.open("rb") as file:
        ends = {block.offset: block.num_records for block in fastavro.block_reader(file)}
    whole = 0
    for size in range(len(data)):
        path.write_bytes(data[:size])
        try:
            whole = read(path).num_rows if size not in ends else whole
        except DataError as error:
            assert "a.avro" in str(error)
            continue
        except ValueError:
            continue
        assert size in ends, f"cut after {size} bytes, which is inside a block"


def test_damage_is_located(tmp_path: Path) -> None:
    path = write(tmp_path / "a.avro", NUMBERS, ROWS, sync_interval=1000)
    data = path.read_bytes()
    with path.open("rb") as file:
        blocks = list(fastavro.block_reader(file))
    first = sum(block.num_records for block in blocks[:3])
    start = blocks[3].offset + blocks[3].size
    path.write_bytes(data[: start - 8] + b"?" + data[start - 7 :])
    with pytest.raises(
        DataError, match=rf"a.avro: block 3 \(from record {first}\) is damaged: .*synchronisation marker"
    ):
        read(path)
    place = data.index(b"row %d" % (first + 2))
    path.write_bytes(data[: place - 1] + b"\xff" + data[place:])
    with pytest.raises(DataError, match=rf"a.avro, block 3, record {first + 2} is damaged"):
        read(path)
    path.write_bytes(data[:place] + b"\xff" + data[place + 1 :])
    with pytest.raises(DataError, match=r"a.avro, block .* records .*column 'text'|a.avro, block 0 .*[Ii]nvalid UTF"):
        read(path)


def test_a_block_larger_than_a_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avro, "_CHUNK_BYTES", 500)
    path = write(tmp_path / "a.avro", NUMBERS, ROWS, sync_interval=10**6)
    split = InputSplit("all", (str(path),))
    batches = [rows.batch for rows in avro.read_avro(split)]
    assert len(batches) > 50
    assert [row["n"][0] for row in concat(batches).to_pylist()] == list(range(5000))


def test_files_with_different_fields(tmp_path: Path) -> None:
    one = write(tmp_path / "1.avro", record(field("a", "int"), field("b", "string")), [{"a": 1, "b": "x"}])
    two = write(tmp_path / "2.avro", record(field("b", "bytes"), field("a", "double")), [{"a": 2.5, "b": b"y"}])
    three = write(tmp_path / "3.avro", record(field("c", "long")), [{"c": 3}])
    assert read(one, two, three).to_pylist() == [
        {"a": [1.0], "b": [b"x"], "c": None},
        {"a": [2.5], "b": [b"y"], "c": None},
        {"a": None, "b": None, "c": [3]},
    ]
    four = write(tmp_path / "4.avro", record(field("a", "string")), [{"a": "x"}])
    with pytest.raises(
        DataError, match=r"4.avro: column 'a': expected integers as in .*1.avro, received text or bytes"
    ):
        read(one, four)


def test_no_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "a.avro", NUMBERS, [])
    assert list(avro.read_avro(InputSplit("all", (str(path),)))) == []


@pytest.mark.parametrize(
    ("schema", "row", "message"),
    [
        (field("user", record(field("name", "string"), name="User")), {"name": "x"}, "column 'user'.*user.name"),
        (field("m", {"type": "map", "values": "long"}), {"k": 1}, "column 'm'.*a map"),
        (
            field("a", {"type": "array", "items": record(field("b", "int"), name="Item")}),
            [{"b": 1}],
            r"column 'a\[\]'.*a\[\].b",
        ),
        (
            field("a", {"type": "array", "items": {"type": "array", "items": "int"}}),
            [[1]],
            "column 'a'.*array of arrays",
        ),
        (field("u", ["null", "string", "long"]), 1, "column 'u'.*union of different types"),
        (field("a", {"type": "array", "items": ["null", "long"]}), [1, None], "column 'a'.*without nulls inside"),
    ],
)
def test_fields_that_cannot_be_features(tmp_path: Path, schema: dict[str, Any], row: Any, message: str) -> None:
    path = write(tmp_path / "a.avro", record(schema), [{schema["name"]: row}])
    with pytest.raises(DataError, match=f"a.avro.*{message}"):
        read(path)


def test_files_that_are_not_avro(tmp_path: Path) -> None:
    path = tmp_path / "a.avro"
    path.write_bytes(b"PAR1....")
    with pytest.raises(DataError, match="a.avro: expected an Avro file"):
        read(path)
    write(path, "long", [1, 2])  # type: ignore[list-item]
    with pytest.raises(DataError, match="expected an Avro file of records, received type='long'"):
        read(path)
