"""AvroExampleGen and JsonLinesExampleGen: the same rows, the same splits, spans; and TFX's executor names."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_tfx import config, filesystem
from mlops_tfx.artifacts import Examples
from mlops_tfx.component import Component
from mlops_tfx.components import AvroExampleGen, FileBasedExampleGen, JsonLinesExampleGen
from mlops_tfx.errors import DataError
from mlops_tfx.execution.testing import run_component
from mlops_tfx.ingestion.custom_executors import avro_executor, parquet_executor
from mlops_tfx.io import examples as examples_io
from mlops_tfx.io import tfrecord
from tests.object_store.server import ObjectStore

ROWS = [{"n": n, "zero": 0, "text": f"row {n}" if n % 7 else None, "flag": n % 2 == 0} for n in range(300)]
SCHEMA = {
    "type": "record",
    "name": "Row",
    "fields": [
        {"name": "n", "type": "long"},
        {"name": "zero", "type": "int"},
        {"name": "text", "type": ["null", "string"]},
        {"name": "flag", "type": "boolean"},
    ],
}


def write(folder: Path, kind: str, rows: list[dict[str, Any]]) -> Path:
    folder.mkdir(parents=True)
    if kind == "avro":
        with (folder / "rows.avro").open("wb") as file:
            fastavro.writer(file, SCHEMA, rows)
    elif kind == "json":
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), folder / "rows.parquet")
    return folder


def run(component: Component, root: Path) -> list[Examples]:
    return [item for item in run_component(component, {}, root)["examples"] if isinstance(item, Examples)]


def straight_split(row: dict[str, Any]) -> str:
    import tensorflow as tf

    example = tf.train.Example()
    for name, value in row.items():
        feature = example.features.feature[name]
        if isinstance(value, str):
            feature.bytes_list.value.append(value.encode())
        elif value is not None:
            feature.int64_list.value.append(value)
    record = example.SerializeToString(deterministic=True)
    return "train" if int(hashlib.sha256(record).hexdigest(), 16) % 3 < 2 else "eval"


MADE = {
    "avro": lambda folder: AvroExampleGen(folder),
    "json": lambda folder: JsonLinesExampleGen(folder),
    "avro executor": lambda folder: FileBasedExampleGen(folder, custom_executor_spec=avro_executor.Executor),
    "parquet executor": lambda folder: FileBasedExampleGen(folder, custom_executor_spec=parquet_executor.Executor),
}


@pytest.mark.parametrize("name", MADE)
def test_rows_and_splits_equal_a_straight_loop(name: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", name.split()[0], ROWS)
    (examples,) = run(MADE[name](str(folder)), tmp_path)
    assert examples.custom_properties["payload_format"] == "FORMAT_TF_EXAMPLE"
    for split in ("train", "eval"):
        found = [row for batch in examples_io.read_batches(examples, split) for row in batch.to_pylist()]
        expected = [row for row in ROWS if straight_split(row) == split]
        assert found == [
            {
                "flag": [int(row["flag"])],
                "n": [row["n"]],
                "text": None if row["text"] is None else [row["text"].encode()],
                "zero": [0],
            }
            for row in expected
        ]


@pytest.mark.parametrize("name", ["avro", "json"])
def test_spans_parquet_and_damage(name: str, tmp_path: Path) -> None:
    for span in (1, 2):
        write(tmp_path / "in" / f"day-{span}", name, ROWS[: span * 10])
    pattern = config.Input(splits=[config.Input.Split(name="all", pattern="day-{SPAN}/*")])
    both = config.RangeConfig(static_range=config.StaticRange(start_span_number=1, end_span_number=2))
    component = AvroExampleGen if name == "avro" else JsonLinesExampleGen
    arguments: dict[str, Any] = {"input_base": str(tmp_path / "in"), "input_config": pattern, "range_config": both}
    made = component(**arguments, output_file_format=config.FileFormat.FILE_FORMAT_PARQUET)
    artifacts = run(made, tmp_path)
    assert [artifact.custom_properties["span"] for artifact in artifacts] == [1, 2]
    for span, artifact in enumerate(artifacts, 1):
        assert artifact.custom_properties["file_format"] == "parquet"
        assert sum(examples_io.count_rows(artifact, split) for split in artifact.splits) == 10 * span
    path = next((tmp_path / "in" / "day-2").iterdir())
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=path.name):
        run(component(**arguments), tmp_path / "again")


@pytest.mark.parametrize("name", MADE)
def test_input_in_an_object_store(name: str, tmp_path: Path, s3: ObjectStore) -> None:
    """The same rows as from a folder, read from S3."""
    folder = write(tmp_path / "in", name.split()[0], ROWS)
    filesystem.copy_tree(str(folder), f"{s3.uri}/in")
    (local,) = run(MADE[name](str(folder)), tmp_path / "local")
    (remote,) = run(MADE[name](f"{s3.uri}/in"), tmp_path / "remote")
    for split in ("train", "eval"):
        batches = [list(examples_io.read_batches(examples, split)) for examples in (local, remote)]
        assert batches[0] == batches[1]


def test_records_are_those_that_were_hashed(tmp_path: Path) -> None:
    """Both formats give the same bytes."""
    found = []
    for name in ("avro", "json"):
        (examples,) = run(MADE[name](str(write(tmp_path / name, name, ROWS))), tmp_path / f"out-{name}")
        paths = [path for split in examples.splits for path in examples_io.split_files(examples, split)]
        blocks = [block for path in paths for block in tfrecord.read_blocks(path, max_rows=1000, max_bytes=1 << 20)]
        found.append([record for block in blocks for record in block.records()])
    assert found[0] == found[1]
    assert len(found[0]) == 300
