"""Resolver functions on channels, in a real store: as inputs, in Resolver nodes, for loops, and over the lineage."""

from __future__ import annotations

from typing import Any

import pytest

from mlops_tfx import Channel, Cond, ForEach, LocalRunner, Pipeline, Resolver, resolver_function
from mlops_tfx.artifacts import Examples, InfraBlessing, Integer, Model, ModelBlessing, PushedModel, Schema
from mlops_tfx.channel import ResolvedChannel, ResolvedElements
from mlops_tfx.component import Component, Input, Inputs, OptionalInput, OptionalInputs, Output, Outputs
from mlops_tfx.connection import SqliteConnection
from mlops_tfx.errors import ConfigError, PipelineFailedError, ResolutionError, SkipSignal, WiringError
from mlops_tfx.execution import Observer
from mlops_tfx.execution.resolve import RunArtifacts
from mlops_tfx.metadata import MetadataStore
from mlops_tfx.resolvers import functions, lineage, ops, policies
from mlops_tfx.resolvers.decorator import using


class Gen(Component):
    """Writes Examples of a span and version."""

    examples = Output(Examples)
    span: int = 0
    version: int = 0
    kind: str = "daily"

    def run(self):
        self.examples.splits = ["train"]
        self.examples.custom_properties.update(span=self.span, version=self.version, kind=self.kind)
        self.examples.span, self.examples.version = self.span, self.version


class Transform(Component):
    """Makes transformed Examples."""

    examples: Input[Examples]
    transformed_examples = Output(Examples)

    def run(self):
        self.transformed_examples.custom_properties["span"] = self.examples.custom_properties["span"]


class Train(Component):
    """Makes a model."""

    examples: Inputs[Examples]
    model = Output(Model)
    model_run = Output(Schema)

    def run(self):
        pass


class Evaluate(Component):
    """Blesses a model."""

    model: Input[Model]
    baseline_model: OptionalInput[Model] = OptionalInput()
    blessing = Output(ModelBlessing)
    good: bool = True

    def run(self):
        self.blessing.custom_properties["blessed"] = int(self.good)


class TryOut(Component):
    """Blesses a model on a server."""

    model: Input[Model]
    blessing = Output(InfraBlessing)
    good: bool = True

    def run(self):
        self.blessing.custom_properties["blessing_status"] = "INFRA_BLESSED" if self.good else "INFRA_NOT_BLESSED"


class Push(Component):
    """Pushes a model."""

    model: Input[Model]
    pushed_model = Output(PushedModel)

    def run(self):
        pass


class Show(Component):
    """Writes the spans it gets as one number: their digits."""

    examples: OptionalInputs[Examples] = OptionalInputs()
    shown = Output(Integer)

    def run(self):
        self.shown.write(int("".join(["9", *(str(found.custom_properties["span"]) for found in self.examples)])))


PAIRS = ((1, 0), (2, 0), (3, 1), (3, 0), (7, 1), (8, 2))  # those of TFX's example for rolling_range


class World:
    def __init__(self, root: Any) -> None:
        self.root = root
        self.connection = SqliteConnection(filename_uri=str(root / "store.sqlite"))

    def run(self, *nodes: Any, name: str = "p") -> Any:
        pipeline = Pipeline(
            name, self.root / name, metadata_connection_config=self.connection, components=nodes, enable_cache=False
        )
        return LocalRunner(observer=Observer()).run(pipeline)

    def shown(self, channel: Any) -> str:
        (report,), outputs = (result := self.run(Show(examples=channel), name="p")).reports, result.outputs
        return outputs["Show"]["shown"][0].read() if report.state.value == "complete" else report.message


@pytest.fixture(scope="module")
def spans(tmp_path_factory: Any) -> World:
    world = World(tmp_path_factory.mktemp("spans"))
    for span, version in PAIRS:
        world.run(Gen(span=span, version=version, kind="odd" if span % 2 else "even"))
    return world


ALL = Channel(Examples, producer_component_id="Gen", output_key="examples")


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        (functions.latest_created(ALL), 98),
        (functions.latest_created(ALL, n=3), 9378),
        (functions.latest_version(ALL, 2), 978),
        (functions.all_spans(ALL), 912378),
        # The examples of TFX's documentation.
        (
            functions.rolling_range(
                ALL, start_span_number=3, num_spans=5, skip_num_recent_spans=1, keep_all_versions=True,
                exclude_span_numbers=[7], min_spans=1,
            ),
            933,
        ),
        (functions.static_range(ALL, end_span_number=5, exclude_span_numbers=[2]), 913),
        (functions.rolling_range(ALL, num_spans=2), 978),
        (functions.rolling_range(ALL, num_spans=0), 912378),
        (functions.static_range(ALL, start_span_number=1, end_span_number=3), 9123),
        (functions.static_range(ALL, start_span_number=1, end_span_number=4, exclude_span_numbers=[4]), 9123),
        # Not all there: the node is skipped, by TFX's defaults of min_spans.
        (functions.rolling_range(ALL, num_spans=9), "expected at least 9 spans to choose, there are 5"),
        (functions.rolling_range(ALL, num_spans=3, exclude_span_numbers=[8]), "at least 3 spans to choose"),
        (functions.static_range(ALL, start_span_number=1, end_span_number=4), "at least 4 spans to choose"),
        (functions.static_range(ALL, start_span_number=5, min_spans=3), "at least 3 spans to choose, there are 2"),
        (functions.rolling_range(ALL, num_spans=9, min_spans=5), 912378),
        (functions.filter_custom_property_equal(ALL, key="kind", value="even"), 982),
        (functions.filter_property_equal(ALL, key="version", value=1), 973),
        (functions.filter_property_equal(ALL, key="version", value=9), 9),
        (functions.pick(functions.all_spans(ALL), -1), 98),
        (functions.slice(functions.all_spans(ALL), 1, 3), 923),
        (functions.slice(functions.all_spans(ALL), start=-2), 978),
        (functions.latest_created(functions.shuffle(ALL, seed=3), n=6), 9123378),
    ],
    ids=repr,
)  # fmt: skip
def test_as_inputs(spans: World, channel: Any, expected: Any) -> None:
    found = spans.shown(channel)
    assert found == expected if isinstance(expected, int) else expected in found


@pytest.mark.parametrize("channel", [functions.pick(ALL, 6), functions.slice(ALL, 2, min_count=5)], ids=repr)
def test_too_few_fail_the_node(spans: World, channel: Any) -> None:
    with pytest.raises(PipelineFailedError, match="expected at least"):
        spans.run(Show(examples=channel))


def test_versions_ordered_by_other_properties(spans: World) -> None:
    for key, expected in (("version", 1), ("mlmd_artifact.create_time_since_epoch", 0), ("id", 0)):
        channel = functions.rolling_range(
            functions.filter_custom_property_equal(ALL, key="span", value=3), version_sort_keys=[key]
        )
        assert [a.custom_properties["version"] for a in found(spans, channel)] == [expected]
    with pytest.raises(ResolutionError, match="has no 'knid' of version_sort_keys; did you mean 'kind'"):
        found(spans, functions.rolling_range(ALL, version_sort_keys=["knid"]))
    with pytest.raises(ConfigError, match="expected names in version_sort_keys"):
        found(spans, functions.rolling_range(ALL, version_sort_keys=[""]))


def found(world: World, channel: Any) -> list[Any]:
    with MetadataStore(world.connection) as store:
        return channel.find(RunArtifacts({}, store, "p"))


def elements(world: World, loopable: Any) -> list[Any]:
    with MetadataStore(world.connection) as store:
        return [
            {key: [a.custom_properties.get("span", a.id) for a in artifacts] for key, artifacts in element.items()}
            for element in loopable.loop_elements(RunArtifacts({}, store, "p"))
        ]


def test_for_loops(spans: World) -> None:
    windows = functions.sequential_rolling_range(ALL, num_spans=2)
    assert isinstance(windows, ResolvedElements) and windows.loop_types() == {"": Examples}
    assert elements(spans, windows) == [{"": [1, 2]}, {"": [2, 3]}]
    assert elements(spans, functions.sliding_window(functions.all_spans(ALL), window_size=4)) == [
        {"": [1, 2, 3, 7]}, {"": [2, 3, 7, 8]},
    ]  # fmt: skip
    odd = functions.filter_custom_property_equal(ALL, key="kind", value="odd")
    pairs = functions.paired_spans({"x": ALL, "y": odd})
    assert pairs.loop_types() == {"x": Examples, "y": Examples}
    assert elements(spans, pairs) == [{"x": [n], "y": [n]} for n in (1, 3, 7)]
    each = functions.unnest({"x": odd, "y": functions.latest_created(ALL)}, key="x")
    assert elements(spans, each) == [{"x": [n], "y": [8]} for n in (7, 3, 3, 1)]
    with pytest.raises(ResolutionError, match="gives several elements; go through them: with ForEach"):
        _ = windows["window"]
    with pytest.raises(WiringError, match="expected a channel of Examples"):
        Pipeline("p", spans.root, components=[Show(examples=windows)])


def test_in_resolver_nodes(spans: World) -> None:
    latest = Resolver(strategy_class=functions.rolling_range, config={"num_spans": 2}, examples=ALL, other=ALL)
    show = Show(examples=latest.outputs["examples"])
    result = spans.run(latest, show)
    assert result.outputs["Show"]["shown"][0].read() == 978
    assert len(result.outputs["Resolver"]["other"]) == 2
    missing = Resolver(strategy_class=functions.rolling_range, config={"num_spans": 9}, examples=ALL)
    needs = Train(examples=missing.outputs["examples"])
    result = spans.run(missing, needs)
    assert [report.state.value for report in result.reports] == ["skipped", "skipped"]
    with pytest.raises(WiringError, match="got an unexpected keyword argument 'num_span'"):
        Pipeline("p", "r", components=[Resolver(functions.rolling_range, {"num_span": 2}, examples=ALL)])
    with pytest.raises(WiringError, match="paired_spans gives several elements; use it with ForEach"):
        Pipeline("p", "r", components=[Resolver(functions.paired_spans, examples=ALL)])


@resolver_function
def last_of_kind(artifacts: Any, kind: str, n: int = 1) -> Any:
    """Functions are made of functions and operators."""
    chosen = functions.filter_custom_property_equal(artifacts, key="kind", value=kind)
    return ops.SkipIfEmpty(ops.LatestCreateTime(chosen, n=n))


@resolver_function
def split_by_kind(artifacts: Any) -> Any:
    return {"odd": [a for a in artifacts if a.custom_properties["kind"] == "odd"], "even": ops.LatestSpan(artifacts)}


@split_by_kind.output_type_inferrer
def _types(channel: Any) -> Any:
    return {"odd": channel.type, "even": channel.type}


@resolver_function
def each_span(artifacts: Any) -> list[dict[str, Any]]:
    return ops.Unnest({"examples": artifacts}, key="examples")


def test_functions_of_ones_own(spans: World) -> None:
    assert spans.shown(last_of_kind(ALL, "even")) == 98
    assert "there is nothing to choose from" in str(spans.shown(last_of_kind(ALL, kind="none")))
    chosen = split_by_kind(ALL)
    assert set(chosen) == {"odd", "even"} and isinstance(chosen["odd"], ResolvedChannel)
    assert (spans.shown(chosen["odd"]), spans.shown(chosen["even"])) == (97331, 98)
    loop = each_span(ALL)
    assert elements(spans, loop)[0] == {"": [8]} and len(elements(spans, loop)) == 6
    with pytest.raises(ConfigError, match="last_of_kind: missing a required argument: 'kind'"):
        last_of_kind(ALL)
    with pytest.raises(ConfigError, match="expected a channel, received none; give output_type="):
        resolver_function(lambda artifacts: artifacts)._types((), {})
    assert repr(last_of_kind(ALL, "even")) == f"last_of_kind({ALL!r}, 'even')"


def test_a_function_that_gives_something_else_fails_the_node(spans: World) -> None:
    wrong = resolver_function(lambda artifacts: artifacts[0])
    with pytest.raises(PipelineFailedError, match="expected a list of artifacts, received Examples"):
        spans.run(Show(examples=wrong(ALL)))
    not_elements = resolver_function(lambda artifacts: 3, loopable=True)
    with pytest.raises(ResolutionError, match="expected a list of elements for a loop, received 3"):
        elements(spans, not_elements(ALL))
    with pytest.raises(ResolutionError, match="the history can be asked only while"):
        lineage.relatives([Model("/m", id=1)], upstream=True)


@pytest.fixture(scope="module")
def models(tmp_path_factory: Any) -> World:
    """Five models, each of one span; what became of them is in the table below."""
    world = World(tmp_path_factory.mktemp("models"))
    fates = {
        1: ("evaluated", "tried", "pushed"),
        2: ("evaluated", "tried"),
        3: ("tried",),
        4: ("evaluated",),
        5: ("refused",),
    }
    before = None
    for span, fate in fates.items():
        gen = Gen(span=span)
        transform = Transform(examples=gen.outputs["examples"])
        train = Train(examples=transform.outputs["transformed_examples"])
        model = train.outputs["model"]
        nodes: list[Any] = [gen, transform, train]
        nodes += [Evaluate(model=model, baseline_model=before)] * ("evaluated" in fate)
        nodes += [Evaluate(model=model, good=False)] * ("refused" in fate)
        nodes += [TryOut(model=model)] * ("tried" in fate) + [TryOut(model=model, good=False)] * ("refused" in fate)
        nodes += [Push(model=model)] * ("pushed" in fate)
        result = world.run(*nodes)
        before = Channel(Model).set_artifacts(result.outputs["Train"]["model"])
    return world


def span_of_model(world: World, model: Any) -> int:
    with MetadataStore(world.connection) as store, using(store):
        (examples,) = ops.TrainingRange([model])
    return examples.custom_properties["span"]


@pytest.mark.parametrize(
    ("policy", "expected", "keys"),
    [
        (policies.Policy.LATEST_EXPORTED, 5, set()),
        (policies.Policy.LATEST_EVALUATOR_BLESSED, 4, {"model_blessing"}),
        (policies.Policy.LATEST_INFRA_VALIDATOR_BLESSED, 3, {"model_infra_blessing"}),
        (policies.Policy.LATEST_BLESSED, 2, {"model_blessing", "model_infra_blessing"}),
        (policies.Policy.LATEST_PUSHED, 1, {"model_push"}),
    ],
)
def test_models_by_policy(models: World, policy: Any, expected: int, keys: set[str]) -> None:
    """TFX finds neither infra-blessed nor pushed models: it looks for types that its components do not write."""
    channels = functions.latest_policy_model({"model": Channel(Model)}, policy=policy)
    assert set(channels) == {"model", *keys}
    (model,) = found(models, channels["model"])
    assert span_of_model(models, model) == expected
    shown = [found(models, channels[key])[0] for key in sorted(keys)]
    assert {artifact.TYPE_NAME for artifact in shown} == {channels[key].type_name for key in keys}


def test_models_by_policy_among_given_blessings(models: World) -> None:
    blessings = functions.latest_created(Channel(ModelBlessing), n=5)
    oldest = functions.pick(blessings, 0)
    asked = {"model": Channel(Model), "model_blessing": oldest}
    channels = functions.latest_policy_model(asked, policy=policies.Policy.LATEST_EVALUATOR_BLESSED)
    assert span_of_model(models, found(models, channels["model"])[0]) == 1
    none = Channel(ModelBlessing, producer_component_id="Nobody")
    asked = {"model": Channel(Model), "model_blessing": none}
    channels = functions.latest_policy_model(asked, policy=policies.Policy.LATEST_EVALUATOR_BLESSED)
    with pytest.raises(SkipSignal, match="none of 5 models fits the policy LATEST_EVALUATOR_BLESSED"):
        found(models, channels["model"])
    channels = functions.latest_policy_model(asked, policy=2, raise_skip_signal=False)
    assert found(models, channels["model"]) == found(models, channels["model_blessing"]) == []
    for wrong in ({"models": Channel(Model)}, {"model": Channel(ModelBlessing)}):
        with pytest.raises(ConfigError, match="expected"):
            found(models, functions.latest_policy_model(wrong, policy=2)["model"])


def test_lineage(models: World) -> None:
    with MetadataStore(models.connection) as store, using(store):
        by_span = {
            artifact.custom_properties["span"]: artifact
            for artifact in store.latest(Examples, pipeline_name="p", producer="Gen", limit=None)
        }
        (transformed,) = ops.TrainingRange(
            models_of := ops.GraphTraversal([by_span[1]], traverse_upstream=False, artifact_type_names=["Model"])[
                "Model"
            ],
            use_transformed_examples=True,
        )
        assert transformed.custom_properties == {**transformed.custom_properties, "span": 1}
        down = ops.GraphTraversal(
            [by_span[1]], False, ["ModelBlessing", "PushedModel"], node_ids=["Evaluate"], output_keys=["blessing"]
        )
        # The model of span 1 was the baseline of span 2's evaluation.
        assert [len(down[key]) for key in ("root_artifact", "ModelBlessing", "PushedModel")] == [1, 2, 0]
        (blessing, _) = down["ModelBlessing"]
        up = ops.GraphTraversal([blessing], traverse_upstream=True, artifact_type_names=["Examples", "Schema"])
        assert sorted(a.custom_properties["span"] for a in up["Examples"]) == [1, 1]
        assert up["Schema"] == []
        together = ops.Siblings(models_of)
        assert {key: [a.TYPE_NAME for a in artifacts] for key, artifacts in together.items()} == {
            "root_artifact": ["Model"], "model_run": ["Schema"],
        }  # fmt: skip
        assert ops.Siblings(models_of, output_keys=["x"]) == {"root_artifact": models_of, "x": []}
        assert ops.Siblings([]) == ops.GraphTraversal([], True, ["Model"]) == {}
        for wrong in (lambda: ops.Siblings([blessing] * 2), lambda: ops.GraphTraversal([blessing], True, [])):
            with pytest.raises(ResolutionError, match="expected one artifact"):
                wrong()


def test_groups(models: World) -> None:
    with MetadataStore(models.connection) as store, using(store):
        newest = {
            "model": store.latest(Model, pipeline_name="p", limit=None)[::-1],
            "blessing": store.latest(ModelBlessing, pipeline_name="p", limit=None)[::-1],
            "tried": store.latest(InfraBlessing, pipeline_name="p", limit=None)[::-1],
        }
        pivots = ops.GroupByPivot(newest, pivot_key="tried")
        assert [[len(group[key]) for key in ("model", "blessing", "tried")] for group in pivots] == [[1, 0, 1]] * 4
        assert ops.GroupByPivot(newest, pivot_key="tried", require_all=True) == []
        groups = ops.GroupByDisjointLineage(newest)
        # 1 and 2, then 3 and 4 hang together: each was the baseline of the next.
        assert [[len(group[key]) for key in newest] for group in groups] == [[2, 2, 2], [2, 1, 1], [1, 1, 1]]
        with pytest.raises(ResolutionError, match="expected a list named 'x'"):
            ops.GroupByPivot(newest, pivot_key="x")


def test_evaluator_inputs_by_spans(models: World) -> None:
    with MetadataStore(models.connection) as store, using(store):
        asked = {
            "model": store.latest(Model, pipeline_name="p", limit=None),
            "examples": store.latest(Examples, pipeline_name="p", producer="Gen", limit=None),
        }
        chosen = ops.SpanDrivenEvaluatorInputs(asked)
        assert [a.custom_properties["span"] for a in chosen["examples"]] == [5]
        waited = ops.SpanDrivenEvaluatorInputs(asked, wait_spans_before_eval=1, additional_spans_per_eval=1)
        assert [a.custom_properties["span"] for a in waited["examples"]] == [3, 4]
        with pytest.raises(SkipSignal, match="expected examples from span -5 on"):
            ops.SpanDrivenEvaluatorInputs(asked, additional_spans_per_eval=10)
        with pytest.raises(SkipSignal, match="no model that was trained on spans before 1 alone"):
            ops.SpanDrivenEvaluatorInputs(asked, wait_spans_before_eval=4)
        with pytest.raises(SkipSignal, match="there are no examples"):
            ops.SpanDrivenEvaluatorInputs({**asked, "model": []})
        with pytest.raises(ConfigError, match="expected the keys"):
            ops.SpanDrivenEvaluatorInputs({"model": []})
    assert [span_of_model(models, run["model"][0]) for run in (chosen, waited)] == [4, 2]


class Fails(Gen):
    """Fails at span 3."""

    def run(self):
        if self.span == 3:
            raise ValueError("no data")
        super().run()


class Several(Component):
    """Writes Examples of several spans."""

    examples = Outputs(Examples)
    spans: tuple[int, ...] = (4, 5)

    def run(self):
        for artifact, span in zip(self.examples.make(len(self.spans)), self.spans, strict=True):
            artifact.custom_properties["span"] = span


def test_outputs_of_the_latest_run_of_another_pipeline_that_ended_well(tmp_path: Any) -> None:
    world = World(tmp_path)

    def producer(span: int) -> Pipeline:
        gen, several = Gen(span=span), Several()
        check = Fails(span=span).with_id("Check")
        check.add_upstream_node(gen)
        with ForEach(several.outputs["examples"]) as each:
            again = Transform(examples=each)
        with Cond(gen.outputs["examples"].future()[0].custom_property("span") > 9):
            never = Transform(examples=gen.outputs["examples"]).with_id("Never")
        outputs = {
            "examples": gen.outputs["examples"],
            "several": again.outputs["transformed_examples"],
            "never": never.outputs["transformed_examples"],
        }
        nodes = [gen, several, check, again, never]
        return Pipeline("producer", tmp_path / "q", world.connection, nodes, enable_cache=False, outputs=outputs)

    runner = LocalRunner(observer=Observer())
    chosen = functions.latest_pipeline_run_outputs(producer(1), output_keys=["examples"])
    assert set(chosen) == {"examples"}
    assert "no run of pipeline 'producer' has ended well yet" in str(world.shown(chosen["examples"]))
    for span in (1, 2):
        runner.run(producer(span))
    with pytest.raises(PipelineFailedError):
        runner.run(producer(3))
    # The Examples of span 3 are there, but the run that wrote them failed.
    everything = functions.latest_pipeline_run_outputs(producer(1))
    assert [world.shown(everything[key]) for key in ("examples", "several", "never")] == [92, 945, 9]
    with pytest.raises(ConfigError, match="'producer' has no output 'example'; did you mean 'examples'"):
        functions.latest_pipeline_run_outputs(producer(1), output_keys=["example"])
    with pytest.raises(ConfigError, match="expected a pipeline with outputs"):
        functions.latest_pipeline_run_outputs(Pipeline("p", tmp_path, components=[Gen()]))


def test_windows_and_pairs_in_loops(spans: World) -> None:
    with ForEach(functions.sequential_rolling_range(ALL, num_spans=2)) as window:
        show = Show(examples=window)
    with ForEach(functions.paired_spans({"x": ALL, "y": functions.latest_created(ALL, n=2)})) as pair:
        both = Show(examples=[pair["y"], pair["x"]]).with_id("Both")
    result = spans.run(show, both)
    assert [artifact.read() for artifact in result.outputs["Show"]["shown"]] == [912, 923]
    assert [artifact.read() for artifact in result.outputs["Both"]["shown"]] == [977, 988]
