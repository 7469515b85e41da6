"""Cond and dynamic parameters on a real store: what runs, what is skipped and why, and what the store keeps."""

from __future__ import annotations

from typing import TypedDict

import pytest

from mlops_tfx import Cond, LocalRunner, Pipeline
from mlops_tfx.artifacts import Integer, Model
from mlops_tfx.channel import Channel
from mlops_tfx.component import (
    Component,
    Input,
    OptionalInput,
    OptionalInputs,
    Output,
    Parameter,
    component,
)
from mlops_tfx.errors import ConfigError, PipelineFailedError
from mlops_tfx.execution import NodeState, Observer
from mlops_tfx.execution.explain import explain
from mlops_tfx.execution.reports import reports_of_run
from mlops_tfx.metadata import SKIPPED, ExecutionState, MetadataStore
from mlops_tfx.placeholders import logical_not, logical_or
from mlops_tfx.resolvers import LatestArtifactStrategy, Resolver


class Numbers(TypedDict):
    n: int
    rate: float
    name: str
    config: dict


@component
def Gen(n: Parameter[int] = 3) -> Numbers:
    return {"n": n, "rate": n / 2, "name": f"n{n}", "config": {"layers": [n, 2 * n]}}


class Result(TypedDict):
    result: int


@component
def Double(value: int) -> Result:
    return {"result": 2 * value}


@component
def Add(value: Parameter[int], more: int = 0) -> Result:
    return {"result": value + more}


class Count(Component):
    """Counts the artifacts it gets; none is fine."""

    values: OptionalInputs[Integer] = OptionalInputs()
    one: OptionalInput[Integer] = OptionalInput()
    result = Output(Integer)

    def run(self):
        self.result.write(len(self.values) + 100 * (self.one is not None))


class Consume(Component):
    """Needs a number."""

    value: Input[Integer]
    model = Output(Model)

    def run(self):
        pass


def run(root, *nodes, **kwargs):
    pipeline = Pipeline("conditions", root, components=nodes, **kwargs)
    return LocalRunner(observer=Observer()).run(pipeline), pipeline


def states(result):
    return {report.node_id: report.state.value for report in result.reports}


def value(result, node_id, key="result"):
    return result.outputs[node_id][key][0].read()


def future(channel):
    return channel.future()[0].value


def test_true_condition_runs_and_false_condition_skips(tmp_path):
    gen = Gen(n=3)
    with Cond(future(gen.outputs["n"]) > 2):
        yes = Double(value=gen.outputs["n"]).with_id("Yes")
    with Cond(future(gen.outputs["n"]) > 3):
        no = Double(value=gen.outputs["n"]).with_id("No")
    result, pipeline = run(tmp_path, gen, yes, no)
    assert states(result) == {"Gen": "complete", "Yes": "complete", "No": "skipped"}
    assert value(result, "Yes") == 6
    assert result.reports[2].message == "its condition is false: Gen.outputs['n'].future()[0].value > 3 (3)"
    with MetadataStore(pipeline.metadata_connection_config, read_only=True) as store:
        (skipped,) = store.executions(pipeline_name="conditions", node_id="No")
        (ran,) = store.executions(pipeline_name="conditions", node_id="Yes")
        _, reports = reports_of_run(store, "conditions")
        why = explain(store, "conditions", "No")
    assert skipped.state is ExecutionState.CANCELED
    assert skipped.properties[SKIPPED] == result.reports[2].message
    assert skipped.outputs == {}
    assert [artifact.id for artifact in skipped.inputs["_Gen.n"]] == [result.outputs["Gen"]["n"][0].id]
    assert set(ran.inputs) == {"value", "_Gen.n"}
    assert {report.node_id: report.state for report in reports}["No"] is NodeState.SKIPPED
    assert (why.state, why.summary) == ("SKIPPED", f"skipped: {result.reports[2].message}")


def test_condition_is_no_part_of_the_cache_key(tmp_path):
    for limit, expected in ((2, "complete"), (1, "cached")):
        gen = Gen(n=3)
        with Cond(future(gen.outputs["n"]) > limit):
            double = Double(value=gen.outputs["n"])
        result, _ = run(tmp_path, gen, double)
        assert states(result)["Double"] == expected


def test_nested_conditions_are_decided_from_the_outside(tmp_path):
    gen = Gen(n=3)
    with Cond(future(gen.outputs["n"]) == 4):
        inner_gen = Gen(n=5).with_id("Inner")
        # Inner never ran: its value may only be asked for where the outer condition holds.
        with Cond(future(inner_gen.outputs["n"]) == 5):
            leaf = Double(value=gen.outputs["n"])
    result, _ = run(tmp_path, gen, inner_gen, leaf)
    assert states(result) == {"Gen": "complete", "Inner": "skipped", "Double": "skipped"}
    assert result.reports[2].message == "its condition is false: Gen.outputs['n'].future()[0].value == 4 (3)"


def test_both_of_two_nested_conditions_must_hold(tmp_path):
    gen = Gen(n=3)
    with Cond(future(gen.outputs["n"]) == 3):
        with Cond(logical_not(future(gen.outputs["name"]) == "n4")):
            both = Double(value=gen.outputs["n"]).with_id("Both")
        with Cond(logical_or(future(gen.outputs["rate"]) > 1.5, future(gen.outputs["name"]) < "n")):
            one = Double(value=gen.outputs["n"]).with_id("One")
    result, _ = run(tmp_path, gen, both, one)
    assert states(result) == {"Gen": "complete", "Both": "complete", "One": "skipped"}
    assert result.reports[2].message.endswith("(1.5, 'n3')")


def test_duplicate_nested_condition_is_refused():
    gen = Gen()
    with (
        pytest.raises(ConfigError, match=r"duplicate predicates: Gen\.outputs\['n'\]\.future\(\)\[0\]\.value > 3"),
        Cond(future(gen.outputs["n"]) > 3),
        Cond(future(gen.outputs["n"]) > 3),
    ):
        pass
    with Cond(future(gen.outputs["n"]) > 3):
        pass
    with Cond(future(gen.outputs["n"]) > 3), Cond(future(gen.outputs["n"]) > 4):
        pass


def test_a_block_that_is_left_by_an_error_is_closed():
    gen = Gen()
    with pytest.raises(RuntimeError), Cond(future(gen.outputs["n"]) > 3):
        raise RuntimeError
    assert Gen().scopes == ()


@pytest.mark.parametrize("wrong", [True, 3, "x", None])
def test_condition_that_is_no_predicate_is_refused(wrong):
    with pytest.raises(ConfigError, match="expected a condition such as"):
        Cond(wrong)


def test_consumer_of_a_skipped_node_is_skipped_unless_its_input_is_optional(tmp_path):
    gen, other = Gen(n=3), Gen(n=4).with_id("Other")
    with Cond(future(gen.outputs["n"]) > 3):
        skipped = Double(value=gen.outputs["n"]).with_id("Skipped")
    needs = Consume(value=skipped.outputs["result"])
    after = Consume(value=gen.outputs["n"]).with_id("After")
    after.add_upstream_node(needs)
    counts = Count(values=[skipped.outputs["result"], other.outputs["n"]], one=skipped.outputs["result"])
    empty = Count(values=skipped.outputs["result"]).with_id("Empty")
    result, _ = run(tmp_path, gen, other, skipped, needs, after, counts, empty)
    assert states(result) == {
        "Gen": "complete", "Other": "complete", "Skipped": "skipped", "Consume": "skipped", "After": "complete",
        "Count": "complete", "Empty": "complete",
    }  # fmt: skip
    assert (value(result, "Count"), value(result, "Empty")) == (1, 0)
    reasons = {report.node_id: report.message for report in result.reports}
    assert reasons["Consume"] == "its input 'value' needs Skipped, which was skipped"


def test_conditions_and_parameters_that_need_a_skipped_node_skip(tmp_path):
    gen = Gen(n=3)
    with Cond(future(gen.outputs["n"]) > 3):
        skipped = Double(value=gen.outputs["n"]).with_id("Skipped")
    with Cond(future(skipped.outputs["result"]) > 0):
        asks = Double(value=gen.outputs["n"]).with_id("Asks")
    takes = Add(value=future(skipped.outputs["result"]))
    chosen = Resolver(strategy_class=LatestArtifactStrategy, number=skipped.outputs["result"])
    uses = Consume(value=chosen.outputs["number"])
    result, _ = run(tmp_path, gen, skipped, asks, takes, chosen, uses)
    reasons = {report.node_id: report.message for report in result.reports if report.state is NodeState.SKIPPED}
    assert set(reasons) == {"Skipped", "Asks", "Add", "Resolver", "Consume"}
    assert reasons["Asks"].endswith("needs Skipped, which was skipped")
    assert reasons["Add"] == "its parameters need Skipped, which was skipped"
    assert reasons["Resolver"] == "its input 'number' needs Skipped, which was skipped"


def test_condition_that_cannot_be_decided_fails_the_node_and_the_run(tmp_path):
    gen = Gen(n=3)
    with Cond(future(gen.outputs["name"]) > 3):
        double = Double(value=gen.outputs["n"])
    with pytest.raises(PipelineFailedError, match=r"cannot be decided: 'n3' > 3") as raised:
        run(tmp_path, gen, double)
    assert raised.value.skipped == ()


def test_failure_blocks_and_condition_skips_side_by_side(tmp_path):
    gen = Gen(n=3)
    broken = Add(value=future(gen.outputs["name"])).with_id("Broken")
    with Cond(future(gen.outputs["n"]) > 3):
        skipped = Double(value=broken.outputs["result"]).with_id("Blocked")
        aside = Double(value=gen.outputs["n"]).with_id("Aside")
    with pytest.raises(PipelineFailedError) as raised:
        run(tmp_path, gen, broken, skipped, aside)
    assert [failure.node_id for failure in raised.value.failures] == ["Broken"]
    assert raised.value.skipped == ("Blocked",)


def test_condition_over_the_history_of_earlier_runs(tmp_path):
    run(tmp_path, Gen(n=7))
    history = Channel(Integer, producer_component_id="Gen", output_key="n")
    gen = Gen(n=1)
    with Cond(future(history) == 7):
        double = Double(value=gen.outputs["n"])
    double.add_upstream_node(gen)
    with Cond(future(history) == 7):
        first = Add(value=1)
    gen.add_upstream_node(first)
    result, _ = run(tmp_path, first, gen, double)
    assert states(result) == {"Add": "complete", "Gen": "complete", "Double": "skipped"}


def test_dynamic_parameter_also_when_the_channel_is_an_input(tmp_path):
    """TFX fails here: 'Cannot find input artifact to resolve dynamic exec property', and returns normally."""
    gen = Gen(n=3)
    add = Add(value=future(gen.outputs["n"]), more=gen.outputs["n"])
    result, pipeline = run(tmp_path, gen, add)
    assert value(result, "Add") == 6
    with MetadataStore(pipeline.metadata_connection_config, read_only=True) as store:
        (record,) = store.executions(pipeline_name="conditions", node_id="Add")
    assert record.properties["value"] == 3
    assert set(record.inputs) == {"more", "_Gen.n"}


def test_value_of_a_dynamic_parameter_is_part_of_the_cache_key(tmp_path):
    seen = []
    for n in (3, 4, 3):
        gen = Gen(n=n)
        add = Add(value=future(gen.outputs["config"])["layers"][1])
        result, _ = run(tmp_path, gen, add)
        seen.append((states(result)["Add"], value(result, "Add")))
    assert seen == [("complete", 6), ("complete", 8), ("cached", 6)]


def test_dynamic_parameter_of_another_type_fails_with_the_declared_one(tmp_path):
    gen = Gen(n=3)
    with pytest.raises(PipelineFailedError, match=r"parameter 'value': expected int, received 1\.5"):
        run(tmp_path, gen, Add(value=future(gen.outputs["rate"])))


def test_definition_shows_conditions_and_placeholders(tmp_path):
    gen = Gen(n=3)
    with Cond(future(gen.outputs["n"]) > 3):
        add = Add(value=future(gen.outputs["n"]))
    definition = Pipeline("conditions", tmp_path, components=[gen, add]).to_dict()["nodes"][1]
    assert definition["scopes"] == ["Cond(Gen.outputs['n'].future()[0].value > 3)"]
    assert definition["parameters"]["value"] == {"__placeholder__": "Gen.outputs['n'].future()[0].value"}
    assert definition["after"] == ["Gen"]
