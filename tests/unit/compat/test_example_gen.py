from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest

from mlops_tfx import LocalRunner, Pipeline, config
from mlops_tfx.artifacts import Examples
from mlops_tfx.compat.example_gen import configuration
from mlops_tfx.compat.example_gen.component import CsvExampleGen, FileBasedExampleGen
from mlops_tfx.compat.example_gen.driver import FileBasedDriver
from mlops_tfx.compat.example_gen.executor import BaseExampleGenExecutor
from mlops_tfx.compat.example_gen.input_processor import FileBasedInputProcessor, QueryBasedInputProcessor
from mlops_tfx.compat.executor_specs import ExecutorClassSpec
from mlops_tfx.compat.executors import BaseExecutor
from mlops_tfx.errors import PipelineFailedError
from mlops_tfx.execution.observer import NodeState
from mlops_tfx.io import examples as examples_io
from mlops_tfx.protos import example_gen_pb2, range_config_pb2

PROGRAM = Path(__file__).parent / "pipelines" / "ingest_pipeline.py"

# What TFX 1.16 makes of the same file on the same data: rows, and sums of x and of x squared, by split.
BY_TFX = {
    "Doubled Split-eval": (34, 3454, 455780),
    "Doubled Split-train": (66, 6646, 897620),
    "FileBasedExampleGen Split-eval": (36, 1650, 100496),
    "FileBasedExampleGen Split-train": (54, 2445, 146569),
    "LowestSpanExampleGen Split-a": (42, 1315, 55797),
    "LowestSpanExampleGen Split-b": (18, 515, 18013),
    "NumbersExampleGen Split-eval": (15, 927, 84735),
    "NumbersExampleGen Split-train": (35, 2898, 301590),
    "OddAndEven Split-a": (45, 2025, 121485),
    "OddAndEven Split-b": (45, 2070, 125580),
}


def write_data(folder: Path) -> None:
    for span, rows in ((1, 60), (2, 90)):
        path = folder / "json" / f"span-{span}" / "rows.json"
        path.parent.mkdir(parents=True)
        lines = [json.dumps({"x": i, "y": f"t{i}", "z": (i + span) / 2}) for i in range(1, rows + 1)]
        path.write_text("\n".join(lines) + "\n")
    (folder / "csv").mkdir()
    (folder / "csv" / "d.csv").write_text("x,y\n" + "".join(f"{i},a{i}\n" for i in range(1, 101)))


def sums(folder: Path) -> tuple[int, int, int]:
    artifact = Examples(str(folder.parent))
    artifact.splits = [folder.name.removeprefix("Split-")]
    artifact.custom_properties.update(payload_format="FORMAT_TF_EXAMPLE", file_format="tfrecords_gzip")
    batches = examples_io.read_batches(artifact, artifact.splits[0])
    values = [value for batch in batches for (value,) in batch.column("x").to_pylist()]
    return len(values), sum(values), sum(value * value for value in values)


def test_a_script_for_tfx_makes_the_examples_that_tfx_makes(tmp_path: Path) -> None:
    write_data(tmp_path / "data")
    command = [sys.executable, "-m", "mlops_tfx.compat", str(PROGRAM), str(tmp_path / "data"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    folders = tmp_path.glob("pipeline/*/examples/*/Split-*")
    assert {f"{folder.parts[-4]} {folder.name}": sums(folder) for folder in folders} == BY_TFX


def test_output_split_names() -> None:
    one = configuration.make_default_input_config()
    two = example_gen_pb2.Input(splits=[{"name": name, "pattern": "*"} for name in ("a", "b")])
    default = configuration.make_default_output_config(one)
    assert configuration.generate_output_split_names(one, default) == ["train", "eval"]
    assert configuration.make_default_output_config(two) == example_gen_pb2.Output()
    assert configuration.generate_output_split_names(two, example_gen_pb2.Output()) == ["a", "b"]
    assert configuration.generate_output_split_names({"splits": [{"name": "c"}]}, {}) == ["c"]
    with pytest.raises(RuntimeError, match="expected one input split"):
        configuration.generate_output_split_names(two, default)
    with pytest.raises(RuntimeError, match="names that differ"):
        configuration.generate_output_split_names(example_gen_pb2.Input(), example_gen_pb2.Output())


@pytest.mark.parametrize(
    ("pattern", "kinds", "span", "version", "filled"),
    [
        ("s{SPAN}/*", (True, False, False), 7, None, "s7/*"),
        ("s{SPAN:3}/v{VERSION:2}", (True, False, True), 7, 4, "s007/v04"),
        ("{YYYY}-{MM}-{DD}/{VERSION}", (False, True, True), 366, 1, "1971-01-02/1"),
        ("s{SPAN}", (False, False, False), 7, None, "s{SPAN}"),
    ],
)
def test_patterns_are_filled_in(pattern: str, kinds: Any, span: int, version: Any, filled: str) -> None:
    assert configuration.get_pattern_for_span_version(pattern, *kinds, span, version) == filled


def test_dates_are_days_since_1970() -> None:
    assert configuration.date_to_span_number(1971, 1, 2) == 366
    assert configuration.span_number_to_date(366) == (1971, 1, 2)


def test_rows_as_examples_keep_zeros_and_bytes() -> None:
    import numpy as np

    row = {"i": 0, "f": 0.0, "s": "", "b": b"\xff", "n": None, "l": [], "a": np.array([1.5, 2.5]), "x": np.int64(3)}
    feature = configuration.dict_to_example(row).features.feature
    assert list(feature["i"].int64_list.value) == [0]
    assert list(feature["f"].float_list.value) == [0.0]
    assert (list(feature["s"].bytes_list.value), list(feature["b"].bytes_list.value)) == ([b""], [b"\xff"])
    assert (feature["n"].WhichOneof("kind"), feature["l"].WhichOneof("kind")) == (None, None)
    assert list(feature["a"].float_list.value) == [1.5, 2.5]
    assert list(feature["x"].int64_list.value) == [3]
    with pytest.raises(RuntimeError, match="received dict"):
        configuration.dict_to_example({"d": {"a": 1}})


def test_input_processors(tmp_path: Path) -> None:
    for name in ("s1/v1", "s2/v1", "s2/v3"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_text("x")
    split = example_gen_pb2.Input.Split(name="all", pattern="s{SPAN}/v{VERSION}/*")
    latest = FileBasedInputProcessor(str(tmp_path), [split])
    assert latest.resolve_span_and_version() == (2, 3)
    assert latest.get_pattern_for_span_version(split.pattern, 2, 3) == "s2/v3/*"
    assert str(latest.get_input_fingerprint(2, 3)).startswith("split:all,num_files:1,total_bytes:1,")
    one = range_config_pb2.RangeConfig(static_range={"start_span_number": 1, "end_span_number": 1})
    assert FileBasedInputProcessor(str(tmp_path), [split], one).resolve_span_and_version() == (1, 1)
    assert (latest.get_latest_span(), latest.get_latest_version(2)) == (2, 3)
    with pytest.raises(ValueError, match="of all input splits"):
        FileBasedInputProcessor(str(tmp_path), [split, example_gen_pb2.Input.Split(name="b", pattern="b/*")])
    with pytest.raises(ValueError, match="either"):
        FileBasedInputProcessor(str(tmp_path), [example_gen_pb2.Input.Split(name="b", pattern="{SPAN}{YYYY}{MM}{DD}")])
    queries = QueryBasedInputProcessor([split], one)
    assert queries.resolve_span_and_version() == (1, None)
    assert queries.get_pattern_for_span_version("@span_yyyymmdd_utc", 1, None) == "'19700102'"
    with pytest.raises(NotImplementedError, match="no latest span"):
        queries.get_latest_span()


class SpanSeven(FileBasedDriver):
    def resolve_exec_properties(self, exec_properties: Any, pipeline_info: Any, component_info: Any) -> Any:
        properties = super().resolve_exec_properties(exec_properties, pipeline_info, component_info)
        return {**properties, "span": 7}


class FromDriver(CsvExampleGen):
    DRIVER_CLASS = SpanSeven


def test_a_driver_decides_for_our_own_reader(tmp_path: Path) -> None:
    write_data(tmp_path / "data")
    node = FromDriver(input_base=str(tmp_path / "data" / "csv"))
    pipeline = Pipeline("driven", tmp_path / "root", components=[node])
    (artifact,) = LocalRunner().run(pipeline).outputs["FromDriver"]["examples"]
    assert artifact.custom_properties["span"] == 7
    assert sum(examples_io.count_rows(artifact, split) for split in ("train", "eval")) == 100
    assert LocalRunner().run(pipeline).reports[0].state is NodeState.CACHED


class WritesItself(BaseExecutor):
    def Do(self, input_dict: Any, output_dict: Any, exec_properties: Any) -> None:
        (artifact,) = output_dict["examples"]
        artifact.splits = ["only"]
        folder = Path(artifact.uri) / "Split-only"
        folder.mkdir()
        (folder / "seen").write_text(exec_properties["input_config"])


def test_an_executor_that_writes_the_artifact_itself(tmp_path: Path) -> None:
    (tmp_path / "data" / "s3").mkdir(parents=True)
    (tmp_path / "data" / "s3" / "file").write_text("x")
    node = FileBasedExampleGen(
        input_base=str(tmp_path / "data"),
        input_config=config.Input(splits=[config.Input.Split(name="all", pattern="s{SPAN}/*")]),
        custom_executor_spec=ExecutorClassSpec(WritesItself),
    )
    result = LocalRunner().run(Pipeline("own", tmp_path / "root", components=[node]))
    (artifact,) = result.outputs["FileBasedExampleGen"]["examples"]
    assert artifact.custom_properties["span"] == 3
    seen = (Path(artifact.uri) / "Split-only" / "seen").read_text()
    assert json.loads(seen) == {"splits": [{"name": "all", "pattern": "s3/*"}]}


class Raising(BaseExampleGenExecutor):
    def GetInputSourceToExamplePTransform(self) -> Any:
        raise RuntimeError("no source")


def test_an_executor_that_raises_is_named(tmp_path: Path) -> None:
    write_data(tmp_path / "data")
    node = FileBasedExampleGen(
        input_base=str(tmp_path / "data" / "csv"), custom_executor_spec=ExecutorClassSpec(Raising)
    )
    with pytest.raises(PipelineFailedError, match="RuntimeError: no source"):
        LocalRunner().run(Pipeline("raising", tmp_path / "root", components=[node]))


@beam.ptransform_fn
def _rows_of_configuration(pipeline: Any, exec_properties: dict[str, Any], split_pattern: str) -> Any:
    count = json.loads(exec_properties["custom_config"])["rows"]
    return pipeline | beam.Create([{"x": i} for i in range(count)]) | beam.Map(configuration.dict_to_example)


class FromConfiguration(BaseExampleGenExecutor):
    def GetInputSourceToExamplePTransform(self) -> Any:
        return _rows_of_configuration


def test_an_executor_with_a_source_of_its_own_needs_no_folder(tmp_path: Path) -> None:
    """As TFX's tutorial of recommenders: input_base='dummy', and what to read in custom_config, as JSON text."""
    nowhere = str(tmp_path / "nowhere")
    spec = ExecutorClassSpec(FromConfiguration)
    gen = FileBasedExampleGen(input_base=nowhere, custom_config={"rows": 30}, custom_executor_spec=spec)
    result = LocalRunner(observer=None).run(Pipeline("p", tmp_path, components=[gen]))
    (examples,) = result.outputs[gen.id]["examples"]
    counts = json.loads(str(examples.custom_properties["rows_by_split"]))
    assert (sorted(counts), sum(counts.values())) == (["eval", "train"], 30)
    assert "num_files:0" in str(examples.custom_properties["input_fingerprint"])
    missing = FileBasedExampleGen(input_base=nowhere, custom_executor_spec=lambda split: [])
    with pytest.raises(PipelineFailedError, match="which does not exist"):
        LocalRunner(observer=None).run(Pipeline("q", tmp_path, components=[missing]))
