"""Subclasses of the standard components with executors of their own, and classes derived from standard executors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import apache_beam as beam
import pandas as pd
import pytest

import mlops_tfx.v1 as tfx
from mlops_tfx import LocalRunner, Pipeline, components, ingestion
from mlops_tfx.artifacts import Examples, ExampleStatistics, Schema
from mlops_tfx.channel import Channel
from mlops_tfx.compat import standard_executors
from mlops_tfx.compat.class_component import BaseComponent
from mlops_tfx.compat.component_spec import ComponentSpec
from mlops_tfx.compat.example_gen.component import FileBasedExampleGen
from mlops_tfx.compat.example_gen.driver import FileBasedDriver
from mlops_tfx.compat.example_gen.executor import BaseExampleGenExecutor
from mlops_tfx.compat.example_gen.standard_executors import CsvExecutor, ImportExecutor, ParquetExecutor
from mlops_tfx.compat.executor_specs import BeamExecutorSpec, ExecutorClassSpec, ExecutorContainerSpec
from mlops_tfx.compat.executors import BaseExecutor
from mlops_tfx.execution.cache import ingredients
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io import examples as examples_io


def run(tmp_path: Path, *nodes: Any) -> Any:
    return LocalRunner(observer=None).run(Pipeline("own", tmp_path / "root", components=nodes))


def write_csv(folder: Path, rows: int = 60) -> str:
    folder.mkdir()
    (folder / "d.csv").write_text("x,y\n" + "".join(f"{i},a{i}\n" for i in range(1, rows + 1)))
    return str(folder)


def values_of(artifact: Examples, name: str = "x") -> dict[str, list[Any]]:
    batches = {split: examples_io.read_batches(artifact, split) for split in artifact.splits}
    return {
        split: sorted(value for batch in read for (value,) in batch.column(name).to_pylist())
        for split, read in batches.items()
    }


# ExampleGens --------------------------------------------------------------------------------------------------------


class Doubling:
    """Doubles x, whatever the executor reads that it is mixed into."""

    def GetInputSourceToExamplePTransform(self) -> Any:
        read = super().GetInputSourceToExamplePTransform()  # type: ignore[misc]

        @beam.ptransform_fn
        def _doubled(pipeline: Any, exec_properties: dict[str, Any], split_pattern: str) -> Any:
            return pipeline | read(exec_properties, split_pattern) | beam.Map(_double)

        return _doubled


def _double(example: Any) -> Any:
    example.features.feature["x"].int64_list.value[0] *= 2
    return example


class DoubledCsv(Doubling, CsvExecutor):
    pass


class DoubledParquet(Doubling, ParquetExecutor):
    pass


class DoubledRecords(Doubling, ImportExecutor):
    pass


class DoubledCsvExampleGen(tfx.components.CsvExampleGen):
    EXECUTOR_SPEC = BeamExecutorSpec(DoubledCsv)


class DoubledImportExampleGen(tfx.components.ImportExampleGen):
    EXECUTOR_SPEC = BeamExecutorSpec(DoubledRecords)


class DoubledParquetExampleGen(FileBasedExampleGen):
    EXECUTOR_SPEC = BeamExecutorSpec(DoubledParquet)


def test_subclasses_of_example_gens_read_with_their_own_executors(tmp_path: Path) -> None:
    folder = write_csv(tmp_path / "csv")
    (tmp_path / "parquet").mkdir()
    pd.DataFrame({"x": range(1, 61)}).to_parquet(tmp_path / "parquet" / "d.parquet")
    plain = tfx.components.CsvExampleGen(input_base=folder)
    (read,) = run(tmp_path, plain).outputs["CsvExampleGen"]["examples"]
    doubled = [
        DoubledCsvExampleGen(input_base=folder),
        DoubledImportExampleGen(input_base=read.path("eval")),
        DoubledParquetExampleGen(input_base=str(tmp_path / "parquet")),
    ]
    outputs = run(tmp_path, *doubled).outputs
    everything = [2 * i for i in range(1, 61)]
    for name in ("DoubledCsvExampleGen", "DoubledParquetExampleGen"):
        found = values_of(outputs[name]["examples"][0])
        assert list(found) == ["train", "eval"]
        assert sorted(found["train"] + found["eval"]) == everything
    found = values_of(outputs["DoubledImportExampleGen"]["examples"][0])
    assert sorted(found["train"] + found["eval"]) == [2 * x for x in values_of(read)["eval"]]


class Dividing(CsvExecutor):
    def GenerateExamplesByBeam(self, pipeline: Any, exec_properties: dict[str, Any]) -> dict[str, Any]:
        rows = pipeline | self.GetInputSourceToExamplePTransform()(exec_properties, "*")
        small, large = rows | beam.Partition(lambda row, _: int(_x(row) > 10), 2)
        return {"train": small, "eval": large}


def _x(row: Any) -> int:
    return row.features.feature["x"].int64_list.value[0]


class SpanSeven(FileBasedDriver):
    def resolve_exec_properties(self, exec_properties: Any, pipeline_info: Any, component_info: Any) -> Any:
        properties = super().resolve_exec_properties(exec_properties, pipeline_info, component_info)
        return {**properties, "span": 7}


class Divided(tfx.components.CsvExampleGen):
    EXECUTOR_SPEC = BeamExecutorSpec(Dividing)
    DRIVER_CLASS = SpanSeven


def test_an_example_gen_that_divides_rows_itself_and_has_a_driver(tmp_path: Path) -> None:
    folder = write_csv(tmp_path / "csv")
    (examples,) = run(tmp_path, Divided(input_base=folder)).outputs["Divided"]["examples"]
    assert values_of(examples) == {"train": list(range(1, 11)), "eval": list(range(11, 61))}
    assert examples.custom_properties["span"] == 7


class Counting(BaseExampleGenExecutor):
    """A query is how many numbers there are to be."""

    def GetInputSourceToExamplePTransform(self) -> Any:
        return _counted


@beam.ptransform_fn
def _counted(pipeline: Any, exec_properties: dict[str, Any], query: str) -> Any:
    assert json.loads(exec_properties["input_config"])["splits"] == [{"name": "single_split", "pattern": query}]
    return pipeline | beam.Create([{"x": i} for i in range(int(query))])


class CountingBigQueryExampleGen(tfx.extensions.google_cloud_big_query.BigQueryExampleGen):
    EXECUTOR_SPEC = BeamExecutorSpec(Counting)


def test_queries_are_run_by_executors_too(tmp_path: Path) -> None:
    (examples,) = run(tmp_path, CountingBigQueryExampleGen(query="40")).outputs["CountingBigQueryExampleGen"][
        "examples"
    ]
    found = values_of(examples)
    assert sorted(found["train"] + found["eval"]) == list(range(40))


class WithFolder(BaseExampleGenExecutor):
    """Keeps a file in the folder that TFX gives to executors."""

    def GetInputSourceToExamplePTransform(self) -> Any:
        place = Path(self._get_tmp_dir()) / "note"
        place.write_text(str(len(self._beam_pipeline_args)))
        return lambda exec_properties, split_pattern: _Flags(place.read_text())


class _Flags(beam.PTransform):
    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def expand(self, pipeline: Any) -> Any:
        assert "one" in pipeline.pipeline.options.get_all_options()["experiments"]
        return pipeline | beam.Create([{"x": int(self._text)}])


def test_a_reader_has_tfx_s_context(tmp_path: Path) -> None:
    spec = BeamExecutorSpec(WithFolder)
    spec.add_beam_pipeline_args(["--direct_num_workers=1", "--experiments=one"])
    gen = FileBasedExampleGen(input_base=str(tmp_path / "nowhere"), custom_executor_spec=spec)
    assert list(gen.problems) == []
    (examples,) = run(tmp_path, gen).outputs["FileBasedExampleGen"]["examples"]
    found = values_of(examples)
    assert found["train"] + found["eval"] == [2]


def test_our_own_example_gens_say_that_they_do_not_call_executors_of_subclasses() -> None:
    with pytest.raises(TypeError, match=r"Mine: EXECUTOR_SPEC and DRIVER_CLASS are not called for mlops_tfx.CsvExam"):

        class Mine(components.CsvExampleGen):
            EXECUTOR_SPEC = BeamExecutorSpec(DoubledCsv)

    gen = ingestion.FileBasedExampleGen(input_base="somewhere", custom_executor_spec=BeamExecutorSpec(Dividing))
    assert any("that defines GetInputSourceToExamplePTransform alone" in text for text in gen.problems)
    gen = ingestion.FileBasedExampleGen(input_base="somewhere", custom_executor_spec=BeamExecutorSpec(DoubledCsv))
    assert gen.problems == []


# Other standard components ------------------------------------------------------------------------------------------


class NotingExecutor(standard_executors.SchemaGenExecutor):
    """Works on what the standard executor makes, and with its parameters."""

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: Any) -> None:
        super().Do(input_dict, output_dict, exec_properties)
        (schema,) = output_dict["schema"]
        (Path(schema.uri) / "seen.json").write_text(json.dumps(exec_properties, sort_keys=True))
        schema.set_string_custom_property("noted", self._context.pipeline_run_id)


class NotingSchemaGen(tfx.components.SchemaGen):
    EXECUTOR_SPEC = ExecutorClassSpec(NotingExecutor)


def statistics_of(tmp_path: Path) -> ExampleStatistics:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    from mlops_tfx.io import protos

    found = statistics_pb2.DatasetFeatureStatisticsList()
    feature = found.datasets.add(num_examples=1).features.add(name="x", type=statistics_pb2.FeatureNameStatistics.INT)
    feature.num_stats.common_stats.CopyFrom(
        statistics_pb2.CommonStatistics(num_non_missing=1, min_num_values=1, max_num_values=1, tot_num_values=1)
    )
    statistics = ExampleStatistics(str(tmp_path / "statistics"))
    statistics.splits = ["train", "bad"]
    protos.write_statistics(f"{statistics.path('train')}/FeatureStats.pb", found)
    return statistics


def test_a_subclass_of_a_standard_component_is_executed_by_its_executor(tmp_path: Path) -> None:
    node = NotingSchemaGen(statistics=Channel(ExampleStatistics), exclude_splits=["bad"])
    assert node.problems == []
    assert node.executor_spec.executor_class is NotingExecutor
    assert tfx.components.SchemaGen(statistics=Channel(ExampleStatistics)).executor_spec is None
    (schema,) = run_component(node, {"statistics": statistics_of(tmp_path)}, tmp_path)["schema"]
    assert (Path(schema.uri) / "schema.pbtxt").read_text().count("feature {") == 1
    assert json.loads((Path(schema.uri) / "seen.json").read_text()) == {
        "exclude_splits": '["bad"]',
        "infer_feature_shape": True,
    }
    assert schema.custom_properties["noted"] == "test"
    found = ingredients(node.bind({}, {}, None), {})
    assert any(name.startswith("file ") and name.endswith("test_own_executors.py") for name in found)


class Remaking(standard_executors.TransformExecutor):
    """Gives several artifacts of an output, made by itself."""

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: Any) -> None:
        from mlops_tfx.compat.artifact_lists import replicate_artifacts

        assert exec_properties["custom_config"] == "null"
        assert "splits_config" not in exec_properties
        output_dict["transformed_examples"] = replicate_artifacts(output_dict["transformed_examples"][0], 2)
        for artifact in output_dict["transformed_examples"]:
            Path(artifact.uri).mkdir()
            artifact.splits = ["own"]


class RemakingTransform(tfx.components.Transform):
    EXECUTOR_SPEC = BeamExecutorSpec(Remaking)


def test_artifacts_that_an_executor_makes_are_taken_over(tmp_path: Path) -> None:
    node = RemakingTransform(examples=Channel(Examples), schema=Channel(Schema), preprocessing_fn="m.f")
    examples = Examples(str(tmp_path / "examples"))
    made = run_component(node, {"examples": examples, "schema": Schema(str(tmp_path))}, tmp_path)
    assert [(Path(a.uri).name, a.splits) for a in made["transformed_examples"]] == [("0", ["own"]), ("1", ["own"])]

    class Replacing(BaseExecutor):
        def Do(self, input_dict: Any, output_dict: Any, exec_properties: Any) -> None:
            output_dict["transform_graph"] = [Schema("/elsewhere")]

    class ReplacingTransform(tfx.components.Transform):
        EXECUTOR_SPEC = ExecutorClassSpec(Replacing)

    node = ReplacingTransform(examples=Channel(Examples), schema=Channel(Schema), preprocessing_fn="m.f")
    with pytest.raises(Exception, match="expected the artifact that was given, received"):
        run_component(node, {"examples": examples, "schema": Schema(str(tmp_path))}, tmp_path / "other")


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"EXECUTOR_SPEC": NotingExecutor}, "expected EXECUTOR_SPEC to be an ExecutorClassSpec or BeamExecutorSpec"),
        ({"EXECUTOR_SPEC": ExecutorContainerSpec("image")}, "for a container use create_container_component"),
        ({"EXECUTOR_SPEC": ExecutorClassSpec(NotingExecutor), "run": print}, "received both"),
        ({"DRIVER_CLASS": SpanSeven}, "the DRIVER_CLASS of a SchemaGen is not called"),
    ],
)
def test_what_would_not_be_called_is_refused_when_the_class_is_made(declared: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        type("Mine", (tfx.components.SchemaGen,), declared)


@pytest.mark.parametrize("declared", [{"EXECUTOR_SPEC": CsvExecutor}, {"DRIVER_CLASS": "driver"}])
def test_wrong_declarations_of_example_gens(declared: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="Mine: expected "):
        type("Mine", (tfx.components.CsvExampleGen,), declared)


def test_a_component_class_in_a_container_is_refused_while_wiring() -> None:
    class NothingSpec(ComponentSpec):
        PARAMETERS, INPUTS, OUTPUTS = {}, {}, {}

    class Contained(BaseComponent):
        SPEC_CLASS = NothingSpec
        EXECUTOR_SPEC = ExecutorContainerSpec("image")

    assert "create_container_component" in Contained(NothingSpec()).problems[0]
