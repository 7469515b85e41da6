from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mlops_tfx import config
from mlops_tfx.artifacts import Examples
from mlops_tfx.components.csv_example_gen import CsvExampleGen
from mlops_tfx.errors import DataError, WiringError
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io import examples as examples_io
from mlops_tfx.io import tfrecord
from mlops_tfx.io.columns import concat

PARQUET = config.FileFormat.FILE_FORMAT_PARQUET


def run(component: CsvExampleGen, root: Path) -> Examples:
    (examples,) = run_component(component, {}, root)["examples"]
    assert isinstance(examples, Examples)
    return examples


def records(examples: Examples, split: str) -> list[bytes]:
    files = examples_io.split_files(examples, split)
    blocks = [block for path in files for block in tfrecord.read_blocks(path, max_rows=1000, max_bytes=1 << 30)]
    return [record for block in blocks for record in block.records()]


@pytest.fixture
def penguins(tmp_path: Path) -> Path:
    """The rows of the package palmerpenguins, as a CSV file in a folder of its own."""
    from palmerpenguins import load_penguins

    folder = tmp_path / "penguins"
    folder.mkdir()
    load_penguins().to_csv(folder / "penguins.csv", index=False)
    return folder


def straight_record(row: dict[str, object]) -> bytes:
    """A row's tf.Example as TFX serializes it, built by TensorFlow; no name here begins with another's."""
    import tensorflow as tf

    text = [name for name in row if name in ("species", "island", "sex")]
    feature = {}
    for name, value in row.items():
        values = [] if value != value or value is None else [value]
        if name in text:
            feature[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[str(v).encode() for v in values]))
        elif name == "year":
            feature[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        else:
            feature[name] = tf.train.Feature(float_list=tf.train.FloatList(value=values))
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    return bytes(example.SerializeToString(deterministic=True))


def test_records_and_splits_equal_a_straight_loop(penguins: Path, tmp_path: Path) -> None:
    import pandas as pd

    examples = run(CsvExampleGen(str(penguins)), tmp_path)
    expected: dict[str, list[bytes]] = {"train": [], "eval": []}
    for row in pd.read_csv(penguins / "penguins.csv").to_dict("records"):
        record = straight_record(row)
        bucket = int(hashlib.sha256(record).hexdigest(), 16) % 3
        expected["train" if bucket < 2 else "eval"].append(record)
    assert records(examples, "train") == expected["train"]
    assert records(examples, "eval") == expected["eval"]
    assert len(expected["train"]) + len(expected["eval"]) == 344


def test_properties_of_the_artifact(penguins: Path, tmp_path: Path) -> None:
    examples = run(CsvExampleGen(str(penguins)), tmp_path)
    assert examples.splits == ["train", "eval"]
    properties = dict(examples.custom_properties)
    assert str(properties.pop("input_fingerprint")).startswith("split:single_split,num_files:1,total_bytes:")
    stored = {"payload_format": "FORMAT_TF_EXAMPLE", "file_format": "tfrecords_gzip"}
    assert properties == {**stored, "span": 0, "rows_by_split": '{"eval": 106, "train": 238}'}


def test_parquet_has_the_same_rows_in_the_same_splits(penguins: Path, tmp_path: Path) -> None:
    plain = run(CsvExampleGen(str(penguins)), tmp_path / "a")
    parquet = run(CsvExampleGen(str(penguins), output_file_format=PARQUET), tmp_path / "b")
    assert parquet.custom_properties["payload_format"] == "FORMAT_PARQUET"
    assert parquet.custom_properties["file_format"] == "parquet"
    for split in ("train", "eval"):
        ours, theirs = (concat(list(examples_io.read_batches(e, split))) for e in (plain, parquet))
        assert ours.to_pylist() == [{name: row[name] for name in ours.schema.names} for row in theirs.to_pylist()]


def test_two_runs_write_the_same_bytes(penguins: Path, tmp_path: Path) -> None:
    for file_format in (config.FileFormat.FORMAT_TFRECORDS_GZIP, PARQUET):
        digests = []
        for name in ("a", "b"):
            examples = run(
                CsvExampleGen(str(penguins), output_file_format=file_format), tmp_path / file_format.name / name
            )
            files = [Path(path) for split in examples.splits for path in examples_io.split_files(examples, split)]
            digests.append([(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files])
        assert digests[0] == digests[1]


def test_rows_are_reported_and_kept_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text("n\n" + "\n".join(map(str, range(5000))) + "\n")
    (folder / "b.csv").write_text("n\n" + "\n".join(map(str, range(5000, 7000))) + "\n")
    reported: list[int] = []
    outputs = run_component(CsvExampleGen(str(folder)), {}, tmp_path, report_rows=reported.append)
    (examples,) = outputs["examples"]
    assert sum(reported) == 7000
    found = []
    for split in ("train", "eval"):
        numbers = concat(list(examples_io.read_batches(examples, split))).column(0).flatten().to_pylist()  # type: ignore[arg-type]
        assert numbers == sorted(numbers)
        found += numbers
    assert sorted(found) == list(range(7000))


def test_input_splits_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for name, text in (("train", "n,s\n1,a\n2,b\n"), ("eval", "n,s\n3.5,c\n")):
        (folder / name).mkdir(parents=True)
        (folder / name / "data.csv").write_text(text)
    splits = [config.Input.Split(name=name, pattern=f"{name}/*") for name in ("train", "eval")]
    examples = run(CsvExampleGen(str(folder), config.Input(splits=splits)), tmp_path)
    assert examples.splits == ["train", "eval"]
    # Types are inferred per split, as in TFX.
    assert concat(list(examples_io.read_batches(examples, "train"))).to_pylist()[0] == {"n": [1], "s": [b"a"]}
    assert concat(list(examples_io.read_batches(examples, "eval"))).to_pylist() == [{"n": [3.5], "s": [b"c"]}]


def test_partition_by_a_feature_keeps_equal_values_together(penguins: Path, tmp_path: Path) -> None:
    split_config = config.SplitConfig(
        splits=[config.SplitConfig.Split(name=name, hash_buckets=1) for name in ("a", "b")],
        partition_feature_name="species",
    )
    output = config.Output(split_config=split_config)
    examples = run(CsvExampleGen(str(penguins), output_config=output), tmp_path)
    species = {}
    for split in examples.splits:
        batches = list(examples_io.read_batches(examples, split, columns=["species"]))
        species[split] = set(concat(batches).column(0).flatten().to_pylist()) if batches else set()
    assert not species["a"] & species["b"]
    assert len(species["a"] | species["b"]) == 3


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "matches none"),
        ({"a.csv": ""}, "received an empty file"),
        ({"a.csv": "a,b\n"}, "received only a header"),
        ({"a.csv": "a,b\n1,2\n3\n"}, "a.csv, line 3: expected 2 cells"),
        ({"a.csv": "a,b\n1,2\n", "b.csv": "a,c\n1,2\n"}, "b.csv, line 1: expected the header of"),
        ({"a.csv": "a,a\n1,2\n"}, "expected every column name once"),
    ],
)
def test_wrong_input_publishes_nothing(tmp_path: Path, files: dict[str, str], message: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    with pytest.raises(DataError, match=message):
        run(CsvExampleGen(str(folder)), tmp_path)
    assert list((tmp_path / "CsvExampleGen").rglob("*.gz")) == []


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="which does not exist"):
        run(CsvExampleGen(str(tmp_path / "nowhere")), tmp_path)


def test_wrong_parameters(tmp_path: Path) -> None:
    for component, message in (
        (CsvExampleGen("x", delimiter=";;"), "expected a delimiter of one ASCII character"),
        (CsvExampleGen("x", delimiter='"'), "expected a delimiter of one ASCII character"),
        (CsvExampleGen("x", range_config=config.RangeConfig()), r"range_config: expected \{SPAN\} or"),
    ):
        with pytest.raises(WiringError, match=message):
            run(component, tmp_path)


def test_cache_ingredients_follow_the_content(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    component = CsvExampleGen(str(tmp_path))
    before = component.cache_ingredients()
    assert before == {f"file {path}": hashlib.sha256(b"a\n1\n").hexdigest()}
    path.write_text("a\n2\n")
    assert component.cache_ingredients() != before
