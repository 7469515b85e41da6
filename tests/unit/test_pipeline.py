"""A pipeline is checked as a whole, and everything wrong is reported at once."""

from __future__ import annotations

import json

import pytest

from mlops_tfx.artifacts import Examples, Model, ModelBlessing, Schema
from mlops_tfx.channel import Channel
from mlops_tfx.component import Component, Input, Output
from mlops_tfx.errors import WiringError
from mlops_tfx.pipeline import Pipeline
from mlops_tfx.resolvers import Importer, LatestBlessedModelStrategy, Resolver


class Gen(Component):
    """Makes examples."""

    examples = Output(Examples)


class Train(Component):
    """Makes a model."""

    examples: Input[Examples]
    model = Output(Model)
    steps: int = 10


class Push(Component):
    """Takes a model."""

    model: Input[Model]


def chain():
    gen = Gen()
    train = Train(gen.examples)
    return gen, train, Push(train.model)


def test_nodes_come_in_topological_order_and_otherwise_as_given():
    gen, train, push = chain()
    other = Gen().with_id("Other")
    pipeline = Pipeline("p", "/root", components=[push, other, train, gen])
    assert [node.id for node in pipeline] == ["Other", "Gen", "Train", "Push"]
    assert pipeline["Train"] is train
    assert pipeline.downstream_of("Gen") == ["Train", "Push"]


def test_task_only_dependency_orders_nodes():
    first, second = Gen().with_id("First"), Gen().with_id("Second")
    first.add_upstream_node(second)
    assert [node.id for node in Pipeline("p", "/root", components=[first, second])] == ["Second", "First"]


def test_all_problems_are_reported_together():
    gen, train, push = chain()
    twin = Train(gen.examples, stepz=3)
    wrong_type = Push(gen.examples).with_id("WrongType")
    missing = Train().with_id("Missing")
    stranger = Push(Train(gen.examples).with_id("Stranger").model).with_id("UsesStranger")
    one, two = Gen().with_id("One"), Gen().with_id("Two")
    one.add_upstream_node(two)
    two.add_upstream_node(one)
    with pytest.raises(WiringError) as caught:
        Pipeline("p" * 64, "", components=[gen, train, push, twin, wrong_type, missing, stranger, one, two])
    problems = "\n".join(caught.value.problems)
    for expected in (
        "at most 63 characters, received 64",
        "pipeline_root is empty",
        "unknown argument 'stepz'; did you mean 'steps'?",
        "input 'model': expected artifacts of type Model, received Gen.outputs['examples'] of type Examples",
        "Missing (",
        "input 'examples' (Examples) is missing",
        "2 nodes are named 'Train'",
        "depends on 'Stranger', which is not among the components",
        "cycle: One -> Two -> One",
    ):
        assert expected in problems, expected
    assert len(caught.value.problems) == 8
    assert __file__ in problems, "each problem names the line that made the node"


def test_pipeline_is_a_value():
    gen, train, push = chain()
    pipeline = Pipeline("p", "/root", components=[gen, train, push])
    again = Pipeline("p", "/root", components=[gen, train, push])
    assert pipeline.to_dict() == again.to_dict()
    with pytest.raises(AttributeError):
        pipeline.pipeline_name = "q"


def test_to_dict_is_plain_json():
    gen, train, push = chain()
    exported = json.loads(json.dumps(Pipeline("p", "/root", components=[gen, train, push]).to_dict()))
    assert exported["nodes"][1] == {
        "id": "Train",
        "type": f"{__name__}.Train",
        "inputs": {"examples": [{"node": "Gen", "output": "examples"}]},
        "outputs": {"model": "Model"},
        "parameters": {"steps": 10},
        "after": [],
        "beam_pipeline_args": [],
    }


def test_unknown_node_names_the_near_one():
    with pytest.raises(KeyError, match="has no node 'Trian'; did you mean 'Train'"):
        Pipeline("p", "/root", components=chain())["Trian"]


def test_component_that_is_no_node():
    with pytest.raises(WiringError, match="expected nodes, received 'x'"):
        Pipeline("p", "/root", components=["x"])


def test_importer_and_resolver_problems():
    with pytest.raises(WiringError) as caught:
        Pipeline(
            "p",
            "/root",
            components=[
                Importer(source_uri="", artifact_type=Schema),
                Importer(source_uri="/x", artifact_type=int).with_id("NoClass"),
                Resolver(strategy_class=LatestBlessedModelStrategy, config={"n": 1}, model=Channel(type=Model)),
                Resolver(strategy_class=int, model=Channel(type=Model)).with_id("NoStrategy"),
                Resolver(model=Model).with_id("NoChannel"),
            ],
        )
    problems = "\n".join(caught.value.problems)
    assert "'source_uri' is empty" in problems
    assert "expected an artifact class, received <class 'int'>" in problems
    assert "LatestBlessedModelStrategy cannot be made from config={'n': 1}" in problems
    assert "expected a ResolverStrategy class" in problems
    assert "input 'model': expected a channel" in problems


def test_latest_blessed_model_is_the_newest_with_a_blessing():
    models = [Model("/m1", id=1), Model("/m3", id=3), Model("/m5", id=5)]
    blessings = [
        ModelBlessing("/b2", id=2, custom_properties={"blessed": 1, "current_model_id": 1}),
        ModelBlessing("/b4", id=4, custom_properties={"blessed": 1, "current_model_id": 3}),
        ModelBlessing("/b6", id=6, custom_properties={"blessed": 0, "current_model_id": 5}),
    ]
    strategy = LatestBlessedModelStrategy()
    chosen = strategy.resolve_artifacts(None, {"model": models, "model_blessing": blessings})
    assert [artifact.id for artifact in chosen["model"]] == [3]
    assert [artifact.id for artifact in chosen["model_blessing"]] == [4]
    passed_over = {"candidate": [models[1]], "model": models, "model_blessing": blessings}
    assert [artifact.id for artifact in strategy.resolve_artifacts(None, passed_over)["model"]] == [1]
    assert strategy.resolve_artifacts(None, {"model": models, "model_blessing": []}) == {
        "model": [],
        "model_blessing": [],
    }
