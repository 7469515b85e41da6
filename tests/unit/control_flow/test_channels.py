"""Every form of channel on a real store: queries with properties, other pipelines, optional inputs, given artifacts."""

from __future__ import annotations

import pytest

from mlops_tfx import Cond, LocalRunner, Pipeline
from mlops_tfx.artifacts import Examples, Integer, Model
from mlops_tfx.channel import (
    Channel,
    ExternalPipelineChannel,
    OutputChannel,
    artifact_query,
    external_pipeline_artifact_query,
    union,
)
from mlops_tfx.component import Component, Input, Inputs, OptionalInputs, Output, Outputs
from mlops_tfx.connection import SqliteConnection
from mlops_tfx.errors import ConfigError, PipelineFailedError
from mlops_tfx.execution import Observer


class Spans(Component):
    """Writes one Examples artifact per span."""

    examples = Outputs(Examples)
    spans: tuple[int, ...] = (1,)

    def run(self):
        for artifact, span in zip(self.examples.make(len(self.spans)), self.spans, strict=True):
            artifact.span, artifact.splits = span, ["train"]
            artifact.custom_properties["parity"] = "odd" if span % 2 else "even"


class Collect(Component):
    """Adds up the spans it gets."""

    examples: OptionalInputs[Examples] = OptionalInputs()
    total = Output(Integer)

    def run(self):
        self.total.write(sum(artifact.span for artifact in self.examples))


class Need(Component):
    """Needs one Examples artifact."""

    examples: Input[Examples]
    total = Output(Integer)
    none: int = -1

    def run(self):
        self.total.write(self.none if self.examples is None else self.examples.span)


class NeedMany(Component):
    """Needs Examples."""

    examples: Inputs[Examples]
    total = Output(Integer)

    def run(self):
        self.total.write(len(self.examples))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A store in which the pipeline 'p' has run twice."""
    root = tmp_path_factory.mktemp("channels")
    runs = [run(root, Spans(spans=spans)).run_id for spans in ((1, 2, 3), (4,))]
    return root, runs


def run(root, *nodes, name="p"):
    store = SqliteConnection(filename_uri=str(root / "store.sqlite"))
    pipeline = Pipeline(name, root / name, metadata_connection_config=store, components=nodes, enable_cache=False)
    return LocalRunner(observer=Observer()).run(pipeline)


def total(result, node="Collect"):
    return result.outputs[node]["total"][0].read()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Channel(Examples), 10),
        (Channel(Examples, {"span": 3}), 3),
        (Channel(Examples, None, {"parity": "even"}), 6),
        (Channel(Examples, {"span": 4}, {"parity": "even"}), 4),
        (Channel(Examples, additional_properties={"version": 7}), 0),
        (Channel(Examples, additional_custom_properties={"missing": 7}), 0),
        (artifact_query(Examples, producer_component_id="Spans", output_key="examples"), 10),
        (artifact_query(Examples, producer_component_id="Spans", output_key="other"), 0),
        (artifact_query(Examples, producer_component_id="Other"), 0),
        (union([Channel(Examples, {"span": 1}), Channel(Examples, {"span": 2})]), 3),
    ],
    ids=repr,
)
def test_queries_by_properties_and_producers(place, query, expected):
    assert total(run(place[0], Collect(examples=query))) == expected


def test_query_over_another_pipeline(place):
    root, runs = place
    names = {"owner": "me", "pipeline_name": "p", "producer_component_id": "Spans", "output_key": "examples"}
    for given, expected in (({}, 10), ({"pipeline_run_id": runs[0]}, 6), ({"pipeline_run_id": "none"}, 0)):
        channel = external_pipeline_artifact_query(Examples, **names, **given)
        assert isinstance(channel, ExternalPipelineChannel)
        assert total(run(root, Collect(examples=channel), name="other")) == expected
    assert total(run(root, Collect(examples=Channel(Examples)), name="other")) == 0
    with pytest.raises(ConfigError, match="expected owner and pipeline_name, received owner='', pipeline_name='p'"):
        external_pipeline_artifact_query(Examples, **{**names, "owner": ""})
    with pytest.raises(ConfigError, match="runs have no tags here"):
        external_pipeline_artifact_query(Examples, **names, pipeline_run_tags=["nightly"])


def test_output_key_needs_its_node():
    with pytest.raises(ConfigError, match="expected producer_component_id together with output_key='x'"):
        artifact_query(Examples, output_key="x")


def test_an_optional_channel_makes_a_required_input_optional(place):
    root, _ = place
    nothing = Channel(Examples, {"span": 99})
    result = run(root, Need(examples=nothing.as_optional()), NeedMany(examples=nothing.as_optional()))
    assert (total(result, "Need"), total(result, "NeedMany")) == (-1, 0)
    assert not nothing.is_optional
    with pytest.raises(PipelineFailedError, match="expected Examples, received no artifact"):
        run(root, Need(examples=nothing))


def test_an_optional_channel_of_a_skipped_node(place):
    root, _ = place
    gen = Spans(spans=(5,))
    with Cond(gen.outputs["examples"].future()[0].property("span") > 5):
        skipped = Spans(spans=(6,)).with_id("Skipped")
    optional = Need(examples=skipped.outputs["examples"].as_optional())
    required = Need(examples=skipped.outputs["examples"]).with_id("Required")
    result = run(root, gen, skipped, optional, required)
    assert [report.state.value for report in result.reports] == ["complete", "skipped", "complete", "skipped"]
    assert total(result, "Need") == -1


def test_an_optional_channel_beside_a_parameter_that_is_known_later(place):
    gen = Spans(spans=(5,))
    span = gen.outputs["examples"].future()[0].property("span")
    result = run(place[0], gen, Need(examples=Channel(Examples, {"span": 99}).as_optional(), none=span))
    assert total(result, "Need") == 5


def test_triggers_change_nothing_here_and_are_exported(place, tmp_path):
    root, _ = place
    gen = Spans(spans=(5,))
    examples = gen.outputs["examples"]
    nodes = [Need(examples=examples.no_trigger()), Collect(examples=examples.trigger_by_property("span", "version"))]
    result = run(root, gen, *nodes)
    assert (total(result, "Need"), total(result)) == (5, 5)
    exported = Pipeline("p", tmp_path, components=[gen, *nodes]).to_dict()["nodes"]
    assert exported[1]["inputs"]["examples"] == [{"node": "Spans", "output": "examples", "trigger_by_property": []}]
    assert exported[2]["inputs"]["examples"][0]["trigger_by_property"] == ["span", "version"]
    with pytest.raises(ConfigError, match="expected names of properties"):
        examples.trigger_by_property()


def test_artifacts_that_a_channel_is_given(place):
    root, _ = place
    gen = Spans(spans=(7, 8))
    made = run(root, gen).outputs["Spans"]["examples"]
    channel = Channel(Examples).set_artifacts(made)
    assert channel.get() == list(made)
    assert total(run(root, Collect(examples=channel))) == 15
    output = gen.outputs["examples"]
    assert isinstance(output, OutputChannel) and output.get() == []
    assert output.set_artifacts(made).get() == list(made)
    with pytest.raises(ConfigError, match="expected artifacts of type Model, received"):
        Channel(Model).set_artifacts(made)


def test_definition_of_queries(tmp_path):
    query = Channel(Examples, {"span": 1}, {"a": "b"}, producer_component_id="Gen")
    other = ExternalPipelineChannel(
        Examples, owner="me", pipeline_name="q", producer_component_id="Gen", output_key="examples"
    )
    nodes = [Collect(examples=[query.as_optional()]), NeedMany(examples=other.as_optional())]
    exported = Pipeline("p", tmp_path, components=nodes).to_dict()["nodes"]
    assert exported[0]["inputs"]["examples"] == [
        {"type": "Examples", "node": "Gen", "properties": {"span": 1}, "custom_properties": {"a": "b"}}
    ]
    assert exported[1]["inputs"]["examples"] == [
        {"type": "Examples", "owner": "me", "pipeline": "q", "node": "Gen", "output": "examples", "optional": True}
    ]
