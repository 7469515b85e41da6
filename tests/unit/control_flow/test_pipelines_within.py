"""Pipelines within pipelines on a real store: inputs, outputs, contexts, the cache, failures, conditions, loops."""

from __future__ import annotations

import os
import sys

import pytest

from mlops_tfx import Cond, ForEach, Importer, LocalRunner, Pipeline, PipelineInputs, resolver_function
from mlops_tfx.artifacts import Examples, Integer
from mlops_tfx.channel import Channel
from mlops_tfx.component import Component, Input, Output
from mlops_tfx.errors import ConfigError, PipelineFailedError, UserCodeError, WiringError
from mlops_tfx.execution.explain import explain
from mlops_tfx.execution.loading import load_pipeline
from mlops_tfx.execution.reports import reports_of_run
from mlops_tfx.metadata import ExecutionState, MetadataStore
from mlops_tfx.node_options import NodeExecutionOptions
from mlops_tfx.placeholders import RuntimeParameter, environment_variable
from mlops_tfx.resolvers import LatestArtifactStrategy, Resolver
from tests.unit.control_flow.loop_components import Heard, Number, Numbers, Plus, Total, states, values


def run(root, *nodes, observer=None, parameters=None, **kwargs):
    pipeline = Pipeline("outer", root, components=nodes, **kwargs)
    return LocalRunner(observer=observer or Heard()).run(pipeline, parameters)


def store(root):
    return MetadataStore(Pipeline("outer", root, components=[]).metadata_connection_config)


def adding(channel, name="adding", add=1, optional=None, **settings):
    """A pipeline of two nodes: Plus and Plus again. Its outputs: result, and first."""
    inputs = PipelineInputs({"value": channel}, {"more": optional} if optional else None)
    first = Plus(value=inputs["value"], add=add, more=inputs["more"] if optional else None)
    second = Plus(value=first.outputs["out"], add=add if isinstance(add, RuntimeParameter) else 10 * add).with_id(
        "Again"
    )
    outputs = {"result": second.outputs["out"], "first": first.outputs["out"]}
    return Pipeline(name, components=[first, second], inputs=inputs, outputs=outputs, **settings)


def test_inputs_and_outputs_pass_through(tmp_path):
    seven = Number(number=7)
    inner = adding(seven.outputs["out"])
    total = Total(values=[inner.outputs["first"], inner.outputs["result"]])
    result = run(tmp_path, seven, inner, total)
    assert values(result, "Total") == [818]
    assert values(result, "adding", "result") == values(result, "adding.Again") == [18]
    assert list(states(result).items()) == [
        ("Number", "complete"), ("adding", "complete"), ("adding.Plus", "complete"), ("adding.Again", "complete"),
        ("Total", "complete"),
    ]  # fmt: skip
    assert os.path.dirname(result.outputs["adding"]["result"][0].uri) == str(
        tmp_path / "adding" / "Again" / "out" / str(_execution(tmp_path, "adding", "Again").id)
    )


def _execution(root, pipeline, node):
    with store(root) as opened:
        return opened.executions(pipeline, node_id=node)[-1]


def test_the_contexts_are_those_of_tfx(tmp_path):
    from ml_metadata.metadata_store import MetadataStore as Mlmd
    from ml_metadata.proto import metadata_store_pb2 as pb

    seven = Number()
    result = run(tmp_path, seven, adding(seven.outputs["out"]))
    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = str(tmp_path / "metadata.sqlite")
    mlmd = Mlmd(config)
    found = {}
    for execution in mlmd.get_executions():
        names = {(c.type, c.name) for c in mlmd.get_contexts_by_execution(execution.id) if c.type != "execution_cache"}
        found[execution.custom_properties["__node_id__"].string_value] = names
    outer = {("pipeline", "outer"), ("pipeline_run", result.run_id)}
    assert found["Number"] == outer | {("node", "outer.Number")}
    assert found["adding"] == outer | {("node", "outer.adding")}
    assert found["Again"] == found["adding"] | {
        ("pipeline", "adding"), ("pipeline_run", f"adding_{result.run_id}"), ("node", "adding.Again"),
    }  # fmt: skip


def test_the_store_answers_for_both_pipelines(tmp_path):
    seven = Number()
    result = run(tmp_path, seven, adding(seven.outputs["out"]))
    with store(tmp_path) as opened:
        assert opened.pipelines() == ["adding", "outer"]
        assert opened.runs("outer") == [result.run_id]
        assert opened.runs("adding") == [f"adding_{result.run_id}"]
        assert [r.label for r in opened.executions("outer")] == ["Number", "adding.Plus", "adding.Again", "adding"]
        assert [r.label for r in opened.executions("adding")] == ["adding.Plus", "adding.Again"]
        assert [r.node_id for r in reports_of_run(opened, "outer")[1]] == [
            "Number", "adding.Plus", "adding.Again", "adding",
        ]  # fmt: skip
        latest = opened.latest(Integer, pipeline_name="outer", producer="adding", output_key="result")
        assert [artifact.read() for artifact in latest] == [18]
        assert explain(opened, "outer", "adding.Again").summary.startswith("ran: there is no earlier")
    # Queries of later runs find its outputs under its name, and those of its nodes from within it.
    found = Resolver(
        strategy_class=LatestArtifactStrategy,
        found=Channel(Integer, producer_component_id="adding", output_key="result"),
    )
    assert values(run(tmp_path, found), "Resolver", "found") == [18]


def test_names_of_nodes_may_repeat_and_pipelines_nest_to_any_depth(tmp_path):
    seven = Number()

    def nest(channel, depth):
        inputs = PipelineInputs({"value": channel})
        if depth == 0:
            return adding(channel, "level0")
        below = nest(inputs["value"], depth - 1)
        plus = Plus(value=below.outputs["result"], add=0)
        outputs = {"result": plus.outputs["out"]}
        return Pipeline(f"level{depth}", components=[below, plus], inputs=inputs, outputs=outputs)

    other = adding(seven.outputs["out"], "other", add=2)
    result = run(tmp_path, seven, nest(seven.outputs["out"], 3), other, Plus(value=other.outputs["result"]))
    assert values(result, "level3", "result") == [18]
    assert values(result, "level3.level2.level1.level0.Again") == [18]
    assert values(result, "other.Plus") == [9]
    assert values(result, "Plus") == [30]
    with store(tmp_path) as opened:
        (deep,) = opened.executions("level0", node_id="Again")
        assert deep.run_id == f"level0_level1_level2_level3_{result.run_id}"
        assert deep.label == "level3.level2.level1.level0.Again"
        assert deep.id in {r.id for name in ("level1", "level3", "outer") for r in opened.executions(name)}
    assert (tmp_path / "level3" / "level2" / "level1" / "level0" / "Again").is_dir()


def test_again_everything_is_cached_and_a_change_inside_runs_only_what_follows(tmp_path):
    def build(add=10):
        seven = Number()
        inputs = PipelineInputs({"value": seven.outputs["out"]})
        first = Plus(value=inputs["value"])
        second = Plus(value=first.outputs["out"], add=add).with_id("Again")
        outputs = {"result": second.outputs["out"]}
        return seven, Pipeline("adding", components=[first, second], inputs=inputs, outputs=outputs)

    run(tmp_path, *build())
    assert set(states(run(tmp_path, *build())).values()) == {"cached"}
    changed = states(run(tmp_path, *build(add=11)))
    assert changed == {"Number": "cached", "adding": "complete", "adding.Plus": "cached", "adding.Again": "complete"}


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [(True, None, "cached"), (False, None, "complete"), (True, False, "complete"), (False, True, "cached")],
)
def test_it_has_a_cache_setting_of_its_own(tmp_path, outer, inner, expected):
    for _ in range(2):
        seven = Number().with_cache(True)
        result = run(tmp_path, seven, adding(seven.outputs["out"], enable_cache=inner), enable_cache=outer)
    assert states(result)["adding.Plus"] == expected
    seven = Number()
    switched = adding(seven.outputs["out"]).with_cache(False)
    assert states(run(tmp_path, seven, switched))["adding.Plus"] == "complete"


class Flags(Component):
    """Writes how many Beam flags it has, and says which."""

    value: Input[Integer]
    out = Output(Integer)

    def run(self):
        self.context.log(" ".join(self.context.beam_pipeline_args))
        self.context.log(f"{self.context.pipeline_name} {self.context.run_id} {self.context.node_id}")
        self.out.write(len(self.context.beam_pipeline_args))


def test_root_and_beam_flags_of_its_own(tmp_path):
    seven, observer = Number(), Heard()
    inputs = PipelineInputs({"value": seven.outputs["out"]})
    flags = Flags(value=inputs["value"]).with_beam_pipeline_args(["--c=3"])
    inner = Pipeline(
        "flags", str(tmp_path / "elsewhere"), components=[flags], inputs=inputs, beam_pipeline_args=["--b=2"]
    )
    result = run(tmp_path / "root", seven, inner, observer=observer, beam_pipeline_args=["--a=1"])
    assert observer.lines == [
        ("flags.Flags", "--a=1 --b=2 --c=3"), ("flags.Flags", f"flags flags_{result.run_id} Flags"),
    ]  # fmt: skip
    assert result.outputs["flags.Flags"]["out"][0].uri.startswith(str(tmp_path / "elsewhere" / "Flags"))


def test_a_failure_within_is_a_failure_of_the_pipeline(tmp_path):
    def build():
        seven = Number()
        inputs = PipelineInputs({"value": seven.outputs["out"]})
        first = Plus(value=inputs["value"], fail_at=7, folder=str(tmp_path))
        second = Plus(value=first.outputs["out"]).with_id("Again")
        free = Plus(value=inputs["value"], add=3).with_id("Free")
        outputs = {"result": second.outputs["out"], "free": free.outputs["out"]}
        inner = Pipeline("failing", components=[first, second, free], inputs=inputs, outputs=outputs)
        return seven, inner, Plus(value=inner.outputs["free"]).with_id("After")

    observer = Heard()
    with pytest.raises(PipelineFailedError) as caught:
        run(tmp_path, *build(), observer=observer)
    assert [failure.node_id for failure in caught.value.failures] == ["failing.Plus"]
    assert isinstance(caught.value.failures[0].__cause__, ValueError)
    assert caught.value.skipped == ("failing.Again", "After")
    ended = {name: report.state.value for name, report in observer.ended.items()}
    assert ended == {
        "Number": "complete", "failing": "failed", "failing.Plus": "failed", "failing.Again": "skipped",
        "failing.Free": "complete", "After": "skipped",
    }  # fmt: skip
    outside = _execution(tmp_path, "outer", "failing")
    assert outside.state is ExecutionState.FAILED
    assert "failing.Plus failed" in outside.error
    (tmp_path / "repaired").touch()
    resumed = run(tmp_path, *build())
    assert states(resumed) == {
        "Number": "cached", "failing": "complete", "failing.Plus": "complete", "failing.Again": "complete",
        "failing.Free": "cached", "After": "complete",
    }  # fmt: skip


def test_inputs_that_cannot_be_had_are_a_failure_of_the_pipeline(tmp_path):
    """sys.exit() in a resolver function does not end the process as if all were well."""

    @resolver_function
    def leaves(channel):
        sys.exit(0)

    seven = Number()
    with pytest.raises(PipelineFailedError, match="node 'adding' failed: SystemExit: 0"):
        run(tmp_path, seven, adding(leaves(seven.outputs["out"])))
    assert "sys.exit(0)" in _execution(tmp_path, "outer", "adding").error


def test_its_success_may_be_optional(tmp_path):
    seven = Number()
    inputs = PipelineInputs({"value": seven.outputs["out"]})
    broken = Plus(value=inputs["value"], fail_at=7, folder=str(tmp_path))
    inner = Pipeline("failing", components=[broken], inputs=inputs, outputs={"out": broken.outputs["out"]})
    inner.with_node_execution_options(NodeExecutionOptions(success_optional=True))
    total = Total(values=seven.outputs["out"], more=inner.outputs["out"])
    needs = Plus(value=inner.outputs["out"]).with_id("Needs")
    result = run(tmp_path, seven, inner, total, needs)
    assert values(result, "Total") == [7]
    assert (states(result)["failing"], states(result)["Needs"]) == ("failed", "skipped")


@pytest.mark.parametrize("runs", [True, False])
def test_a_condition_around_it_decides_about_all_of_it(tmp_path, runs):
    seven = Number()
    with Cond(seven.outputs["out"].future()[0].value > (5 if runs else 9)):
        inner = adding(seven.outputs["out"])
    total = Total(values=inner.outputs["result"])
    result = run(tmp_path, seven, inner, total)
    if runs:
        assert values(result, "Total") == [18]
    else:
        assert states(result) == {"Number": "complete", "adding": "skipped", "Total": "skipped"}
        assert "its condition is false" in _execution(tmp_path, "outer", "adding").properties["skipped_because"]


def test_a_condition_within_skips_what_needs_the_output_outside(tmp_path):
    seven = Number()
    inputs = PipelineInputs({"value": seven.outputs["out"]})
    with Cond(inputs["value"].future()[0].value > 9):
        rare = Plus(value=inputs["value"])
    common = Plus(value=inputs["value"], add=2).with_id("Common")
    outputs = {"rare": rare.outputs["out"], "common": common.outputs["out"]}
    inner = Pipeline("choosing", components=[rare, common], inputs=inputs, outputs=outputs)
    result = run(
        tmp_path, seven, inner,
        Plus(value=inner.outputs["rare"]).with_id("NeedsRare"),
        Plus(value=inner.outputs["common"]).with_id("NeedsCommon"),
        Total(values=inner.outputs["common"], more=inner.outputs["rare"]),
    )  # fmt: skip
    assert (states(result)["choosing"], states(result)["choosing.Plus"]) == ("complete", "skipped")
    assert (states(result)["NeedsRare"], values(result, "NeedsCommon"), values(result, "Total")) == (
        "skipped",
        [10],
        [9],
    )


@pytest.mark.parametrize("given", [True, False])
def test_optional_inputs_of_a_pipeline(tmp_path, given):
    seven = Number()
    with Cond(seven.outputs["out"].future()[0].value > (5 if given else 9)):
        two = Number(number=2).with_id("Two")
    inner = adding(seven.outputs["out"], optional=two.outputs["out"])
    required = adding(two.outputs["out"], "required")
    result = run(tmp_path, seven, two, inner, required)
    assert values(result, "adding", "result") == [2018 if given else 18]
    assert states(result)["required"] == ("complete" if given else "skipped")


def test_what_needs_an_optional_input_that_did_not_come_is_skipped(tmp_path):
    seven = Number()
    with Cond(seven.outputs["out"].future()[0].value > 9):
        two = Number(number=2).with_id("Two")
    inputs = PipelineInputs(optional_inputs={"maybe": two.outputs["out"]})
    inner = Pipeline("needing", components=[Plus(value=inputs["maybe"])], inputs=inputs)
    result = run(tmp_path, seven, two, inner)
    assert (states(result)["needing"], states(result)["needing.Plus"]) == ("complete", "skipped")


def test_in_a_loop_it_runs_once_per_element(tmp_path):
    source = Numbers(numbers=[1, 2])
    with ForEach(source.outputs["out"]) as number:
        inner = adding(number)
    total = Total(values=inner.outputs["result"])
    result = run(tmp_path, source, inner, total)
    assert values(result, "Total") == [1213]
    assert values(result, "adding[1].Again") == [13]
    assert list(states(result)) == [
        "Numbers", "adding", "adding[0]", "adding[0].Plus", "adding[0].Again",
        "adding[1]", "adding[1].Plus", "adding[1].Again", "Total",
    ]  # fmt: skip
    with store(tmp_path) as opened:
        assert sorted(opened.runs("adding")) == [f"adding_{result.run_id}_{i}" for i in (0, 1)]
        assert {r.label for r in opened.executions("adding", node_id="Again")} == {f"adding[{i}].Again" for i in (0, 1)}
    assert set(states(run(tmp_path, source, inner, total)).values()) == {"cached"}


def test_a_loop_within_it(tmp_path):
    source = Numbers(numbers=[1, 2])
    inputs = PipelineInputs({"numbers": source.outputs["out"]})
    with ForEach(inputs["numbers"]) as number:
        plus = Plus(value=number)
    inner = Pipeline("looping", components=[plus], inputs=inputs, outputs={"all": plus.outputs["out"]})
    result = run(tmp_path, source, inner, Total(values=inner.outputs["all"]))
    assert values(result, "Total") == [203]
    assert values(result, "looping.Plus[1]") == [3]


def test_runtime_parameters_reach_into_it(tmp_path):
    seven = Number()
    root = RuntimeParameter("inner_root", str, default=str(tmp_path / "default"))
    inner = adding(seven.outputs["out"], add=RuntimeParameter("add", int, default=1), pipeline_root=root)
    given = {"add": 2, "inner_root": str(tmp_path / "given")}
    with pytest.raises(WiringError, match="there is no runtime parameter 'ad'"):
        run(tmp_path / "root", seven, inner, parameters={"ad": 2})
    result = run(tmp_path / "root", seven, inner, parameters=given)
    assert values(result, "adding", "first") == [9]
    assert (tmp_path / "given" / "Plus").is_dir()


def test_settings_that_cannot_be_resolved_are_a_failure_of_the_node(tmp_path):
    seven = Number()
    inner = adding(seven.outputs["out"], pipeline_root=environment_variable("NO_SUCH_VARIABLE_ANYWHERE"))
    with pytest.raises(PipelineFailedError, match="NO_SUCH_VARIABLE_ANYWHERE"):
        run(tmp_path, seven, inner)
    assert _execution(tmp_path, "outer", "adding").state is ExecutionState.FAILED


def test_importers_and_resolvers_within(tmp_path):
    (tmp_path / "data").mkdir()
    importer = Importer(source_uri=str(tmp_path / "data"), artifact_type=Examples)
    inner = Pipeline(
        "importing", components=[importer], inputs=PipelineInputs(), outputs={"examples": importer.outputs["result"]}
    )
    result = run(tmp_path / "root", inner)
    assert result.outputs["importing"]["examples"][0].uri == str(tmp_path / "data")


def test_order_without_artifacts(tmp_path):
    seven, observer = Number(), Heard()
    inner = adding(seven.outputs["out"])
    before, after = Number(number=1).with_id("Before"), Number(number=2).with_id("After")
    inner.add_upstream_node(before)
    inner.add_downstream_node(after)
    run(tmp_path, seven, inner, before, after, observer=observer)
    order = observer.started
    assert order.index("Before") < order.index("adding") < order.index("adding.Again") < order.index("After")


def test_what_is_wrong_is_said_when_it_is_made(tmp_path):
    seven = Number()
    inner = adding(seven.outputs["out"])
    plus = next(node for node in inner.nodes if node.id == "Plus")
    with pytest.raises(
        WiringError, match=r"depends on 'Plus', which is within the pipeline 'adding': give that outputs"
    ):
        Pipeline("outer", tmp_path, components=[seven, inner, Total(values=plus.outputs["out"])])
    with pytest.raises(WiringError, match="of other PipelineInputs"):
        Pipeline(
            "inner", components=[Plus(value=PipelineInputs({"a": seven.outputs["out"]})["a"])], inputs=PipelineInputs()
        )
    with pytest.raises(WiringError, match=r"outputs\['x'\]: expected a channel of one of the nodes"):
        Pipeline("inner", components=[], inputs=PipelineInputs(), outputs={"x": seven.outputs["out"]})
    with pytest.raises(WiringError, match="depends on 'Number', which is not among the components"):
        Pipeline("inner", components=[Plus(value=seven.outputs["out"])], inputs=PipelineInputs())
    with pytest.raises(WiringError, match="2 nodes are named 'adding'"):
        Pipeline("outer", tmp_path, components=[seven, inner, adding(seven.outputs["out"])])
    with pytest.raises(WiringError, match="max_execution_retries: expected it on the nodes within"):
        retried = adding(seven.outputs["out"]).with_node_execution_options(
            NodeExecutionOptions(max_execution_retries=1)
        )
        Pipeline("outer", tmp_path, components=[seven, retried])
    with pytest.raises(ConfigError, match="received with_id"):
        inner.with_id("other")


def test_wrong_inputs():
    out = Number().outputs["out"]
    with pytest.raises(ConfigError, match="input 'a': expected a channel, received 3"):
        PipelineInputs({"a": 3})
    with pytest.raises(ConfigError, match="'a' in both"):
        PipelineInputs({"a": out}, {"a": out})
    with pytest.raises(KeyError, match="no input 'b'"):
        PipelineInputs({"a": out})["b"]
    assert list(PipelineInputs({"a": out}).inputs) == ["a"]


def test_it_does_not_run_alone(tmp_path):
    seven = Number()
    runner = LocalRunner(observer=Heard())
    with pytest.raises(WiringError, match=r"takes inputs \(value\): it runs only within another pipeline"):
        runner.run(adding(seven.outputs["out"], pipeline_root=str(tmp_path)))
    with Cond(seven.outputs["out"].future()[0].value > 1):
        alone = Pipeline("alone", tmp_path, components=[Number()])
    with pytest.raises(WiringError, match="was made in the block of Cond"):
        runner.run(alone)
    with pytest.raises(WiringError, match="pipeline_root is empty"):
        runner.run(Pipeline("rootless", components=[Number()], inputs=PipelineInputs()))


def test_the_definition_holds_it(tmp_path):
    seven = Number()
    inner = adding(seven.outputs["out"], optional=seven.outputs["out"])
    definition = Pipeline("outer", tmp_path, components=[seven, inner]).to_dict()
    node = next(node for node in definition["nodes"] if node["id"] == "adding")
    source = {"node": "Number", "output": "out"}
    assert node["inputs"] == {"value": [source], "more": [{**source, "optional": True}]}
    assert node["pipeline"]["nodes"][0]["inputs"]["value"] == [{"pipeline_input": "value"}]
    assert node["pipeline"]["outputs"]["result"] == [{"node": "Again", "output": "out"}]


def test_an_empty_pipeline_within(tmp_path):
    assert states(run(tmp_path, Pipeline("empty", components=[], inputs=PipelineInputs()))) == {"empty": "complete"}


def test_a_file_may_define_a_pipeline_and_its_parts(tmp_path):
    file = tmp_path / "nested.py"
    file.write_text(
        "from mlops_tfx import Pipeline, PipelineInputs\n"
        "from tests.unit.control_flow.loop_components import Number\n"
        "innermost = Pipeline('a', components=[Number()], inputs=PipelineInputs())\n"
        "inner = Pipeline('b', components=[innermost], inputs=PipelineInputs())\n"
        "everything = Pipeline('c', 'root', components=[inner])\n",
        encoding="utf-8",
    )
    assert load_pipeline(str(file)).pipeline_name == "c"
    with file.open("a", encoding="utf-8") as opened:
        opened.write("another = Pipeline('d', 'root')\n")
    with pytest.raises(UserCodeError, match="several pipelines"):
        load_pipeline(str(file))


def test_stand_ins_for_nodes_within(tmp_path):
    seven = Number()
    pipeline = Pipeline("outer", tmp_path, components=[seven, adding(seven.outputs["out"])])
    stand_ins = {"adding.Plus": lambda plus: plus.out.write(100)}
    result = LocalRunner(observer=Heard(), stand_ins=stand_ins).run(pipeline)
    assert values(result, "adding", "result") == [110]
    with pytest.raises(ConfigError, match=r"no component 'adding\.Plas'; did you mean 'adding\.Plus'"):
        LocalRunner(observer=Heard(), stand_ins={"adding.Plas": stand_ins["adding.Plus"]}).run(pipeline)
