"""ForEach on a real store: none, one and many elements; nested; conditions; failures; the cache; what is recorded."""

from __future__ import annotations

import itertools
import os
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_tfx import Cond, ForEach, LocalRunner, Pipeline
from mlops_tfx.artifacts import Examples, Integer
from mlops_tfx.channel import Channel, Loopable, union
from mlops_tfx.component import Component, Input, Output
from mlops_tfx.errors import ConfigError, PipelineFailedError, SkipSignal, WiringError
from mlops_tfx.execution.explain import explain
from mlops_tfx.execution.reports import reports_of_run
from mlops_tfx.metadata import ExecutionState, MetadataStore
from mlops_tfx.node_options import NodeExecutionOptions
from mlops_tfx.resolvers import functions
from tests.unit.control_flow.loop_components import Heard, Number, Numbers, Plus, Total, loop_over, states, values


def run(root, *nodes, observer=None, parallel=None, **kwargs):
    pipeline = Pipeline("loops", root, components=nodes, **kwargs)
    return LocalRunner(max_parallel_nodes=parallel, observer=observer or Heard()).run(pipeline)


def chain(numbers, **plus):
    """Numbers, in a loop Plus and Plus again, outside Total of what both wrote."""
    source, loop = loop_over(numbers)
    with loop as number:
        first = Plus(value=number, **plus).with_id("First")
        second = Plus(value=first.outputs["out"], add=10).with_id("Second")
    total = Total(values=second.outputs["out"], more=first.outputs["out"])
    return source, first, second, total


def test_every_node_of_the_block_runs_once_per_element_and_outside_is_the_list(tmp_path):
    result = run(tmp_path, *chain([1, 2, 3]))
    assert values(result, "First") == [2, 3, 4]
    assert values(result, "Second") == [12, 13, 14]
    assert values(result, "Total") == [121314020304]
    assert values(result, "Second[1]") == [13]
    assert list(states(result)) == [
        "Numbers", "First", "First[0]", "First[1]", "First[2]",
        "Second", "Second[0]", "Second[1]", "Second[2]", "Total",
    ]  # fmt: skip
    assert set(states(result).values()) == {"complete"}


def test_one_element_fits_an_input_that_takes_one(tmp_path):
    source = Numbers(numbers=[5])
    with ForEach(source.outputs["out"]) as number:
        inner = Plus(value=number).with_id("Inner")
    outer = Plus(value=inner.outputs["out"]).with_id("Outer")
    assert values(run(tmp_path, source, inner, outer), "Outer") == [7]


def test_several_elements_do_not_fit_an_input_that_takes_one(tmp_path):
    source = Numbers(numbers=[5, 6])
    with ForEach(source.outputs["out"]) as number:
        inner = Plus(value=number).with_id("Inner")
    outer = Plus(value=inner.outputs["out"]).with_id("Outer")
    with pytest.raises(PipelineFailedError, match=r"Outer.*expected one Integer, received 2"):
        run(tmp_path, source, inner, outer)


def test_without_elements_the_block_and_what_needs_it_is_skipped(tmp_path):
    result = run(tmp_path, *chain([]))
    assert states(result) == {"Numbers": "complete", "First": "skipped", "Second": "skipped", "Total": "skipped"}
    with MetadataStore(Pipeline("loops", tmp_path, components=[]).metadata_connection_config) as store:
        reasons = {r.node_id: r.message for r in reports_of_run(store, "loops")[1]}
    assert "has no elements" in reasons["First"]


def test_more_than_one_element_is_no_failure_unlike_tfx_and_a_failure_ends_the_run(tmp_path):
    # TFX 1.16: "Handling more than one input dicts not implemented yet", and run() returns normally.
    assert values(run(tmp_path, *chain([1, 2])), "Total") == [12130203]
    with pytest.raises(PipelineFailedError):
        run(tmp_path, *chain([1, 2, 4], fail_at=4, folder=str(tmp_path)))


def test_nested_loops_are_the_product_in_order(tmp_path):
    left, right = Numbers(numbers=[1, 2]).with_id("Left"), Numbers(numbers=[3, 4, 5]).with_id("Right")
    with ForEach(left.outputs["out"]) as a:
        with ForEach(right.outputs["out"]) as b:
            both = Plus(value=b, more=a, add=0).with_id("Both")
        per_left = Total(values=both.outputs["out"])
    total = Total(values=both.outputs["out"]).with_id("All")
    result = run(tmp_path, left, right, both, per_left, total)
    assert values(result, "Both") == [1003, 1004, 1005, 2003, 2004, 2005]
    assert values(result, "Both[0]") == [1003, 1004, 1005]
    assert values(result, "Both[1][2]") == [2005]
    assert values(result, "Total[1]") == [2003 * 10000 + 2004 * 100 + 2005]
    assert states(result)["Both[1][2]"] == "complete"
    with MetadataStore(Pipeline("loops", tmp_path, components=[]).metadata_connection_config) as store:
        records = store.executions("loops", node_id="Both")
        assert sorted(tuple(r.properties["loop_index"]) for r in records) == [(i, j) for i in (0, 1) for j in (0, 1, 2)]
        lefts = [artifact.id for artifact in result.outputs["Left"]["out"]]
        rights = [artifact.id for artifact in result.outputs["Right"]["out"]]
        for record in records:
            i, j = record.properties["loop_index"]
            assert record.properties["loop_element"] == {"element": [lefts[i], rights[j]]}
            assert record.label == f"Both[{i}][{j}]"


def test_a_loop_over_what_a_loop_wrote_and_back_in_again(tmp_path):
    source = Numbers(numbers=[1, 2])
    with ForEach(source.outputs["out"]) as number:
        inner = Plus(value=number).with_id("Inner")
    with ForEach(inner.outputs["out"]) as other:
        again = Plus(value=other).with_id("Again")
    total = Total(values=again.outputs["out"])
    assert values(run(tmp_path, source, inner, again, total), "Total") == [304]


def test_a_node_of_the_block_may_take_what_all_elements_gave(tmp_path):
    source = Numbers(numbers=[1, 2])
    with ForEach(source.outputs["out"]) as number:
        first = Plus(value=number).with_id("First")
        total = Total(values=first.outputs["out"])  # within the block: of this element
    outside = Total(values=first.outputs["out"]).with_id("Outside")
    with ForEach(source.outputs["out"]) as number:
        late = Plus(value=number, more=outside.outputs["out"]).with_id("Late")
    result = run(tmp_path, source, first, total, outside, late)
    assert values(result, "Total") == [2, 3]
    assert values(result, "Late") == [203002, 203003]


def test_a_condition_in_a_loop_is_asked_for_each_element(tmp_path):
    source = Numbers(numbers=[1, 5, 2, 6])
    with ForEach(source.outputs["out"]) as number:
        doubled = Plus(value=number, add=100).with_id("Doubled")
        with Cond(doubled.outputs["out"].future()[0].value > 103):
            chosen = Plus(value=number).with_id("Chosen")
        with Cond(number.future()[0].value > 1000):
            never = Plus(value=number).with_id("Never")
    total = Total(values=chosen.outputs["out"])
    after = Total(values=never.outputs["out"]).with_id("After")
    result = run(tmp_path, source, doubled, chosen, never, total, after)
    assert values(result, "Chosen") == [6, 7]
    assert values(result, "Total") == [607]
    assert [states(result)[f"Chosen[{i}]"] for i in range(4)] == ["skipped", "complete", "skipped", "complete"]
    assert (states(result)["Chosen"], states(result)["Never"], states(result)["After"]) == (
        "complete", "skipped", "skipped",
    )  # fmt: skip


@pytest.mark.parametrize("threshold", [3, 8])
def test_a_loop_in_a_condition_runs_for_all_elements_or_not_at_all(tmp_path, threshold):
    gate, source = Number(number=7), Numbers(numbers=[1, 2])
    with Cond(gate.outputs["out"].future()[0].value > threshold), ForEach(source.outputs["out"]) as number:
        inner = Plus(value=number).with_id("Inner")
    total = Total(values=inner.outputs["out"])
    result = run(tmp_path, gate, source, inner, total)
    if threshold == 3:
        assert values(result, "Total") == [203]
        return
    assert (states(result)["Inner"], states(result)["Total"]) == ("skipped", "skipped")
    assert "Inner[0]" not in states(result)
    with MetadataStore(Pipeline("loops", tmp_path, components=[]).metadata_connection_config) as store:
        assert "its condition is false" in explain(store, "loops", "Inner").summary


def test_elements_run_side_by_side_up_to_the_runners_limit(tmp_path):
    meeting, at_once, most = threading.Barrier(3), [], []

    class Meets(Component):
        """Waits until three of it run."""

        value: Input[Integer]
        out = Output(Integer)

        def run(self):
            at_once.append(1)
            most.append(len(at_once))
            meeting.wait(timeout=60)
            self.out.write(0)
            at_once.pop()

    source = Numbers(numbers=list(range(6)))
    with ForEach(source.outputs["out"]) as number:
        meets = Meets(value=number)
    run(tmp_path, source, meets, parallel=3)
    assert max(most) == 3


def test_only_the_element_that_changed_runs_again(tmp_path):
    run(tmp_path, *chain([1, 2, 3]))
    result = run(tmp_path, *chain([1, 9, 3, 4]))
    expected = ["cached", "complete", "cached", "complete"]
    assert [states(result)[f"First[{i}]"] for i in range(4)] == expected
    assert [states(result)[f"Second[{i}]"] for i in range(4)] == expected
    assert states(result)["First"] == "complete"
    assert values(result, "Second") == [12, 20, 14, 15]
    again = run(tmp_path, *chain([1, 9, 3, 4]))
    assert set(states(again).values()) == {"cached"}


def test_one_element_fails_the_others_end_and_nothing_outside_starts(tmp_path):
    nodes = chain([1, 2, 3], fail_at=2, folder=str(tmp_path))
    observer = Heard()
    with pytest.raises(PipelineFailedError) as caught:
        run(tmp_path, *nodes, observer=observer)
    assert [failure.node_id for failure in caught.value.failures] == ["First[1]"]
    assert "2 is not wanted" in str(caught.value)
    assert caught.value.skipped == ("Second", "Second[1]", "Total")
    ended = {name: report.state.value for name, report in observer.ended.items()}
    assert [ended[f"Second[{i}]"] for i in range(3)] == ["complete", "skipped", "complete"]
    assert (ended["First"], ended["Second"], ended["Total"]) == ("failed", "skipped", "skipped")
    assert "First[1]" in observer.ended["First"].message
    # Resumed: only what is missing runs.
    (tmp_path / "repaired").touch()
    result = run(tmp_path, *chain([1, 2, 3], fail_at=2, folder=str(tmp_path)))
    assert values(result, "Total") == [121314020304]
    assert [states(result)[f"Second[{i}]"] for i in range(3)] == ["cached", "complete", "cached"]


def test_an_element_may_fail_where_success_is_optional(tmp_path):
    nodes = chain([1, 2, 3], fail_at=2, folder=str(tmp_path))
    nodes[1].with_node_execution_options(NodeExecutionOptions(success_optional=True))
    result = run(tmp_path, *nodes)
    assert values(result, "Second") == [12, 14]
    assert [states(result)[f"First[{i}]"] for i in range(3)] == ["complete", "failed", "complete"]
    assert values(result, "Total") == [12140204]


def test_what_a_failed_node_should_have_given_to_the_loop(tmp_path):
    broken = Plus(value=Number().with_id("Seven").outputs["out"], fail_at=7, folder=str(tmp_path)).with_id("Broken")
    with ForEach(broken.outputs["out"]) as number:
        inner = Plus(value=number).with_id("Inner")
    seven = next(iter(broken.inputs["value"].producers()))
    with pytest.raises(PipelineFailedError) as caught:
        run(tmp_path, seven, broken, inner)
    assert caught.value.skipped == ("Inner",)


def test_a_loop_over_artifacts_of_earlier_runs(tmp_path):
    for number in (1, 2):
        run(tmp_path, Number(number=number))
    with ForEach(Channel(type=Integer, producer_component_id="Number", output_key="out")) as number:
        inner = Plus(value=number).with_id("Inner")
    assert values(run(tmp_path, inner), "Inner") == [3, 2]


class Pairs(Loopable):
    """Neighbours by name."""

    def __init__(self, channel, error=None):
        self.channel, self.error = channel, error

    def loop_types(self):
        return {"left": Integer, "right": Integer}

    def producers(self):
        return self.channel.producers()

    def loop_elements(self, source):
        if self.error:
            raise self.error
        found = self.channel.find(source)
        return [{"left": [a], "right": [b]} for a, b in itertools.pairwise(found)]


def pairs(source, error=None):
    with ForEach(Pairs(source.outputs["out"], error)) as pair:
        return Plus(value=pair["left"], more=pair["right"]).with_id("Pair")


def test_elements_that_hold_artifacts_by_name(tmp_path):
    source = Numbers(numbers=[1, 2, 3])
    result = run(tmp_path, source, pairs(source))
    assert values(result, "Pair") == [2002, 3003]
    ids = [artifact.id for artifact in result.outputs["Numbers"]["out"]]
    with MetadataStore(Pipeline("loops", tmp_path, components=[]).metadata_connection_config) as store:
        second = next(r for r in store.executions("loops", node_id="Pair") if r.properties["loop_index"] == [1])
    assert second.properties["loop_element"] == {"left": [ids[1]], "right": [ids[2]]}


@pytest.mark.parametrize("error", [ConfigError("no pairs today"), SystemExit("no pairs today")])
def test_elements_that_cannot_be_had_are_a_failure_in_the_store_and_on_the_screen(tmp_path, error):
    source = Numbers(numbers=[1, 2, 3])
    with pytest.raises(PipelineFailedError, match="no pairs today"):
        run(tmp_path, source, pairs(source, error))
    with MetadataStore(Pipeline("loops", tmp_path, components=[]).metadata_connection_config) as store:
        (record,) = store.executions("loops", node_id="Pair")
    assert record.state is ExecutionState.FAILED
    assert "no pairs today" in record.error


def test_a_resolver_function_may_skip_the_loop(tmp_path):
    source = Numbers(numbers=[1, 2, 3])
    result = run(tmp_path, source, pairs(source, SkipSignal("not enough spans")))
    assert states(result)["Pair"] == "skipped"
    assert next(r.message for r in result.reports if r.node_id == "Pair") == "not enough spans"


def test_windows_and_pairs_of_resolver_functions(tmp_path):
    source = Numbers(numbers=[1, 2, 3, 4])
    with ForEach(functions.sliding_window(source.outputs["out"], window_size=2, stride=2)) as window:
        total = Total(values=window)
    spans = [Spanned(span=span).with_id(f"Span{span}") for span in (3, 5)]
    others = [Spanned(span=span).with_id(f"Other{span}") for span in (5, 3)]
    channels = {"left": union([s.outputs["out"] for s in spans]), "right": union([o.outputs["out"] for o in others])}
    with ForEach(functions.paired_spans(channels, match_version=False)) as pair:
        left, right = Span(of=pair["left"]).with_id("LeftSpan"), Span(of=pair["right"]).with_id("RightSpan")
    result = run(tmp_path, source, total, *spans, *others, left, right)
    assert values(result, "Total") == [102, 304]
    assert values(result, "LeftSpan") == values(result, "RightSpan") == [3, 5]
    assert values(result, "LeftSpan[1]") == [5]


class Spanned(Component):
    """Makes examples of a span."""

    span: int
    out = Output(Examples)

    def run(self):
        self.out.custom_properties["span"] = self.span
        with open(os.path.join(self.out.uri, "data"), "w", encoding="utf-8") as file:
            file.write(str(self.span))


class Span(Component):
    """Writes the span of what it gets."""

    of: Input[Examples]
    out = Output(Integer)

    def run(self):
        self.out.write(self.of.custom_properties["span"])


def test_the_element_may_only_be_used_in_its_block(tmp_path):
    source = Numbers(numbers=[1])
    with ForEach(source.outputs["out"]) as number:
        inner = Plus(value=number).with_id("Inner")
    stray = Plus(value=number).with_id("Stray")
    with pytest.raises(WiringError, match=r"Stray.*outside of its block"):
        Pipeline("loops", tmp_path, components=[source, inner, stray])
    with ForEach(source.outputs["out"]) as other, Cond(number.future()[0].value > 1):
        asks = Plus(value=other).with_id("Asks")
    with pytest.raises(WiringError, match=r"Asks.*outside of its block"):
        Pipeline("loops", tmp_path, components=[source, inner, asks])


def test_wrong_uses():
    with pytest.raises(ConfigError, match="expected a channel to go through, received 3"):
        ForEach(3)
    with pytest.raises(ConfigError, match="pass one of its outputs"):
        ForEach(Numbers(numbers=[1]))
    loop = ForEach(Numbers(numbers=[1]).outputs["out"])
    with loop:
        pass
    with pytest.raises(ConfigError, match="has its block already"), loop:
        pass


def test_the_definition_holds_the_loops(tmp_path):
    source = Numbers(numbers=[1])
    with ForEach(source.outputs["out"]) as a, ForEach(source.outputs["out"]) as b:
        inner = Plus(value=b, more=a).with_id("Inner")
    nodes = {node["id"]: node for node in Pipeline("loops", tmp_path, components=[source, inner]).to_dict()["nodes"]}
    over = [{"node": "Numbers", "output": "out"}]
    assert nodes["Inner"]["scopes"] == [{"loop": 1, "for_each": over}, {"loop": 2, "for_each": over}]
    assert nodes["Inner"]["inputs"] == {"value": [{"element_of_loop": 2}], "more": [{"element_of_loop": 1}]}


def test_names_in_the_display(tmp_path):
    observer = Heard()
    run(tmp_path, *chain([1, 2]), observer=observer)
    assert observer.started.index("First") < observer.started.index("First[0]")
    assert set(observer.started) == set(observer.ended) == {
        "Numbers", "First", "First[0]", "First[1]", "Second", "Second[0]", "Second[1]", "Total",
    }  # fmt: skip


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(outer=st.lists(st.integers(0, 9), max_size=3), inner=st.lists(st.integers(0, 9), max_size=3))
def test_a_product_equals_the_straight_loop(tmp_path_factory, outer, inner):
    (left, lefts), (right, rights) = loop_over(outer, "Left"), loop_over(inner, "Right")
    with lefts as a, rights as b:
        both = Plus(value=a, more=b, add=0).with_id("Both")
    result = run(tmp_path_factory.mktemp("product"), left, right, both)
    expected = [a + 1000 * b for a in outer for b in inner]
    if expected:
        assert values(result, "Both") == expected
    assert (states(result)["Both"] == "skipped") == (not expected)
