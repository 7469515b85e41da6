"""Recorded outputs stand in for nodes: same payloads and properties, in a root of the test's own."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mlops_tfx import LocalRunner, NodeExecutionOptions, Pipeline
from mlops_tfx.artifacts import Examples, Integer, Model, ModelBlessing, Schema
from mlops_tfx.component import Component, Input, Inputs, Output, OutputDict, Outputs, Parameter, component
from mlops_tfx.errors import ArtifactError, ConfigError, MetadataError
from mlops_tfx.execution import Observer
from mlops_tfx.metadata import MetadataStore
from mlops_tfx.testing import (
    PipelineTest,
    Recording,
    artifact,
    artifacts,
    is_blessed,
    read_schema,
    read_split,
    read_value,
    record,
    record_run,
)

pytest_plugins = ["mlops_tfx.testing.fixtures"]


class Gen(Component):
    """Reads a file that tests need not have; writes two artifacts."""

    examples = Outputs(Examples)
    source: str = ""

    def cache_ingredients(self):
        return {"source": Path(self.source).read_text()}

    def run(self):
        for span, part in enumerate(self.examples.make(2)):
            part.splits = ["train"]
            part.span = span
            Path(part.uri, "Split-train").mkdir()
            Path(part.uri, "Split-train", "data").write_text(Path(self.source).read_text() * (span + 1))


class Train(Component):
    """Writes a model and a blessing."""

    HEAVY_IMPORTS = ("a_module_that_is_not_there",)
    examples: Inputs[Examples]
    model = Output(Model)
    blessing = Output(ModelBlessing)

    def run(self):
        raise AssertionError("this takes hours")


class Check(Component):
    """Reads all of it."""

    model: Input[Model]
    blessing: Input[ModelBlessing]
    count: Input[Integer]
    model_out = Output(Model)

    def run(self):
        assert self.blessing.custom_properties["blessed"] == 1
        text = Path(self.model.uri, "sub", "weights").read_text()
        Path(self.model_out.uri, "copy").write_text(f"{text} {self.count.value}")


@component
def Count(n: Parameter[int]) -> OutputDict(n=int, none=str):
    return {"n": n, "none": "x"}


def pipeline(root, source):
    gen = Gen(source=str(source))
    train = Train([gen.outputs["examples"]])
    train.with_node_execution_options(NodeExecutionOptions(execution_timeout_sec=60))
    count = Count(n=7)
    check = Check(train.outputs["model"], train.outputs["blessing"], count.outputs["n"])
    return Pipeline("p", str(root), components=[gen, train, count, check])


def quick_training(component):
    assert [part.span for part in component.examples] == [0, 1]
    Path(component.model.uri, "sub").mkdir()
    Path(component.model.uri, "sub", "weights").write_text("w")
    component.blessing.custom_properties["blessed"] = 1
    component.context.report_rows(5)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    (folder / "source").write_text("ab")
    made = pipeline(folder / "root", folder / "source")
    result = LocalRunner(observer=Observer(), stand_ins={"Train": quick_training}).run(made)
    record(result, folder / "recorded")
    return made, result, folder / "recorded"


def test_recorded_outputs_are_those_of_the_run(first, pipeline_test):
    made, result, folder = first
    again = pipeline_test.run(pipeline("/nowhere", "/no such file"), recorded=folder)
    assert {report.state.value for report in again.reports} == {"complete"}
    for node_id, outputs in result.outputs.items():
        for key, found in outputs.items():
            copies = artifacts(again, node_id, key)
            assert [type(copy) for copy in copies] == [type(one) for one in found]
            for copy, one in zip(copies, found, strict=True):
                assert copy.uri.startswith(pipeline_test.root)
                assert copy.properties == one.properties
                assert copy.custom_properties == one.custom_properties, "the digest of the content, too"
    assert read_value(artifact(again, "Count", "n")) == 7
    assert is_blessed(artifact(again, "Train", "blessing"))
    with MetadataStore(made.at(pipeline_test.root).metadata_connection_config, read_only=True) as store:
        (trained,) = store.executions(pipeline_name="p", node_id="Train")
        assert [one.properties["span"] for one in trained.inputs["examples"]] == [0, 1]
    assert not os.path.exists("/nowhere")


def test_what_is_not_recorded_runs(first, pipeline_test, tmp_path):
    _, result, _ = first
    recording = record(result, tmp_path / "some", nodes=["Gen", "Train"])
    assert sorted(recording.node_ids) == ["Gen", "Train"]
    again = pipeline_test.run(pipeline("x", "gone"), recorded=recording)
    assert Path(artifact(again, "Check", "model_out").uri, "copy").read_text() == "w 7"
    assert Path(result.outputs["Check"]["model_out"][0].uri, "copy").read_text() == "w 7"
    record(result, tmp_path / "some", nodes=["Count"])
    assert sorted(Recording(tmp_path / "some").node_ids) == ["Count", "Gen", "Train"], "recordings add up"


def test_nothing_of_a_stand_in_is_cached(first, pipeline_test):
    _, _, folder = first
    for _ in range(2):
        result = pipeline_test.run(pipeline("x", "gone"), recorded=folder, only=["Check"])
        states = {report.node_id: report.state.value for report in result.reports}
        assert states["Train"] == "complete"
    assert states["Check"] == "cached", "its inputs had the same content"


def test_only_and_stand_ins(first, pipeline_test, tmp_path):
    _, _, folder = first
    source = tmp_path / "source"
    source.write_text("other")
    result = pipeline_test.run(
        pipeline("x", source), recorded=folder, only=["Gen"], stand_ins={"Train": quick_training, "Check": print}
    )
    (one, _) = artifacts(result, "Gen", "examples")
    assert Path(one.uri, "Split-train", "data").read_text() == "other"


def test_earlier_run_can_be_recorded(first, tmp_path):
    made, result, folder = first
    recording = record_run(made, tmp_path / "again", result.run_id)
    assert sorted(recording.node_ids) == ["Check", "Count", "Gen", "Train"]
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    assert names == sorted(str(path.relative_to(tmp_path / "again")) for path in (tmp_path / "again").rglob("*"))
    first_text, second_text = (Path(place, "recording.json").read_text() for place in (folder, recording.folder))
    first_index, second_index = json.loads(first_text), json.loads(second_text)
    assert first_index["nodes"].keys() == second_index["nodes"].keys()
    with pytest.raises(MetadataError, match="no run 'x'"):
        record_run(made, tmp_path / "x", "x")


def test_wrong_names_and_folders(first, tmp_path, pipeline_test):
    made, result, folder = first
    with pytest.raises(ConfigError, match="no outputs of 'Trian'; did you mean 'Train'"):
        record(result, tmp_path / "r", nodes=["Trian"])
    with pytest.raises(ConfigError, match="is no recording: it has no recording.json"):
        pipeline_test.run(made, recorded=tmp_path)
    with pytest.raises(ConfigError, match="only: the pipeline has no component 'Trian'; did you mean 'Train'"):
        pipeline_test.run(made, recorded=folder, only=["Trian"])
    with pytest.raises(ConfigError, match="only: expected recorded="):
        pipeline_test.run(made, only=["Train"])
    with pytest.raises(ConfigError, match="stand_ins: the pipeline has no component 'Trian'; did you mean 'Train'"):
        pipeline_test.run(made, stand_ins={"Trian": print})
    with pytest.raises(ConfigError, match="Train: expected a function that takes the component, received 'x'"):
        pipeline_test.run(made, stand_ins={"Train": "x"})
    some = record(result, tmp_path / "some", nodes=["Gen"])
    with pytest.raises(ConfigError, match="has no outputs of 'Train'; .*record them, or let it run"):
        pipeline_test.run(made, recorded=some, only=["Check"])
    (tmp_path / "some" / "recording.json").write_text("{")
    with pytest.raises(ConfigError, match="is damaged"):
        Recording(tmp_path / "some")
    (tmp_path / "some" / "recording.json").write_text('{"version": 9}')
    with pytest.raises(ConfigError, match="of another version"):
        Recording(tmp_path / "some")


def test_recording_of_another_component_is_refused(first, tmp_path):
    _, _, folder = first

    class Other(Component):
        examples = Output(Model)

    class Renamed(Component):
        rows = Outputs(Examples)

    for node, message in ((Other(), "expected Model, received a recorded Examples"), (Renamed(), "record again")):
        other = Pipeline("q", "x", components=[node.with_id("Gen")])
        with pytest.raises(Exception, match=message):
            PipelineTest(tmp_path / type(node).__name__).run(other, recorded=folder)


def test_wrong_questions(first):
    _, result, _ = first
    with pytest.raises(ArtifactError, match="no outputs of 'Trian'; did you mean 'Train'"):
        artifact(result, "Trian", "model")
    with pytest.raises(ArtifactError, match="Train has no output 'modle'; did you mean 'model'"):
        artifact(result, "Train", "modle")
    with pytest.raises(ArtifactError, match="expected one artifact, received 2"):
        artifact(result, "Gen", "examples")
    model = artifact(result, "Train", "model")
    for read, expected in ((read_schema, Schema), (read_value, "Value"), (lambda a: read_split(a, "train"), Examples)):
        name = expected if isinstance(expected, str) else expected.TYPE_NAME
        with pytest.raises(ArtifactError, match=f"expected an artifact of type .*{name}.*, received Model"):
            read(model)
    with pytest.raises(ArtifactError, match="expected a blessing"):
        is_blessed(model)
