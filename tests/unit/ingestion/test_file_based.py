"""FileBasedExampleGen with readers of several kinds, spans, cache and files that change."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pytest

from mlops_tfx import config
from mlops_tfx.artifacts import Examples
from mlops_tfx.components import CsvExampleGen, FileBasedExampleGen
from mlops_tfx.errors import DataError, PipelineFailedError, WiringError
from mlops_tfx.execution import LocalRunner, NodeState, Observer
from mlops_tfx.execution.testing import run_component
from mlops_tfx.ingestion import Source
from mlops_tfx.io import example_proto, tfrecord, wire
from mlops_tfx.io import examples as examples_io
from mlops_tfx.io.columns import concat, to_example_form
from mlops_tfx.pipeline import Pipeline

SEQUENCE = config.PayloadFormat.FORMAT_TF_SEQUENCE_EXAMPLE
PROTO = config.PayloadFormat.FORMAT_PROTO
PARQUET = config.FileFormat.FILE_FORMAT_PARQUET


def table(path: str) -> pa.RecordBatch:
    numbers = [int(line) for line in Path(path).read_text().split()]
    return pa.RecordBatch.from_pydict({"n": numbers, "zero": [0] * len(numbers), "text": [f"row {n}" for n in numbers]})


def read_batches(split: Any) -> Any:
    return [table(path) for path in split.files]


def read_source(split: Any) -> Source:
    return Source((table(path) for path in split.files), rows=lambda: 700)


def read_records(split: Any) -> Any:
    return (wire.encode_examples(to_example_form(table(path))) for path in split.files)


@beam.ptransform_fn
def beam_dicts(pipeline: Any, files: Any) -> Any:
    return pipeline | beam.Create(files) | beam.FlatMap(lambda path: table(path).to_pylist())


def read_beam(split: Any) -> Any:
    return beam_dicts(list(split.files))


class TfxExecutor:
    """As it is written for TFX."""

    def GetInputSourceToExamplePTransform(self) -> Any:
        return _examples


@beam.ptransform_fn
def _examples(pipeline: Any, exec_properties: Any, split_pattern: str) -> Any:
    def read(pattern: str) -> Any:
        import glob

        import tensorflow as tf

        for path in sorted(glob.glob(os.path.join(exec_properties["input_base"], pattern))):
            for record in wire.encode_examples(to_example_form(table(path))).to_pylist():
                yield tf.train.Example.FromString(record)

    return pipeline | beam.Create([split_pattern]) | beam.FlatMap(read)


def write_numbers(folder: Path, name: str, numbers: range) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(str, numbers)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_numbers(tmp_path / "in", "a.txt", range(500))
    write_numbers(tmp_path / "in", "b.txt", range(500, 700))
    return tmp_path / "in"


def run(component: FileBasedExampleGen, root: Path) -> list[Examples]:
    found = run_component(component, {}, root)["examples"]
    return [artifact for artifact in found if isinstance(artifact, Examples)]


def numbers(artifact: Examples, split: str) -> list[int]:
    batches = list(examples_io.read_batches(artifact, split, columns=["n"]))
    return list(concat(batches).column(0).flatten().to_pylist()) if batches else []


def straight_split(n: int) -> str:
    """TFX's rule for one row, by protobuf and hashlib alone."""
    example = example_proto.example_class()()
    for key in ("n", "text", "zero"):
        entry = example.features.feature.add(key=key)
        if key == "text":
            entry.value.bytes_list.value.append(f"row {n}".encode())
        else:
            entry.value.int64_list.value.append(n if key == "n" else 0)
    digest = hashlib.sha256(example.SerializeToString(deterministic=True)).hexdigest()
    return "train" if int(digest, 16) % 3 < 2 else "eval"


EXPECTED = {split: [n for n in range(700) if straight_split(n) == split] for split in ("train", "eval")}


@pytest.mark.parametrize("reader", [read_batches, read_source, read_records])
def test_readers_give_tfx_s_splits_in_order(reader: Any, folder: Path, tmp_path: Path) -> None:
    (examples,) = run(FileBasedExampleGen(str(folder), custom_executor_spec=reader), tmp_path)
    assert {split: numbers(examples, split) for split in examples.splits} == EXPECTED
    batch = next(examples_io.read_batches(examples, "eval", columns=["zero"]))
    assert batch.column(0).null_count == 0, "zero is a value"


@pytest.mark.parametrize("reader", [read_beam, TfxExecutor])
@pytest.mark.parametrize("file_format", [config.FileFormat.FILE_FORMAT_UNSPECIFIED, PARQUET])
def test_beam_sources_give_the_same_splits(reader: Any, file_format: Any, folder: Path, tmp_path: Path) -> None:
    component = FileBasedExampleGen(str(folder), custom_executor_spec=reader, output_file_format=file_format)
    (examples,) = run(component, tmp_path)
    assert {split: sorted(numbers(examples, split)) for split in examples.splits} == EXPECTED
    assert examples.custom_properties["payload_format"] == (
        "FORMAT_PARQUET" if file_format == PARQUET else "FORMAT_TF_EXAMPLE"
    )
    names = [os.path.basename(path) for path in examples_io.split_files(examples, "train")]
    prefix, suffix = ("data_parquet", ".parquet") if file_format == PARQUET else ("data_tfrecord", ".gz")
    assert names == [f"{prefix}-{i:05d}-of-{len(names):05d}{suffix}" for i in range(len(names))]


def test_beam_keeps_input_splits_and_writes_the_same_bytes_twice(folder: Path, tmp_path: Path) -> None:
    splits = [config.Input.Split(name=name, pattern=f"{name}.txt") for name in ("a", "b")]
    digests = []
    for attempt in ("first", "second"):
        component = FileBasedExampleGen(str(folder), config.Input(splits=splits), custom_executor_spec=read_beam)
        (examples,) = run(component, tmp_path / attempt)
        assert sorted(numbers(examples, "a")) == list(range(500))
        assert sorted(numbers(examples, "b")) == list(range(500, 700))
        files = [path for split in examples.splits for path in examples_io.split_files(examples, split)]
        digests.append([hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in files])
    assert digests[0] == digests[1]


def test_raw_bytes_stay_as_they_are(folder: Path, tmp_path: Path) -> None:
    lines = [line for name in ("a.txt", "b.txt") for line in (folder / name).read_bytes().split()]

    def read(split: Any) -> Any:
        return [pa.array(lines, pa.binary())]

    (examples,) = run(FileBasedExampleGen(str(folder), output_data_format=PROTO, custom_executor_spec=read), tmp_path)
    assert examples.custom_properties["payload_format"] == "FORMAT_PROTO"
    for index, split in enumerate(("train", "eval")):
        found = [
            record
            for path in examples_io.split_files(examples, split)
            for block in tfrecord.read_blocks(path, max_rows=100, max_bytes=1 << 20)
            for record in block.records()
        ]
        buckets = {0: (0, 1), 1: (2,)}[index]
        assert found == [line for line in lines if int(hashlib.sha256(line).hexdigest(), 16) % 3 in buckets]


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda split: 5, "expected read.. to return an iterable of record batches"),
        (lambda split: "text", "received str"),
        (lambda split: [{"a": 1}], "expected record batches or arrays of records, received dict"),
        (lambda split: [pa.array([1, 2])], "expected arrays of serialized records .bytes., received type=int64"),
        (lambda split: [pa.array([b"x", None])], "expected a record in every row, received 1 nulls"),
        (lambda split: [pa.array([b"\xff\xff"])], "record 0 is not a serialized tf.Example"),
        (lambda split: Source(read_batches(split), rows=699), "expected to write the 699 rows of the input, wrote 700"),
        (
            lambda split: [pa.RecordBatch.from_arrays([pa.array([{"a": 1}])], ["s"])],
            "single_split: column 's': expected values",
        ),
    ],
)
def test_wrong_readers(read: Any, message: str, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        run(FileBasedExampleGen(str(folder), custom_executor_spec=read), tmp_path)


@pytest.mark.parametrize("elements", [[{"a": 1}, {"a": "x"}], [{"a": 1}, b"x"], [b"\xff\xff"]])
def test_wrong_beam_elements(elements: Any, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="the Beam source"):
        run(FileBasedExampleGen(str(folder), custom_executor_spec=lambda split: beam.Create(elements)), tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"custom_executor_spec": 5}, "expected a function or class as custom_executor_spec"),
        ({"output_data_format": SEQUENCE, "output_file_format": PARQUET}, "expected FORMAT_TFRECORDS_GZIP for"),
        ({"output_data_format": config.PayloadFormat.FORMAT_UNSPECIFIED}, "expected an output_data_format"),
        ({"input_config": {"splits": [{"name": "a", "pattern": "{VERSION}/*"}]}}, "received {VERSION} alone"),
        ({"input_bace": "x"}, "did you mean 'input_base'"),
    ],
)
def test_wrong_parameters(arguments: dict[str, Any], message: str, tmp_path: Path) -> None:
    import re

    with pytest.raises(WiringError, match=re.escape(message)):
        run(FileBasedExampleGen(**{"input_base": "x", **arguments}), tmp_path)


def test_without_a_reader(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NotImplementedError, match="must define read"):
        run(FileBasedExampleGen(str(folder)), tmp_path)


DAYS = config.Input(splits=[config.Input.Split(name="all", pattern="day-{SPAN}/v{VERSION}/*.txt")])


def test_each_span_is_an_artifact_with_its_span_and_version(tmp_path: Path) -> None:
    for span, version in ((1, 1), (2, 1), (2, 3), (10, 1)):
        write_numbers(tmp_path / "in", f"day-{span}/v{version}/a.txt", range(span * 100 + version, span * 100 + 50))
    span_range = config.RangeConfig(static_range=config.StaticRange(start_span_number=1, end_span_number=2))
    component = FileBasedExampleGen(
        str(tmp_path / "in"), DAYS, range_config=span_range, custom_executor_spec=read_batches
    )
    one, two = run(component, tmp_path)
    for artifact, span, version in ((one, 1, 1), (two, 2, 3)):
        assert artifact.custom_properties["span"] == span
        assert artifact.custom_properties["version"] == version
        assert str(artifact.custom_properties["input_fingerprint"]).startswith("split:all,num_files:1,")
        found = sorted(n for split in artifact.splits for n in numbers(artifact, split))
        assert found == list(range(span * 100 + version, span * 100 + 50))
    (latest,) = run(FileBasedExampleGen(str(tmp_path / "in"), DAYS, custom_executor_spec=read_batches), tmp_path / "b")
    assert latest.custom_properties["span"] == 10


def test_same_content_is_cached_and_a_new_span_is_not(tmp_path: Path) -> None:
    write_numbers(tmp_path / "in", "day-1/v1/a.txt", range(50))

    def states() -> tuple[NodeState, int]:
        component = FileBasedExampleGen(str(tmp_path / "in"), DAYS, custom_executor_spec=read_batches)
        result = LocalRunner(observer=Observer()).run(Pipeline("p", tmp_path / "root", components=[component]))
        (artifact,) = result.outputs["FileBasedExampleGen"]["examples"]
        return result.reports[0].state, int(artifact.custom_properties["span"])

    assert states() == (NodeState.COMPLETE, 1)
    (tmp_path / "in" / "day-1" / "v1" / "a.txt").touch()
    assert states() == (NodeState.CACHED, 1)
    write_numbers(tmp_path / "in", "day-2/v1/a.txt", range(50))
    assert states() == (NodeState.COMPLETE, 2), "the same content, but of another day"
    assert states() == (NodeState.CACHED, 2)


def test_a_file_that_changes_while_it_is_read_publishes_nothing(folder: Path, tmp_path: Path) -> None:
    def read(split: Any) -> Any:
        for path in split.files:
            yield table(path)
            with open(path, "a") as file:
                file.write("\n9")

    component = FileBasedExampleGen(str(folder), custom_executor_spec=read)
    with pytest.raises(PipelineFailedError, match=r"stay as they are while they are read, received file .*a.txt"):
        LocalRunner(observer=Observer()).run(Pipeline("p", tmp_path / "root", components=[component]))
    assert not (tmp_path / "root" / "FileBasedExampleGen" / "examples").exists()


def test_a_file_that_changes_before_it_is_read_is_not_cached_as_what_it_was(folder: Path, tmp_path: Path) -> None:
    class Late(Observer):
        def step_done(self, node_id: str, step: Any) -> None:
            if step.name == "BEGIN":
                write_numbers(folder, "a.txt", range(5))

    component = FileBasedExampleGen(str(folder), custom_executor_spec=read_batches)
    with pytest.raises(PipelineFailedError, match="stay as they are"):
        LocalRunner(observer=Late()).run(Pipeline("p", tmp_path / "root", components=[component]))


def test_csv_of_several_spans(tmp_path: Path) -> None:
    for day, text in (("2024-02-28", "a\n1\n"), ("2024-02-29", "a\n2\n"), ("2024-03-01", "a\n3\n")):
        (tmp_path / "in" / day).mkdir(parents=True)
        (tmp_path / "in" / day / "data.csv").write_text(text)
    splits = config.Input(splits=[config.Input.Split(name="all", pattern="{YYYY}-{MM}-{DD}/*")])
    rolling = config.RangeConfig(rolling_range=config.RollingRange(num_spans=2))
    artifacts = run(CsvExampleGen(str(tmp_path / "in"), splits, range_config=rolling), tmp_path)
    assert [artifact.custom_properties["span"] for artifact in artifacts] == [19782, 19783]
    assert all("version" not in artifact.custom_properties for artifact in artifacts)
