"""How a component class declares its contract, and what its constructor refuses."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from mlops_tfx.artifacts import Examples, ExampleStatistics, Model, Schema
from mlops_tfx.channel import Channel, union
from mlops_tfx.component import Component, Input, Inputs, OptionalInput, Output, RunContext
from mlops_tfx.config import TrainArgs
from mlops_tfx.errors import ConfigError


class Gen(Component):
    """Makes examples."""

    examples = Output(Examples)
    rows: int = 3


class Stats(Component):
    """Takes examples."""

    examples: Input[Examples]
    schema: OptionalInput[Schema] = OptionalInput()
    statistics = Output(ExampleStatistics)
    exclude_splits: tuple[str, ...] = ()
    args: TrainArgs | None = None


class Merge(Component):
    """Takes many."""

    examples: Inputs[Examples]
    model = Output(Model)
    ratio: float

    def check(self):
        if not 0 <= self.ratio <= 1:
            yield f"expected ratio in [0, 1], received ratio={self.ratio}"


def test_declaration_order_is_the_constructor():
    gen = Gen(5)
    stats = Stats(gen.outputs["examples"], None, ["eval"])
    assert gen.rows == 5
    assert stats.problems == []
    assert stats.exclude_splits == ("eval",)
    assert list(stats.inputs) == ["examples"]
    assert stats.inputs["examples"] is gen.outputs["examples"]
    assert stats.schema is None
    assert stats.outputs["statistics"].type is ExampleStatistics


def test_port_reads_as_channel_while_wiring_and_artifact_while_running():
    gen = Gen()
    stats = Stats(gen.examples)
    assert stats.examples is gen.outputs["examples"]
    examples, statistics = Examples("/in"), ExampleStatistics("/out")
    context = RunContext("p", "r", "Stats", "/tmp")
    bound = stats.bind({"examples": [examples]}, {"statistics": statistics}, context)
    assert bound.examples is examples
    assert bound.statistics is statistics
    assert bound.schema is None
    assert bound.context is context
    assert stats.examples is gen.outputs["examples"], "the component itself is not changed"


def test_many_inputs_are_a_list():
    a, b = Gen().with_id("A"), Gen().with_id("B")
    merge = Merge(union([a.outputs["examples"], b.outputs["examples"]]), 0.5)
    assert [node.id for node in merge.upstream_nodes()] == ["A", "B"]
    first, second = Examples("/1"), Examples("/2")
    assert merge.bind({"examples": [first, second]}, {}, None).examples == [first, second]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Stats(Gen().examples, exclude_spilts=()),
            "unknown argument 'exclude_spilts'; did you mean 'exclude_splits'?",
        ),
        (lambda: Stats(), "input 'examples' (Examples) is missing"),
        (lambda: Stats(Gen()), "input 'examples': expected a channel of Examples, received Gen"),
        (
            lambda: Stats(Stats(Gen().examples).statistics),
            "expected artifacts of type Examples, received Stats.outputs",
        ),
        (lambda: Gen(rows="5"), "parameter 'rows': expected int, received '5'"),
        (lambda: Gen(rows=1.5), "parameter 'rows': expected int, received 1.5"),
        (lambda: Gen(rows=True), "parameter 'rows': expected int, received True"),
        (lambda: Gen(1, 2), "expected at most 1 positional arguments, received 2"),
        (lambda: Gen(1, rows=2), "argument 'rows' is given twice"),
        (lambda: Merge(Gen().examples), "parameter 'ratio' is required"),
        (lambda: Merge(Gen().examples, 2.0), "expected ratio in [0, 1], received ratio=2.0"),
        (lambda: Stats(Gen().examples, exclude_splits="eval"), "parameter 'exclude_splits'"),
        (lambda: Stats(Gen().examples, args={"num_step": 3}), "parameter 'args'"),
    ],
)
def test_wrong_constructor_arguments_are_kept_as_problems(make, message):
    assert any(message in problem for problem in make().problems)


def test_problem_names_the_line_that_made_the_component():
    component = Gen(rows="x")
    file, _, line = component.made_at.rpartition(":")
    assert Path(file).name == Path(__file__).name
    assert Path(__file__).read_text().splitlines()[int(line) - 1].strip() == 'component = Gen(rows="x")'


def test_unknown_output_names_the_near_one():
    with pytest.raises(KeyError, match="Gen has no output 'example'; did you mean 'examples'"):
        Gen().outputs["example"]


def test_union_refuses_mixed_types():
    with pytest.raises(ConfigError, match="ExampleStatistics, Examples"):
        union([Gen().examples, Stats(Gen().examples).statistics])


def test_reserved_name_is_refused_at_the_class():
    with pytest.raises(TypeError, match="'inputs' is used by Component itself"):

        class Bad(Component):
            inputs: int = 1


def test_port_without_artifact_type_is_refused_at_the_class():
    with pytest.raises(TypeError, match=r"expected Input\[<artifact class>\]"):

        class Bad(Component):
            examples: Input[int]


def test_annotation_that_cannot_be_evaluated_names_the_remedy():
    with pytest.raises(TypeError, match="import the name at run time"):

        class Bad(Component):
            examples: Input[NotImported]  # noqa: F821  # the point of the test


def test_inheritance_keeps_and_extends_the_contract():
    class More(Stats):
        """Adds a parameter."""

        limit: int = 7

    more = More(Gen().examples, limit=8)
    assert more.problems == []
    assert more.limit == 8
    assert set(more.outputs) == {"statistics"}
    assert "limit" not in Stats.PARAMETERS


def test_context_outside_run_is_an_error():
    with pytest.raises(RuntimeError, match=r"Gen\.context is only there while the component runs"):
        _ = Gen().context


def test_bound_component_pickles_without_the_graph():
    stats = Stats(Gen().examples, exclude_splits=("eval",))
    bound = stats.bind({"examples": [Examples("/in")]}, {"statistics": ExampleStatistics("/out")}, None)
    copy = pickle.loads(pickle.dumps(bound))
    assert copy.examples.uri == "/in"
    assert copy.statistics.uri == "/out"
    assert copy.exclude_splits == ("eval",)
    assert copy.inputs == {}


def test_channel_query_wires_like_an_output():
    stats = Stats(Channel(type=Examples, producer_component_id="Gen"))
    assert stats.problems == []
    assert stats.upstream_nodes() == []


def test_class_without_run_says_so():
    with pytest.raises(NotImplementedError, match="Gen must define run"):
        Gen().run()
