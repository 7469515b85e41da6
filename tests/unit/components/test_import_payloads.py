"""ImportExampleGen on every payload: TFX's splits, bytes and batches; corrupt records."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import google_crc32c
import pytest

from mlops_tfx import config
from mlops_tfx.artifacts import Examples
from mlops_tfx.components import ImportExampleGen
from mlops_tfx.errors import DataError, WiringError
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io import dataset, example_proto, tfrecord
from mlops_tfx.io import examples as examples_io

GOLDEN = json.loads((Path(__file__).resolve().parents[2] / "golden/ingestion/expected.json").read_text())
BUCKETS = (("train", 3), ("eval", 1), ("test", 2))
OUTPUT = config.Output(
    split_config=config.SplitConfig(
        splits=[config.SplitConfig.Split(name=name, hash_buckets=buckets) for name, buckets in BUCKETS]
    )
)
CASES = {case["payload"]: case for case in GOLDEN["partition"] if case["feature"] is None}


def records_of(payload: str) -> list[bytes]:
    return [base64.b64decode(record) for record in CASES[payload]["records"]]


def framed(record: bytes) -> bytes:
    """TFRecord's frame, by its definition."""

    def masked(data: bytes) -> bytes:
        check = google_crc32c.value(data)
        return (((check >> 15 | check << 17) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")

    length = len(record).to_bytes(8, "little")
    return length + masked(length) + record + masked(record)


def write(folder: Path, frames: Sequence[bytes], name: str = "data.gz") -> str:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(gzip.compress(b"".join(frames)))
    return str(folder)


def run(component: ImportExampleGen, root: Path, log: Any = print) -> Examples:
    (examples,) = run_component(component, {}, root, log=log)["examples"]
    assert isinstance(examples, Examples)
    return examples


def written(examples: Examples, split: str) -> list[bytes]:
    paths = examples_io.split_files(examples, split)
    blocks = [block for path in paths for block in tfrecord.read_blocks(path, max_rows=50, max_bytes=1 << 20)]
    return [record for block in blocks for record in block.records()]


CANONICAL = {
    "FORMAT_TF_EXAMPLE": example_proto.canonical_bytes,
    "FORMAT_TF_SEQUENCE_EXAMPLE": example_proto.canonical_sequence_bytes,
    "FORMAT_PROTO": bytes,
}


@pytest.mark.parametrize("payload", CASES)
def test_records_land_in_tfx_s_splits(payload: str, tmp_path: Path) -> None:
    data = records_of(payload)
    base = write(tmp_path / "in", [framed(record) for record in data])
    component = ImportExampleGen(base, output_config=OUTPUT, payload_format=config.PayloadFormat[payload])
    examples = run(component, tmp_path)
    assert examples_io.storage_of(examples) == (payload, "tfrecords_gzip")
    for index, (name, _) in enumerate(BUCKETS):
        chosen = [record for record, split in zip(data, CASES[payload]["splits"], strict=True) if split == str(index)]
        assert written(examples, name) == [CANONICAL[payload](record) for record in chosen]
        assert examples_io.count_rows(examples, name) == len(chosen)


def test_canonical_sequence_bytes_are_tensorflow_s(tmp_path: Path) -> None:
    import tensorflow as tf

    for record in records_of("FORMAT_TF_SEQUENCE_EXAMPLE"):
        ours = tf.train.SequenceExample.FromString(example_proto.canonical_sequence_bytes(record))
        assert ours == tf.train.SequenceExample.FromString(record)


def test_sequence_examples_are_read_as_tfx_bsl_reads_them(tmp_path: Path) -> None:
    import tensorflow as tf

    payload = "FORMAT_TF_SEQUENCE_EXAMPLE"
    base = write(tmp_path / "in", [framed(record) for record in records_of(payload)])
    examples = run(ImportExampleGen(base, payload_format=config.PayloadFormat[payload]), tmp_path)
    rows = [
        (record, row)
        for split in examples.splits
        for record, row in zip(
            written(examples, split),
            [row for batch in examples_io.read_batches(examples, split, batch_rows=7) for row in batch.to_pylist()],
            strict=True,
        )
    ]
    assert len(rows) == 120
    for record, row in rows:
        parsed = tf.train.SequenceExample.FromString(record)
        assert row["id"] == list(parsed.context.feature["id"].int64_list.value)
        assert row["name"] == list(parsed.context.feature["name"].bytes_list.value)
        steps = [list(step.int64_list.value) for step in parsed.feature_lists.feature_list["z"].feature]
        assert row["##SEQUENCE##"]["z"] == steps
    (batch, *_) = examples_io.read_batches(examples, "train", columns=["id"])
    assert batch.schema.names == ["id"]


def test_raw_records_are_one_column_of_bytes(tmp_path: Path) -> None:
    base = write(tmp_path / "in", [framed(bytes([n])) for n in range(100)])
    examples = run(ImportExampleGen(base, payload_format=config.PayloadFormat.FORMAT_PROTO), tmp_path)
    batches = [batch for split in examples.splits for batch in examples_io.read_batches(examples, split)]
    found = [row for batch in batches for row in batch.to_pylist()]
    assert sorted(row["__raw_record__"][0] for row in found) == [bytes([n]) for n in range(100)]
    with pytest.raises(DataError, match="received payload_format='FORMAT_PROTO'; read the files"):
        dataset.data_accessor(examples)


def test_raw_records_have_no_feature_to_partition_by(tmp_path: Path) -> None:
    base = write(tmp_path / "in", [framed(b"x")])
    splits = config.SplitConfig(splits=OUTPUT.split_config.splits, partition_feature_name="id")  # type: ignore[union-attr]
    component = ImportExampleGen(
        base, output_config=config.Output(split_config=splits), payload_format=config.PayloadFormat.FORMAT_PROTO
    )
    with pytest.raises(DataError, match="expected records with features, received FORMAT_PROTO"):
        run(component, tmp_path)


def corrupt(tmp_path: Path) -> str:
    """120 records; number 5 has a wrong checksum, 60 and 61 are no tf.Examples."""
    data = records_of("FORMAT_TF_EXAMPLE")
    frames = [framed(record) for record in data]
    frames[5] = frames[5][:-1] + bytes([frames[5][-1] ^ 1])
    frames[60] = frames[61] = framed(b"\xff\xff")
    return write(tmp_path / "in", frames)


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        (0, r"data.gz: record 5 is damaged \(its checksum"),
        (1, r"data.gz: record 60 is not a serialized tf.Example .*\(1 corrupt records before it were left out\)"),
        (2, r"data.gz: record 61 is not a serialized tf.Example"),
    ],
)
def test_one_corrupt_record_too_many(limit: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        run(ImportExampleGen(corrupt(tmp_path), max_corrupt_records=limit), tmp_path)


def test_corrupt_records_are_left_out_and_counted(tmp_path: Path) -> None:
    lines: list[str] = []
    component = ImportExampleGen(corrupt(tmp_path), output_config=OUTPUT, max_corrupt_records=10)
    examples = run(component, tmp_path, log=lines.append)
    assert examples.custom_properties["corrupt_records"] == 3
    assert "left out 3 corrupt records" in lines[0]
    assert all(f"record {number} is" in lines[0] for number in (5, 60, 61))
    data, splits = records_of("FORMAT_TF_EXAMPLE"), CASES["FORMAT_TF_EXAMPLE"]["splits"]
    for index, (name, _) in enumerate(BUCKETS):
        expected = [
            example_proto.canonical_bytes(data[n])
            for n in range(120)
            if n not in (5, 60, 61) and splits[n] == str(index)
        ]
        assert written(examples, name) == expected


def test_no_corrupt_record_no_property(tmp_path: Path) -> None:
    base = write(tmp_path / "in", [framed(record) for record in records_of("FORMAT_TF_EXAMPLE")])
    assert "corrupt_records" not in run(ImportExampleGen(base, max_corrupt_records=3), tmp_path).custom_properties


def test_wrong_limits(tmp_path: Path) -> None:
    with pytest.raises(WiringError, match="expected max_corrupt_records of at least 0, received -1"):
        run(ImportExampleGen("x", max_corrupt_records=-1), tmp_path)


def test_a_sequence_is_not_an_example(tmp_path: Path) -> None:
    base = write(tmp_path / "in", [framed(b"\x0a\x05\x0a\xff")])
    for payload in ("FORMAT_TF_SEQUENCE_EXAMPLE", "FORMAT_TF_EXAMPLE"):
        with pytest.raises(DataError, match="record 0 is not a serialized tf."):
            run(ImportExampleGen(base, payload_format=config.PayloadFormat[payload]), tmp_path)
