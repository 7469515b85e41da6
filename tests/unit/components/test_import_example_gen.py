from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlops_tfx import config
from mlops_tfx.artifacts import Examples
from mlops_tfx.components.import_example_gen import ImportExampleGen
from mlops_tfx.errors import DataError, WiringError
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io import examples as examples_io
from mlops_tfx.io.columns import concat

PARQUET = config.PayloadFormat.FORMAT_PARQUET


def run(component: ImportExampleGen, root: Path) -> Examples:
    (examples,) = run_component(component, {}, root)["examples"]
    assert isinstance(examples, Examples)
    return examples


def example(n: int) -> Any:
    import tensorflow as tf

    feature = {
        "n": tf.train.Feature(int64_list=tf.train.Int64List(value=[n])),
        "text": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"x"] * (n % 3))),
    }
    if n % 5:
        feature["some"] = tf.train.Feature(float_list=tf.train.FloatList(value=[n / 2]))
    return tf.train.Example(features=tf.train.Features(feature=feature))


@pytest.fixture
def records(tmp_path: Path) -> Path:
    import tensorflow as tf

    folder = tmp_path / "in"
    folder.mkdir()
    for name, options, numbers in (("a", "", range(300)), ("b.gz", "GZIP", range(300, 500))):
        with tf.io.TFRecordWriter(str(folder / name), options) as writer:
            for n in numbers:
                writer.write(example(n).SerializeToString())
    return folder


def numbers_of(examples: Examples, split: str) -> list[int]:
    batch = concat(list(examples_io.read_batches(examples, split, columns=["n"])))
    return list(batch.column(0).flatten().to_pylist())


def straight_split(n: int) -> str:
    record = example(n).SerializeToString(deterministic=True)
    return "train" if int(hashlib.sha256(record).hexdigest(), 16) % 3 < 2 else "eval"


def test_tfrecords_are_divided_as_a_straight_loop_divides_them(records: Path, tmp_path: Path) -> None:
    examples = run(ImportExampleGen(str(records)), tmp_path)
    for split in ("train", "eval"):
        assert numbers_of(examples, split) == [n for n in range(500) if straight_split(n) == split]
    assert examples.custom_properties["payload_format"] == "FORMAT_TF_EXAMPLE"


def test_tfrecords_to_parquet(records: Path, tmp_path: Path) -> None:
    component = ImportExampleGen(str(records), output_file_format=config.FileFormat.FILE_FORMAT_PARQUET)
    examples = run(component, tmp_path)
    assert examples.custom_properties["file_format"] == "parquet"
    for split in ("train", "eval"):
        assert numbers_of(examples, split) == [n for n in range(500) if straight_split(n) == split]


def test_parquet_files(tmp_path: Path) -> None:
    import pandas as pd

    folder = tmp_path / "in"
    folder.mkdir()
    frame = pd.DataFrame(
        {
            "n": range(100),
            "zero": 0,
            "half": np.arange(100) / 2,
            "flag": [True, False] * 50,
            "text": [f"t{n}" for n in range(100)],
        }
    )
    frame.loc[3, "half"] = None
    frame.to_parquet(folder / "data.parquet")
    examples = run(ImportExampleGen(str(folder), payload_format=PARQUET), tmp_path)
    assert examples.custom_properties["payload_format"] == "FORMAT_PARQUET"
    rows = [
        row
        for split in ("train", "eval")
        for row in concat(list(examples_io.read_batches(examples, split))).to_pylist()
    ]
    rows.sort(key=lambda row: row["n"])
    # Zeros stay zeros; TFX's Parquet executor makes them missing.
    assert rows[4] == {"n": [4], "zero": [0], "half": [2.0], "flag": [1], "text": [b"t4"]}
    assert rows[3]["half"] in (None, [pytest.approx(float("nan"), nan_ok=True)])
    assert len(rows) == 100


def test_files_that_are_wrong(tmp_path: Path, records: Path) -> None:
    import tensorflow as tf

    data = (records / "a").read_bytes()
    place = data.index(example(1).SerializeToString()[-4:], 60)
    (records / "a").write_bytes(data[:place] + b"\xff" + data[place + 1 :])
    with pytest.raises(DataError, match=r"in/a: record \d+ is damaged"):
        run(ImportExampleGen(str(records)), tmp_path)
    with tf.io.TFRecordWriter(str(records / "a")) as writer:
        writer.write(example(1).SerializeToString())
        writer.write(b"\xff\xff")
    with pytest.raises(DataError, match=r"in/a: record 1 is not a serialized tf.Example"):
        run(ImportExampleGen(str(records)), tmp_path)
    with pytest.raises(DataError, match=r"in/a: expected a Parquet file"):
        run(ImportExampleGen(str(records), payload_format=PARQUET), tmp_path)
    assert list((tmp_path / "ImportExampleGen").rglob("data_*")) == []


def test_payloads_that_are_not_read(tmp_path: Path) -> None:
    component = ImportExampleGen("x", payload_format=config.PayloadFormat.FORMAT_UNSPECIFIED)
    with pytest.raises(WiringError, match="expected an output_data_format such as"):
        run(component, tmp_path)
