"""Subclasses of the standard components with executors of their own, and classes derived from standard executors."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import apache_beam as beam
import pandas as pd
import pytest

import mlops_tfx.v1 as tfx
from mlops_tfx import LocalRunner, NodeExecutionOptions, Pipeline, components, ingestion
from mlops_tfx.artifacts import Examples, ExampleStatistics, Model, ModelBlessing, PushedModel, Schema
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
from mlops_tfx.errors import PipelineFailedError
from mlops_tfx.execution.cache import ingredients
from mlops_tfx.execution.observer import NodeState
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io import examples as examples_io
from tests.unit.compat.signalling import Alarmed, Signalling


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


# Hooks of standard executors ----------------------------------------------------------------------------------------


class MoreArguments(standard_executors.GenericExecutor):
    def _GetFnArgs(self, input_dict: Any, output_dict: Any, exec_properties: Any) -> Any:
        fn_args = super()._GetFnArgs(input_dict, output_dict, exec_properties)
        fn_args.custom_config = {**(fn_args.custom_config or {}), "more": sorted(input_dict)}
        return fn_args


class MoreTrainer(tfx.components.Trainer):
    EXECUTOR_SPEC = ExecutorClassSpec(MoreArguments)


def write_model(fn_args: Any) -> None:
    Path(fn_args.serving_model_dir).mkdir(parents=True)
    (Path(fn_args.serving_model_dir) / "model").write_text(json.dumps([fn_args.custom_config, fn_args.train_steps]))


def test_get_fn_args_of_a_trainer_is_called(tmp_path: Path) -> None:
    examples = Examples(str(tmp_path / "examples"))
    examples.splits = ["train", "eval"]
    for split in examples.splits:
        Path(examples.path(split)).mkdir(parents=True)
        (Path(examples.path(split)) / "data_tfrecord-00000-of-00001.gz").write_bytes(b"")
    node = MoreTrainer(
        examples=Channel(Examples),
        run_fn=f"{__name__}.write_model",
        train_args=tfx.proto.TrainArgs(num_steps=3),
        custom_config={"one": 1},
    )
    (model,) = run_component(node, {"examples": examples}, tmp_path)["model"]
    written = json.loads((Path(model.uri) / "Format-Serving" / "model").read_text())
    assert written == [{"one": 1, "more": ["examples"]}, 3]
    assert "trained_on" in model.custom_properties


class Discerning(standard_executors.PusherExecutor):
    """Pushes what nobody has blessed, another folder than usual, and says so."""

    def CheckBlessing(self, input_dict: Any) -> bool:
        return not super().CheckBlessing(input_dict)

    def GetModelPath(self, input_dict: Any) -> str:
        return super().GetModelPath(input_dict).replace("Format-Serving", "Other")

    def _MarkPushed(self, model_push: Any, pushed_destination: str, pushed_version: str | None = None) -> None:
        super()._MarkPushed(model_push, pushed_destination, pushed_version)
        model_push.set_string_custom_property("announced", f"{pushed_destination} is {pushed_version}")

    def _MarkNotPushed(self, model_push: Any) -> None:
        super()._MarkNotPushed(model_push)
        model_push.set_string_custom_property("announced", "no")


class DiscerningPusher(tfx.components.Pusher):
    EXECUTOR_SPEC = ExecutorClassSpec(Discerning)


@pytest.mark.parametrize("blessed", [0, 1])
def test_what_a_pusher_asks_of_itself(tmp_path: Path, blessed: int) -> None:
    for name in ("Format-Serving", "Other"):
        (tmp_path / "model" / name).mkdir(parents=True)
        (tmp_path / "model" / name / "saved_model.pb").write_text(name)
    base = tmp_path / "serving"
    destination = tfx.proto.PushDestination(filesystem={"base_directory": str(base)})
    node = DiscerningPusher(model=Channel(Model), model_blessing=Channel(ModelBlessing), push_destination=destination)
    blessing = ModelBlessing("/nowhere", custom_properties={"blessed": blessed})
    inputs = {"model": Model(str(tmp_path / "model")), "model_blessing": blessing}
    (pushed,) = run_component(node, inputs, tmp_path)["pushed_model"]
    assert isinstance(pushed, PushedModel)
    if blessed:
        assert (pushed.custom_properties["pushed"], pushed.custom_properties["announced"]) == (0, "no")
        assert not base.exists()
    else:
        (version,) = base.iterdir()
        assert (version / "saved_model.pb").read_text() == "Other"
        assert pushed.custom_properties["announced"] == f"{version} is {version.name}"


def test_a_pusher_with_an_executor_needs_no_destination() -> None:
    assert DiscerningPusher(model=Channel(Model)).problems == []
    assert len(tfx.components.Pusher(model=Channel(Model)).problems) == 1


class Halving(standard_executors.TransformExecutor):
    """Changes the function that the module file has."""

    def _GetPreprocessingFn(self, inputs: Any, unused_outputs: Any) -> Any:
        return _Halved(super()._GetPreprocessingFn(inputs, unused_outputs))


class _Halved:
    def __init__(self, function: Any) -> None:
        self._function = function

    def __call__(self, inputs: Any) -> Any:
        return {name: value / 2 for name, value in self._function(inputs).items()}


class HalvingTransform(tfx.components.Transform):
    EXECUTOR_SPEC = BeamExecutorSpec(Halving)


def test_the_preprocessing_fn_that_an_executor_gives_is_the_one_that_is_used(tmp_path: Path) -> None:
    from tests.unit.components.transform.cases import examples_of, read_frame, write_schema

    (tmp_path / "prepare.py").write_text(
        "import tensorflow as tf\n"
        "def preprocessing_fn(inputs, custom_config):\n"
        "    return {'out': tf.cast(inputs['distance'], tf.float32) * custom_config['factor']}\n"
    )
    frame = pd.DataFrame({"month": [1, 2, 3], "distance": [1, 2, 5], "carrier": ["a", "b", "c"]})
    node = HalvingTransform(
        examples=Channel(Examples),
        schema=Channel(Schema),
        module_file=str(tmp_path / "prepare.py"),
        custom_config={"factor": 3},
        disable_statistics=True,
    )
    inputs = {"examples": examples_of(tmp_path / "examples", train=frame), "schema": write_schema(tmp_path / "schema")}
    outputs = run_component(node, inputs, tmp_path)
    (transformed,) = outputs["transformed_examples"]
    assert transformed.splits == ["train"]
    assert read_frame(transformed, "train")["out"].tolist() == [1.5, 3.0, 7.5]
    shutil.rmtree(tmp_path / "HalvingTransform")


@pytest.mark.parametrize(
    ("base", "method"),
    [
        (standard_executors.BulkInferrerExecutor, "_run_model_inference"),
        (standard_executors.EvaluatorExecutor, "_get_slice_spec_from_feature_slicing_spec"),
        (standard_executors.ExampleValidatorExecutor, "_Validate"),
        (standard_executors.InfraValidatorExecutor, "_ValidateOnce"),
        (standard_executors.StatisticsGenExecutor, "_make_beam_pipeline"),
    ],
)
def test_methods_that_would_not_be_called_are_refused(base: Any, method: str) -> None:
    with pytest.raises(TypeError, match=f"Mine: {method} would not be called: TFX's executor of {base.COMPONENT}"):
        type("Mine", (base,), {method: print, "__module__": __name__})
    # With a Do of its own a class may use the names as it likes, unless it goes on to ours.
    alone = type("Mine", (base,), {method: print, "Do": _do_nothing, "__module__": __name__})
    alone().Do({}, {}, {})
    going_on = type("Mine", (base,), {method: print, "Do": base.Do, "__module__": __name__})
    with pytest.raises(TypeError, match="would not be called"):
        going_on().Do({}, {}, {})


def _do_nothing(self: Any, input_dict: Any, output_dict: Any, exec_properties: Any) -> None:
    pass


# Signals ------------------------------------------------------------------------------------------------------------


def test_an_executor_that_handles_signals_has_a_main_thread(tmp_path: Path) -> None:
    result = run(tmp_path, Alarmed())
    assert result.outputs["Alarmed"]["text"][0].value == "the alarm rang in MainThread"
    assert [report.state for report in run(tmp_path, Alarmed()).reports] == [NodeState.CACHED]


def test_an_executor_of_a_script_that_handles_signals(tmp_path: Path) -> None:
    program = Path(__file__).parent / "pipelines" / "signal_pipeline.py"
    command = [sys.executable, "-m", "mlops_tfx.compat", str(program), str(tmp_path / "root")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "heard rang in String" in done.stdout


def test_other_nodes_that_need_a_main_thread_are_told_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(PipelineFailedError, match=r"only works in main thread.*execution_timeout_sec=86400") as caught:
        run(tmp_path, Signalling())
    assert "ValueError" in str(caught.value)
    node = Signalling().with_node_execution_options(NodeExecutionOptions(execution_timeout_sec=86400))
    assert [report.state for report in run(tmp_path, node).reports] == [NodeState.COMPLETE]
