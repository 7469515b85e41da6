from __future__ import annotations

import pickle
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, List  # noqa: UP035  # as component classes written for TFX say it

import pytest

from mlops_tfx import LocalRunner, Pipeline
from mlops_tfx.artifacts import Examples, Model, Schema, String
from mlops_tfx.channel import Channel
from mlops_tfx.compat.class_component import BaseBeamComponent, BaseComponent
from mlops_tfx.compat.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from mlops_tfx.compat.drivers import BaseDriver, DriverOutput, PortableDriver, set_metadata_value
from mlops_tfx.compat.executor_specs import BeamExecutorSpec, ExecutorClassSpec
from mlops_tfx.compat.executors import (
    BaseBeamExecutor,
    BaseExecutor,
    EmptyExecutor,
    ExecutorOutput,
)
from mlops_tfx.config import Input
from mlops_tfx.errors import PipelineFailedError
from mlops_tfx.execution.observer import NodeState
from mlops_tfx.execution.testing import run_component
from mlops_tfx.placeholders import RuntimeParameter
from mlops_tfx.system_types import Train

PROGRAM = Path(__file__).parent / "pipelines" / "hello_pipeline.py"


class WriteSpec(ComponentSpec):
    PARAMETERS = {
        "text": ExecutionParameter(type=str),
        "times": ExecutionParameter(type=int, optional=True),
        "tags": ExecutionParameter(type=List[str], optional=True),  # noqa: UP006
        "config": ExecutionParameter(type=Input, optional=True),
        "config_itself": ExecutionParameter(type=Input, optional=True, use_proto=True),
    }
    INPUTS = {"model": ChannelParameter(type=Model, optional=True)}
    OUTPUTS = {"written": ChannelParameter(type=String), "more": ChannelParameter(type=Schema, optional=True)}


class Write(BaseExecutor):
    def Do(self, input_dict: Any, output_dict: Any, exec_properties: Any) -> None:
        output_dict["written"][0].value = exec_properties["text"] * (exec_properties.get("times") or 1)


class Writer(BaseComponent):
    SPEC_CLASS = WriteSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Write)

    def __init__(self, custom_executor_spec: Any = None, **arguments: Any) -> None:
        spec = WriteSpec(written=Channel(type=String), **arguments)
        super().__init__(spec=spec, custom_executor_spec=custom_executor_spec)


def run(tmp_path: Path, *nodes: Any, **options: Any) -> Any:
    return LocalRunner().run(Pipeline("classes", tmp_path / "root", components=nodes, **options))


def states(result: Any) -> dict[str, NodeState]:
    return {report.node_id: report.state for report in result.reports}


def test_a_component_runs_and_is_cached_until_a_parameter_changes(tmp_path: Path) -> None:
    first = run(tmp_path, Writer(text="a", times=3))
    assert first.outputs["Writer"]["written"][0].read() == "aaa"
    assert states(run(tmp_path, Writer(text="a", times=3))) == {"Writer": NodeState.CACHED}
    assert states(run(tmp_path, Writer(text="a", times=2))) == {"Writer": NodeState.COMPLETE}


def test_spec_and_component_read_as_in_tfx() -> None:
    model = Channel(type=Model)
    config = Input(splits=[Input.Split(name="one", pattern="*")])
    node = Writer(text="a", model=model, tags=["x"], config=config, config_itself=config)
    assert node.inputs == {"model": model}
    assert list(node.outputs) == ["written"]
    assert node.outputs["written"].type_name == "String"
    assert node.exec_properties["tags"] == ["x"]
    assert node.exec_properties["config"].replace(" ", "").replace("\n", "") == (
        '{"splits":[{"name":"one","pattern":"*"}]}'
    )
    assert node.exec_properties["config_itself"] is config
    assert node.with_id("Other").id == "Other"
    assert node.with_platform_config("config").platform_config == "config"
    assert node.spec.outputs["written"] is node.outputs["written"]
    assert Writer(text="a", config={"splits": []}).exec_properties["config"] == '{\n  "splits": []\n}'


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({}, ValueError, "argument 'text' is missing"),
        ({"text": 1}, TypeError, "parameter 'text': expected .*str.*, received text=1"),
        ({"text": "a", "times": "b"}, TypeError, "parameter 'times'"),
        ({"text": "a", "tags": [1]}, TypeError, "parameter 'tags'"),
        ({"text": "a", "config": 3}, TypeError, "parameter 'config'"),
        ({"text": "a", "tag": []}, TypeError, "no argument 'tag'; did you mean 'tags'"),
        ({"text": "a", "model": "m"}, TypeError, "'model': expected a channel of Model, received"),
        ({"text": "a", "model": Channel(type=Examples)}, TypeError, "'model': expected a channel of Model, received"),
        ({"text": "a", "custom_executor_spec": Write}, TypeError, "expected an ExecutorSpec"),
    ],
)
def test_wrong_arguments_raise_what_tfx_raises(arguments: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        Writer(**arguments)


@pytest.mark.parametrize(
    ("declared", "error", "said"),
    [
        ({"PARAMETERS": {}, "INPUTS": {}}, TypeError, "OUTPUTS: expected a dict"),
        ({"PARAMETERS": {"a": str}, "INPUTS": {}, "OUTPUTS": {}}, TypeError, "expected ExecutionParameter"),
        ({"PARAMETERS": {}, "INPUTS": {"a": Model}, "OUTPUTS": {}}, TypeError, "expected ChannelParameter"),
        (
            {"PARAMETERS": {"a": ExecutionParameter(str)}, "INPUTS": {"a": ChannelParameter(Model)}, "OUTPUTS": {}},
            ValueError,
            "'a' is declared twice",
        ),
    ],
)
def test_wrong_declarations(declared: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        type("Spec", (ComponentSpec,), declared)


def test_a_spec_that_declares_nothing() -> None:
    with pytest.raises(TypeError, match="Spec.PARAMETERS: expected a dict, received None"):
        type("Spec", (ComponentSpec,), {})()


def test_wrong_declarations_of_one_port() -> None:
    with pytest.raises(ValueError, match="expected a class of artifacts"):
        ChannelParameter(type=str)
    with pytest.raises(ValueError, match="give optional=True too"):
        ChannelParameter(type=Model, allow_empty=True)
    with pytest.raises(ValueError, match="use_proto is for messages"):
        ExecutionParameter(type=str, use_proto=True)
    with pytest.raises(ValueError, match="expected a class of executors"):
        ExecutorClassSpec(None)


def test_a_spec_of_another_class_is_refused() -> None:
    class OtherSpec(ComponentSpec):
        PARAMETERS, INPUTS, OUTPUTS = {}, {}, {}

    class Other(BaseComponent):
        SPEC_CLASS = WriteSpec
        EXECUTOR_SPEC = ExecutorClassSpec(EmptyExecutor)

    class Nothing(BaseComponent):
        SPEC_CLASS = OtherSpec

    with pytest.raises(ValueError, match="expected a spec of class WriteSpec"):
        Other(OtherSpec())
    with pytest.raises(TypeError, match="expected EXECUTOR_SPEC to be an ExecutorSpec"):
        Nothing(OtherSpec())


def test_an_executor_that_raises_fails_the_node_and_names_itself(tmp_path: Path) -> None:
    class Failing(BaseExecutor):
        def Do(self, input_dict: Any, output_dict: Any, exec_properties: Any) -> None:
            raise KeyError("gone")

    with pytest.raises(PipelineFailedError, match=r"Failing.Do raised KeyError: 'gone' \(.*test_class_component.py"):
        run(tmp_path, Writer(text="a", custom_executor_spec=ExecutorClassSpec(Failing)))
    assert not (tmp_path / "root" / "Writer" / "written").exists()


def test_several_artifacts_and_properties_that_do_returns(tmp_path: Path) -> None:
    class ManySpec(ComponentSpec):
        PARAMETERS, INPUTS = {}, {}
        OUTPUTS = {"examples": ChannelParameter(type=Examples)}

    class Making(BaseExecutor):
        def Do(self, input_dict: Any, output_dict: Any, exec_properties: Any) -> ExecutorOutput:
            from mlops_tfx.compat.artifact_lists import replicate_artifacts

            output_dict["examples"] = replicate_artifacts(output_dict["examples"][0], 2)
            for index, artifact in enumerate(output_dict["examples"]):
                Path(artifact.uri).mkdir()
                (Path(artifact.uri) / "file").write_text(str(index))
            output = ExecutorOutput()
            said = Examples()
            said.splits = ["one"]
            said.custom_properties["rows"] = 7
            output.output_artifacts["examples"].artifacts.append(said)
            return output

    class Many(BaseComponent):
        SPEC_CLASS = ManySpec
        EXECUTOR_SPEC = ExecutorClassSpec(Making)

    made = run(tmp_path, Many(ManySpec(examples=Channel(type=Examples)))).outputs["Many"]["examples"]
    assert [(Path(artifact.uri) / "file").read_text() for artifact in made] == ["0", "1"]
    assert [Path(artifact.uri).name for artifact in made] == ["0", "1"]
    assert made[0].splits == ["one"]
    assert made[0].custom_properties["rows"] == 7


def test_an_output_elsewhere_is_refused(tmp_path: Path) -> None:
    class Leaving(BaseExecutor):
        def Do(self, input_dict: Any, output_dict: Any, exec_properties: Any) -> None:
            output_dict["written"][0].uri = str(tmp_path / "elsewhere")

    with pytest.raises(PipelineFailedError, match="expected a uri below"):
        run(tmp_path, Writer(text="a", custom_executor_spec=ExecutorClassSpec(Leaving)))


def test_the_context_of_an_executor(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    class Looking(BaseExecutor):
        def Do(self, input_dict: Any, output_dict: Any, exec_properties: Any) -> None:
            seen.update(
                folder=self._get_tmp_dir(),
                there=Path(self._get_tmp_dir()).is_dir(),
                flags=self._extra_flags,
                pipeline=self._context.pipeline_info.id,
                node=self._context.pipeline_node.node_info.id,
                run=self._context.pipeline_run_id,
            )
            output_dict["written"][0].value = ""

    spec = ExecutorClassSpec(Looking)
    spec.add_extra_flags("--flag")
    result = run(tmp_path, Writer(text="a", custom_executor_spec=spec))
    assert seen.pop("there")
    assert not Path(seen.pop("folder")).exists()
    assert seen == {"flags": ["--flag"], "pipeline": "classes", "node": "Writer", "run": result.run_id}
    with pytest.raises(RuntimeError, match="made without a context"):
        Looking()._get_tmp_dir()


def test_parameters_of_values_that_other_nodes_write(tmp_path: Path) -> None:
    first = Writer(text="ab").with_id("First")
    second = Writer(text=first.outputs["written"].future()[0].value, times=RuntimeParameter("times", int))
    pipeline = Pipeline("classes", tmp_path / "root", components=[first, second])
    result = LocalRunner().run(pipeline, parameters={"times": 2})
    assert result.outputs["Writer"]["written"][0].read() == "abab"
    wrong = Writer(text="a", times=first.outputs["written"].future()[0].value)
    with pytest.raises(PipelineFailedError, match="parameter 'times': expected .*int.*, received times='ab'"):
        run(tmp_path, first, wrong)


def test_an_executor_of_a_notebook_is_known_by_its_methods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What a notebook's cells define is in a module without a file.
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))

    def of_cell(number: int, factor: int) -> Any:
        name = f"<ipython-input-{number}>"
        source = f"""class Cell(Write):
    def Do(self, input_dict, output_dict, exec_properties):
        output_dict["written"][0].value = exec_properties["text"] * {factor}
"""
        namespace: dict[str, Any] = {"Write": Write, "__name__": "__main__"}
        exec(compile(source, name, "exec"), namespace)
        return Writer(text="a", custom_executor_spec=ExecutorClassSpec(namespace["Cell"]))

    assert run(tmp_path, of_cell(1, 2)).outputs["Writer"]["written"][0].read() == "aa"
    assert states(run(tmp_path, of_cell(2, 2))) == {"Writer": NodeState.CACHED}
    assert run(tmp_path, of_cell(3, 3)).outputs["Writer"]["written"][0].read() == "aaa"


class SpanDriver(BaseDriver):
    calls = 0

    def resolve_exec_properties(self, exec_properties: Any, pipeline_info: Any, component_info: Any) -> Any:
        type(self).calls += 1
        exec_properties["text"] = Path(exec_properties["text"]).read_text()
        return exec_properties


class WritesSpan(Writer):
    DRIVER_CLASS = SpanDriver


def test_a_driver_resolves_parameters_once_and_is_part_of_the_cache_key(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("first")
    assert run(tmp_path, WritesSpan(text=str(source))).outputs["WritesSpan"]["written"][0].read() == "first"
    assert SpanDriver.calls == 1
    assert states(run(tmp_path, WritesSpan(text=str(source)))) == {"WritesSpan": NodeState.CACHED}
    source.write_text("second")
    result = run(tmp_path, WritesSpan(text=str(source)))
    assert result.outputs["WritesSpan"]["written"][0].read() == "second"


class RunningDriver(PortableDriver):
    def run(self, execution_info: Any) -> DriverOutput:
        output = DriverOutput()
        set_metadata_value(output.exec_properties["text"], execution_info.exec_properties["text"].upper())
        set_metadata_value(output.exec_properties["times"], 2)
        artifact = execution_info.output_dict["written"][0]
        artifact.custom_properties["span"] = 5
        output.output_artifacts["written"].artifacts.append(artifact)
        return output


class Shouts(Writer):
    DRIVER_CLASS = RunningDriver


def test_a_driver_that_runs_sets_parameters_and_properties(tmp_path: Path) -> None:
    (artifact,) = run(tmp_path, Shouts(text="a")).outputs["Shouts"]["written"]
    assert artifact.read() == "AA"
    assert artifact.custom_properties["span"] == 5
    outputs = run_component(Shouts(text="b"), {}, tmp_path / "alone")
    assert outputs["written"][0].value == "BB"


class TypedSpec(ComponentSpec):
    PARAMETERS, INPUTS = {}, {}
    OUTPUTS = {"model": ChannelParameter(type=Model)}
    TYPE_ANNOTATION = Train


def test_the_annotation_is_the_base_type_in_the_store(tmp_path: Path) -> None:
    class Typed(BaseBeamComponent):
        SPEC_CLASS = TypedSpec
        EXECUTOR_SPEC = BeamExecutorSpec(EmptyBeam)

    node = Typed(TypedSpec(model=Channel(type=Model)))
    assert node.BASE_TYPE == "Train"
    run(tmp_path, node)


class EmptyBeam(BaseBeamExecutor):
    def Do(self, input_dict: Any, output_dict: Any, exec_properties: Any) -> None:
        """Nothing."""


def test_beam_executors_run_whatever_their_spec_and_get_all_flags(tmp_path: Path) -> None:
    seen: list[Any] = []

    class Counting(BaseBeamExecutor):
        def Do(self, input_dict: Any, output_dict: Any, exec_properties: Any) -> None:
            import apache_beam as beam

            with self._make_beam_pipeline() as pipeline:
                total = pipeline | beam.Create([1, 2, 3]) | beam.CombineGlobally(sum)
                _ = total | beam.Map(_write, str(tmp_path / "n"))
            seen.extend(self._beam_pipeline_args)
            output_dict["written"][0].value = (tmp_path / "n").read_text()

    plain = Writer(text="a", custom_executor_spec=ExecutorClassSpec(Counting)).with_beam_pipeline_args(["--node=1"])
    result = run(tmp_path, plain, beam_pipeline_args=["--pipeline=1"])
    assert result.outputs["Writer"]["written"][0].read() == "6"
    assert seen == ["--pipeline=1", "--node=1"]


def _write(value: int, path: str) -> None:
    Path(path).write_text(str(value))


def test_components_pickle() -> None:
    copied = pickle.loads(pickle.dumps(Writer(text="a", model=Channel(type=Model))))
    assert (copied.id, copied.exec_properties["text"], list(copied.outputs)) == ("Writer", "a", ["written"])


def test_a_script_for_tfx_runs_unchanged(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "rows.csv").write_text("x,y\n" + "".join(f"{i},a{i}\n" for i in range(1, 301)))
    command = [sys.executable, "-m", "mlops_tfx.cli", "run", "--as-tfx", str(PROGRAM)]
    flags = ["--data_root", str(data), "--root", str(tmp_path)]
    done = subprocess.run([*command, *flags], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # TFX 1.16 runs the same file on the same data, and leaves the same files; it counts 188 records.
    written = sorted(str(path.relative_to(tmp_path / "pipeline")) for path in tmp_path.glob("pipeline/*/*/*/**/*.*"))
    assert written == [
        "CountComponent/count/3/count.txt",
        "CsvExampleGen/examples/1/Split-eval/data_tfrecord-00000-of-00001.gz",
        "CsvExampleGen/examples/1/Split-train/data_tfrecord-00000-of-00001.gz",
        "Hello/output_data/2/Split-eval/data_tfrecord-00000-of-00001.gz",
        "Hello/output_data/2/Split-train/data_tfrecord-00000-of-00001.gz",
    ]
    with sqlite3.connect(tmp_path / "metadata.db") as store:
        query = "select int_value from ArtifactProperty where name = 'lines' and not is_custom_property"
        assert store.execute(query).fetchall() == [(188,)]
    again = subprocess.run([*command, *flags], capture_output=True, text=True, check=False)
    assert again.stderr.count("cached") == 3, again.stderr
