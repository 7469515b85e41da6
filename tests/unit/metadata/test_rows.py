"""The rows in the store, read by a plain ml_metadata client: TFX 1.16's shape, word by word."""

from __future__ import annotations

import json
import uuid
from typing import ClassVar

import pytest

from mlops_tfx.artifacts import STANDARD_TYPES, Artifact, Examples, Model, Property, PropertyType, Schema
from mlops_tfx.errors import MetadataError
from mlops_tfx.metadata import ExecutionState
from tests.unit.metadata.conftest import make_node

KEY = "a" * 64


@pytest.fixture
def finished(store):
    """A generator and a trainer that took two of its artifacts, one of them twice."""
    first, second, schema = Examples("/e/1"), Examples("/e/2"), Schema("/s")
    first.span, first.version, first.splits = 7, 2, ["train", "eval"]
    first.custom_properties.update(content_digest="c0ffee", rows=12)
    gen = make_node("gen", type_name="mlops_tfx.components.csv_example_gen.CsvExampleGen", base_type="Process")
    gen_id = store.begin(gen, inputs={}, properties={"delimiter": ","}, cache_key=KEY)
    store.finish(gen_id, gen, {"examples": [first, second], "schema": [schema]}, {"rows_written": 12})
    trainer = make_node("trainer", type_name="a.Trainer", base_type="Train")
    inputs = {"examples": [first, second], "baseline": [second]}
    trainer_id = store.begin(trainer, inputs=inputs, properties={}, cache_key="b" * 64)
    model = Model("/m")
    store.finish(trainer_id, trainer, {"model": [model]})
    return gen_id, trainer_id, (first, second, schema, model)


def contexts_by_type(plain, execution_id):
    return {context.type: context for context in plain.get_contexts_by_execution(execution_id)}


def paths(event):
    return [step.key if step.WhichOneof("value") == "key" else step.index for step in event.path.steps]


def test_contexts_have_tfxs_types_names_and_parents(plain, finished):
    gen_id, _, _ = finished
    contexts = contexts_by_type(plain, gen_id)
    assert {kind: context.name for kind, context in contexts.items()} == {
        "pipeline": "flights",
        "pipeline_run": "run-1",
        "node": "flights.gen",
        "execution_cache": KEY,
    }
    assert all(not context.properties and not context.custom_properties for context in contexts.values())
    parents = {kind: [p.name for p in plain.get_parent_contexts_by_context(c.id)] for kind, c in contexts.items()}
    assert parents == {"pipeline": [], "pipeline_run": ["flights"], "node": [], "execution_cache": []}
    assert all(not plain.get_context_type(kind).properties for kind in contexts)


def test_contexts_are_shared_by_the_nodes_of_a_run(plain, finished):
    gen_id, trainer_id, _ = finished
    one, other = contexts_by_type(plain, gen_id), contexts_by_type(plain, trainer_id)
    assert [one[kind].id == other[kind].id for kind in ("pipeline", "pipeline_run", "node", "execution_cache")] == [
        True,
        True,
        False,
        False,
    ]
    assert len(plain.get_contexts()) == 6


def test_executions_have_type_base_type_name_and_state(plain, finished):
    from ml_metadata.proto import metadata_store_pb2 as pb

    gen_id, trainer_id, _ = finished
    gen, trainer = plain.get_executions_by_id([gen_id, trainer_id])
    gen_type, trainer_type = plain.get_execution_types_by_id([gen.type_id, trainer.type_id])
    assert gen_type.name == "mlops_tfx.components.csv_example_gen.CsvExampleGen"
    assert (gen_type.base_type, trainer_type.base_type) == (pb.ExecutionType.PROCESS, pb.ExecutionType.TRAIN)
    assert not gen_type.properties
    assert not gen.properties
    assert str(uuid.UUID(gen.name, version=4)) == gen.name
    assert gen.name != trainer.name
    assert gen.last_known_state == pb.Execution.COMPLETE
    assert gen.custom_properties["delimiter"].string_value == ","
    assert gen.custom_properties["rows_written"].int_value == 12


def test_a_begun_execution_is_running_and_linked_to_its_inputs_only(store, plain, finished):
    from ml_metadata.proto import metadata_store_pb2 as pb

    first = finished[2][0]
    running = store.begin(make_node("next"), inputs={"examples": [first]}, properties={}, cache_key=None)
    assert plain.get_executions_by_id([running])[0].last_known_state == pb.Execution.RUNNING
    (event,) = plain.get_events_by_execution_ids([running])
    assert (event.type, event.artifact_id, paths(event)) == (pb.Event.INPUT, first.id, ["examples", 0])
    assert "execution_cache" not in contexts_by_type(plain, running)


def test_exec_properties_are_stored_with_tfxs_schemas(store, plain):
    properties = {
        "steps": 3,
        "rate": 0.5,
        "name": "x",
        "flag": True,
        "items": ["a", "b"],
        "flags": [True, False],
        "table": {"b": 1, "a": 2},
        "pair": (1, 2),
        "empty": [],
        "absent": None,
    }
    execution_id = store.begin(make_node(), inputs={}, properties=properties, cache_key=None)
    stored = plain.get_executions_by_id([execution_id])[0].custom_properties
    assert stored["steps"].int_value == 3
    assert stored["rate"].double_value == 0.5
    assert stored["name"].string_value == "x"
    assert stored["flag"].string_value == "true"
    assert stored["items"].string_value == '["a", "b"]'
    assert stored["table"].string_value == '{"a": 2, "b": 1}'
    schemas = {name: json.loads(v.string_value) for name, v in stored.items() if name.startswith("__schema__")}
    assert schemas == {
        "__schema__flag__": {"value_type": {"boolean_type": {}}},
        "__schema__items__": {"value_type": {"list_type": {}}},
        "__schema__flags__": {"value_type": {"list_type": {"boolean_type": {}}}},
        "__schema__table__": {"value_type": {"dict_type": {}}},
        "__schema__pair__": {"value_type": {"list_type": {}}},
        "__schema__empty__": {"value_type": {"list_type": {}}},
    }
    assert "absent" not in stored


def test_artifacts_have_type_state_and_properties(plain, finished):
    from ml_metadata.proto import metadata_store_pb2 as pb

    first, _, schema, model = finished[2]
    examples_row, schema_row, model_row = plain.get_artifacts_by_id([first.id, schema.id, model.id])
    assert (examples_row.type, schema_row.type, model_row.type) == ("Examples", "Schema", "Model")
    assert (examples_row.uri, examples_row.name, examples_row.state) == ("/e/1", "", pb.Artifact.LIVE)
    assert examples_row.properties["span"].int_value == 7
    assert examples_row.properties["version"].int_value == 2
    assert examples_row.properties["split_names"].string_value == '["train", "eval"]'
    custom = examples_row.custom_properties
    assert custom["content_digest"].string_value == "c0ffee"
    assert custom["rows"].int_value == 12
    assert custom["is_external"].int_value == 0
    major, minor = custom["tfx_version"].string_value.split(".")[:2]
    assert (int(major), int(minor)) >= (0, 29)


def test_publishing_sets_id_state_and_properties_on_the_artifact_itself(store, finished):
    first = finished[2][0]
    assert first.id > 0
    assert first.state == 2
    (found,) = [a for a in store.artifacts_of_type(Examples) if a.id == first.id]
    assert (found.uri, found.properties, found.custom_properties) == (
        first.uri,
        first.properties,
        first.custom_properties,
    )
    assert type(found) is Examples


def test_events_carry_key_and_index_and_one_event_carries_all_places(plain, finished):
    from ml_metadata.proto import metadata_store_pb2 as pb

    gen_id, trainer_id, (first, second, schema, model) = finished
    gen_events = {e.artifact_id: (e.type, paths(e)) for e in plain.get_events_by_execution_ids([gen_id])}
    assert gen_events == {
        first.id: (pb.Event.OUTPUT, ["examples", 0]),
        second.id: (pb.Event.OUTPUT, ["examples", 1]),
        schema.id: (pb.Event.OUTPUT, ["schema", 0]),
    }
    trainer_events = {e.artifact_id: (e.type, paths(e)) for e in plain.get_events_by_execution_ids([trainer_id])}
    assert trainer_events == {
        first.id: (pb.Event.INPUT, ["examples", 0]),
        second.id: (pb.Event.INPUT, ["examples", 1, "baseline", 0]),
        model.id: (pb.Event.OUTPUT, ["model", 0]),
    }


def test_inputs_and_outputs_are_attributed_to_all_contexts(plain, finished):
    gen_id, trainer_id, (first, second, schema, model) = finished
    gen, trainer = contexts_by_type(plain, gen_id), contexts_by_type(plain, trainer_id)

    def attributed(context):
        return {artifact.id for artifact in plain.get_artifacts_by_context(context.id)}

    assert attributed(gen["pipeline"]) == {first.id, second.id, schema.id, model.id}
    assert attributed(gen["pipeline_run"]) == {first.id, second.id, schema.id, model.id}
    assert attributed(gen["node"]) == {first.id, second.id, schema.id}
    assert attributed(trainer["node"]) == {first.id, second.id, model.id}
    assert attributed(gen["execution_cache"]) == {first.id, second.id, schema.id}
    # The trainer's cache context is made in begin(), with the inputs; finish() adds the outputs.
    assert attributed(trainer["execution_cache"]) == {first.id, second.id, model.id}


def test_cached_and_internal_outputs_link_what_is_there(store, plain, finished):
    from ml_metadata.proto import metadata_store_pb2 as pb

    first = finished[2][0]
    before = len(plain.get_artifacts())
    first.custom_properties["changed"] = "in memory only"
    cached = store.publish(
        make_node(run_id="run-2"),
        inputs={},
        outputs={"examples": [first]},
        properties={},
        cache_key=KEY,
        state=ExecutionState.CACHED,
    )
    resolved = store.publish(
        make_node("resolver", run_id="run-2"),
        inputs={},
        outputs={"model": [first]},
        properties={},
        internal_output=True,
    )
    rows = plain.get_executions_by_id([cached, resolved])
    assert [row.last_known_state for row in rows] == [pb.Execution.CACHED, pb.Execution.COMPLETE]
    events = plain.get_events_by_execution_ids([cached, resolved])
    assert [(e.execution_id, e.type, e.artifact_id, paths(e)) for e in events] == [
        (cached, pb.Event.OUTPUT, first.id, ["examples", 0]),
        (resolved, pb.Event.INTERNAL_OUTPUT, first.id, ["model", 0]),
    ]
    assert len(plain.get_artifacts()) == before
    assert "changed" not in plain.get_artifacts_by_id([first.id])[0].custom_properties
    assert first.id in {a.id for a in plain.get_artifacts_by_context(contexts_by_type(plain, cached)["node"].id)}


@pytest.mark.parametrize("cls", STANDARD_TYPES, ids=lambda cls: cls.TYPE_NAME)
def test_every_standard_type_is_registered_with_tfxs_properties_and_base_type(store, plain, cls):
    from ml_metadata.proto import metadata_store_pb2 as pb

    store.publish(make_node(), inputs={}, outputs={"x": [cls("/x")]}, properties={})
    stored = plain.get_artifact_type(cls.TYPE_NAME)
    span, text = ("span", pb.INT), ("split_names", pb.STRING)
    expected = {
        "Examples": (pb.ArtifactType.DATASET, [span, ("version", pb.INT), text]),
        "ExampleStatistics": (pb.ArtifactType.STATISTICS, [span, text]),
        "ExampleAnomalies": (0, [span, text]),
        "Model": (pb.ArtifactType.MODEL, []),
        "PushedModel": (pb.ArtifactType.MODEL, []),
    }.get(cls.TYPE_NAME, (0, []))
    assert (stored.base_type, dict(stored.properties)) == (expected[0], dict(expected[1]))


def test_a_stored_type_with_fewer_properties_is_extended(store, plain):
    from ml_metadata.proto import metadata_store_pb2 as pb

    old = plain.put_artifact_type(pb.ArtifactType(name="Examples", properties={"origin": pb.STRING}))
    store.publish(make_node(), inputs={}, outputs={"x": [Examples("/x")]}, properties={})
    stored = plain.get_artifact_type("Examples")
    assert stored.id == old
    assert set(stored.properties) == {"origin", "span", "version", "split_names"}
    assert stored.base_type == pb.ArtifactType.DATASET


def test_a_stored_base_type_that_differs_stays(store, plain):
    from ml_metadata.proto import metadata_store_pb2 as pb

    plain.put_artifact_type(pb.ArtifactType(name="Examples", base_type=pb.ArtifactType.METRICS))
    plain.put_execution_type(pb.ExecutionType(name="a.B", base_type=pb.ExecutionType.DEPLOY))
    node = make_node(type_name="a.B", base_type="Train")
    store.publish(node, inputs={}, outputs={"x": [Examples("/x")]}, properties={})
    assert plain.get_artifact_type("Examples").base_type == pb.ArtifactType.METRICS
    assert "span" in plain.get_artifact_type("Examples").properties
    assert plain.get_execution_type("a.B").base_type == pb.ExecutionType.DEPLOY


def test_a_stored_type_that_contradicts_is_named(store, plain):
    from ml_metadata.proto import metadata_store_pb2 as pb

    plain.put_artifact_type(pb.ArtifactType(name="Examples", properties={"span": pb.STRING}))
    with pytest.raises(MetadataError, match=r"type 'Examples' that contradicts ours .*span.* another name"):
        store.publish(make_node(), inputs={}, outputs={"x": [Examples("/x")]}, properties={})


def test_an_unknown_base_type_is_named(store):
    with pytest.raises(MetadataError, match=r"among Train, .*received base_type='Training'"):
        store.begin(make_node(base_type="Training"), inputs={}, properties={}, cache_key=None)


class Note(Artifact):
    """A type of a user, with a float property."""

    TYPE_NAME = "tests.Note"
    PROPERTIES: ClassVar = {"weight": Property(PropertyType.FLOAT)}


@pytest.mark.parametrize("value", [0.5, 1e-7, 1 / 3, -2.5e300, float("inf"), float("-inf"), 2.0**60])
def test_floats_of_artifacts_come_back_exactly(store, value):
    note = Note("/n", properties={"weight": value}, custom_properties={"loss": value})
    store.publish(make_node(), inputs={}, outputs={"x": [note]}, properties={})
    (found,) = store.artifacts_of_type(Note)
    assert type(found) is Note
    assert (found.weight, found.custom_properties["loss"]) == (value, value)
    assert set(found.custom_properties) == {"loss", "tfx_version", "is_external"}


def test_a_type_without_a_class_gives_a_plain_artifact_of_that_name(store, plain):
    from ml_metadata.proto import metadata_store_pb2 as pb

    type_id = plain.put_artifact_type(
        pb.ArtifactType(name="Strange", properties={"n": pb.INT, "flag": pb.BOOLEAN, "doc": pb.STRUCT})
    )
    row = pb.Artifact(type_id=type_id, uri="/strange", state=pb.Artifact.LIVE)
    row.properties["n"].int_value = 3
    row.properties["flag"].bool_value = True
    row.properties["doc"].struct_value.update({"a": [1, "b"]})
    row.custom_properties["doc"].struct_value.update({"__value__": [1, 2]})
    plain.put_artifacts([row])
    strange = type("Strange", (), {"TYPE_NAME": "Strange"})
    (found,) = store.artifacts_of_type(strange)
    assert type(found) is Artifact
    assert found.TYPE_NAME == "Strange"
    assert Artifact.TYPE_NAME == "Artifact"
    assert found.properties == {"n": 3, "flag": True, "doc": {"a": [1, "b"]}}
    assert found.custom_properties == {"doc": [1, 2]}
    assert repr(found).startswith("Strange(id=")
