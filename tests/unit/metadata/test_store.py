"""What MetadataStore answers."""

from __future__ import annotations

import datetime
import os

import pytest

from mlops_tfx.artifacts import Examples, Model, ModelBlessing, Schema
from mlops_tfx.connection import SqliteConnection
from mlops_tfx.errors import MetadataError
from mlops_tfx.metadata import ExecutionState, MetadataStore, NodeIdentity
from tests.unit.metadata.conftest import make_node


def run(store, node, outputs, *, inputs=None, cache_key=None, properties=None):
    execution_id = store.begin(node, inputs=inputs or {}, properties=properties or {}, cache_key=cache_key)
    store.finish(execution_id, node, outputs)
    return execution_id


def ids(artifacts):
    return [artifact.id for artifact in artifacts]


# executions


def test_an_execution_is_read_back_as_a_record(store):
    examples, other, model = Examples("/e"), Examples("/e2"), Model("/m")
    run(store, make_node("gen"), {"examples": [examples, other]})
    before = datetime.datetime.now(datetime.timezone.utc)
    trainer = make_node("trainer", type_name="a.Trainer")
    execution_id = store.begin(
        trainer, inputs={"examples": [other, examples]}, properties={"steps": 5, "pid": 1}, cache_key="k"
    )
    store.finish(execution_id, trainer, {"model": [model]}, {"rows": 7, "pid": None})
    (record,) = store.executions(node_id="trainer")
    assert (record.id, record.node_id, record.run_id, record.pipeline_name, record.type_name) == (
        execution_id,
        "trainer",
        "run-1",
        "flights",
        "a.Trainer",
    )
    assert record.state is ExecutionState.COMPLETE
    assert record.properties == {"steps": 5, "rows": 7}
    assert ids(record.inputs["examples"]) == [other.id, examples.id]
    assert ids(record.outputs["model"]) == [model.id]
    assert record.error == ""
    slack = datetime.timedelta(milliseconds=1)  # the store keeps milliseconds
    now = datetime.datetime.now(datetime.timezone.utc)
    assert before - slack <= record.created <= record.updated <= now


def test_executions_can_be_chosen_by_pipeline_run_node_and_state(store):
    made = {}
    for pipeline in ("p", "q"):
        for number in (1, 2):
            for node_id in ("gen", "train"):
                node = NodeIdentity(pipeline, f"{pipeline}{number}", node_id, "a.B")
                made[pipeline, number, node_id] = store.begin(node, inputs={}, properties={}, cache_key=None)
    store.fail(made["p", 1, "train"], "boom")

    def found(*args, **kwargs):
        return {record.id for record in store.executions(*args, **kwargs)}

    assert found() == set(made.values())
    assert found("p") == {i for key, i in made.items() if key[0] == "p"}
    assert found("p", "p2") == {made["p", 2, "gen"], made["p", 2, "train"]}
    assert found(run_id="q1") == {made["q", 1, "gen"], made["q", 1, "train"]}
    assert found(node_id="gen") == {i for key, i in made.items() if key[2] == "gen"}
    assert found("p", node_id="gen") == {made["p", 1, "gen"], made["p", 2, "gen"]}
    assert found("p", "p1", "gen") == {made["p", 1, "gen"]}
    assert found(states={ExecutionState.FAILED}) == {made["p", 1, "train"]}
    assert found("p", states={ExecutionState.RUNNING}) == {
        made["p", 1, "gen"],
        made["p", 2, "gen"],
        made["p", 2, "train"],
    }
    assert found("nobody") == found("p", "q1") == found("p", node_id="none") == set()
    assert [record.id for record in store.executions()] == sorted(made.values())


def test_running_executions_tell_who_runs_them(store):
    properties = {"runner_pid": os.getpid(), "runner_host": "here"}
    store.begin(make_node("gen"), inputs={}, properties=properties, cache_key=None)
    run(store, make_node("done"), {})
    (record,) = store.executions(states={ExecutionState.RUNNING})
    assert (record.node_id, record.properties) == ("gen", properties)


def test_hundreds_of_executions_are_read_in_few_calls(store):
    previous = []
    for number in range(60):
        artifact = Examples(f"/{number}")
        run(store, make_node(f"node{number % 4}", f"run{number // 4}"), {"x": [artifact]}, inputs={"in": previous})
        previous = [artifact]
    calls = []
    session = store._session  # how often it is asked is what this test is about
    original = session.read
    session.read = lambda call: calls.append(call) or original(call)
    records = store.executions("flights")
    assert len(records) == 60
    assert all(len(record.outputs["x"]) == 1 for record in records)
    assert len(calls) <= 8


def test_pipelines_and_runs(store):
    for pipeline, run_id in [("zoo", "z1"), ("ant", "a1"), ("zoo", "z2"), ("zoo", "z3"), ("zoo", "z1")]:
        run(store, make_node("gen", run_id, pipeline), {})
    assert store.pipelines() == ["ant", "zoo"]
    assert store.runs("zoo") == ["z3", "z2", "z1"]
    assert store.runs("ant") == ["a1"]
    assert store.runs("none") == []


def test_states_are_found_by_a_library_without_filters_as_well(store, plain):
    class WithoutFilters:
        """ml_metadata as it is built from 1.21 on."""

        def __getattr__(self, name):
            return getattr(plain, name)

        def get_executions(self, options=None):
            from ml_metadata import errors

            if options is not None:
                raise errors.UnimplementedError("filter_query")
            return plain.get_executions()

    running = store.begin(make_node("gen"), inputs={}, properties={}, cache_key=None)
    run(store, make_node("done"), {})
    store._session._store = WithoutFilters()
    assert [record.id for record in store.executions(states={ExecutionState.RUNNING})] == [running]


def test_a_node_of_a_pipeline_in_a_pipeline_is_found_by_both(store, plain):
    # As TFX's compiler associates it.
    from ml_metadata.proto import metadata_store_pb2 as pb

    run(store, make_node("first", "r1", "outer"), {})
    kinds = {kind: plain.get_context_type(kind).id for kind in ("pipeline", "pipeline_run", "node")}
    names = [
        ("pipeline", "outer"),
        ("pipeline", "inner"),
        ("pipeline_run", "r1"),
        ("pipeline_run", "inner_r1"),
        ("node", "outer.inner"),
        ("node", "inner.gen"),
    ]
    type_id = plain.put_execution_type(pb.ExecutionType(name="a.Gen"))
    contexts = [pb.Context(type_id=kinds[kind], name=name) for kind, name in names]
    row = pb.Execution(type_id=type_id, last_known_state=pb.Execution.COMPLETE)
    execution_id, _, _ = plain.put_execution(row, [], contexts, reuse_context_if_already_exist=True)
    (record,) = store.executions("inner")
    assert (record.id, record.pipeline_name, record.run_id, record.node_id) == (
        execution_id,
        "inner",
        "inner_r1",
        "gen",
    )
    assert [r.id for r in store.executions("inner", "inner_r1", "gen")] == [execution_id]
    assert [r.node_id for r in store.executions("outer")] == ["first", "gen"]
    assert [r.node_id for r in store.executions("outer", "r1")] == ["first", "gen"]


def test_an_empty_store_answers_everything_with_nothing(store):
    assert store.pipelines() == store.runs("p") == store.executions() == []
    assert list(store.find_cached("k")) == []
    assert store.latest(Examples, pipeline_name="p") == []
    assert store.artifacts_of_type(Examples) == store.artifacts_of_type(Examples, "p") == []
    assert store.find_imported("/x", Examples, {}, {}) is None


# failures


def test_the_error_text_is_kept(store):
    execution_id = store.begin(make_node(), inputs={}, properties={"a": 1}, cache_key="k")
    text = 'Traceback:\n  File "x.py", line 3\nValueError: naïve \\ "quoted" \0 end'
    store.fail(execution_id, text)
    (record,) = store.executions()
    assert record.state is ExecutionState.FAILED
    assert record.error == text.replace("\0", "\\x00")
    assert record.properties == {"a": 1}


def test_a_very_long_error_text_loses_its_middle(store):
    execution_id = store.begin(make_node(), inputs={}, properties={}, cache_key=None)
    store.fail(execution_id, "head\n" + "x" * 3_000_000 + "\nthe end", state=ExecutionState.CANCELED)
    (record,) = store.executions()
    assert record.state is ExecutionState.CANCELED
    assert len(record.error) == 60_000
    assert record.error.startswith("head\n")
    assert record.error.endswith("\nthe end")
    assert "characters" in record.error


def test_a_failed_execution_that_turns_out_well_loses_its_error(store):
    # Another process may have taken this one for dead.
    execution_id = store.begin(make_node(), inputs={}, properties={}, cache_key=None)
    store.fail(execution_id, "its process is gone")
    store.finish(execution_id, make_node(), {"x": [Model("/m")]})
    (record,) = store.executions()
    assert (record.state, record.error) == (ExecutionState.COMPLETE, "")


def test_what_is_complete_cannot_be_finished_or_failed_again(store):
    execution_id = run(store, make_node(), {"x": [Model("/m")]})
    with pytest.raises(MetadataError, match=rf"execution {execution_id} is COMPLETE already"):
        store.finish(execution_id, make_node(), {"x": [Model("/m2")]})
    with pytest.raises(MetadataError, match=rf"execution {execution_id} is COMPLETE already"):
        store.fail(execution_id, "late")
    assert len(store.artifacts_of_type(Model)) == 1


def test_an_unknown_execution_is_named(store):
    with pytest.raises(MetadataError, match="no execution with execution_id=77"):
        store.finish(77, make_node(), {})
    with pytest.raises(MetadataError, match="no execution with execution_id=77"):
        store.fail(77, "boom")


def test_states_that_make_no_sense_are_refused(store):
    with pytest.raises(MetadataError, match=r"expected the state COMPLETE or .* CANCELED, received state=<.*RUNNING"):
        store.publish(make_node(), inputs={}, outputs={}, properties={}, state=ExecutionState.RUNNING)
    execution_id = store.begin(make_node(), inputs={}, properties={}, cache_key=None)
    with pytest.raises(MetadataError, match=r"expected the state FAILED or CANCELED, received state=<.*COMPLETE"):
        store.fail(execution_id, "boom", state=ExecutionState.COMPLETE)


def test_another_node_cannot_finish_an_execution(store):
    execution_id = store.begin(make_node("gen"), inputs={}, properties={}, cache_key=None)
    with pytest.raises(MetadataError, match=r"was not begun by the node 'flights\.other'"):
        store.finish(execution_id, make_node("other"), {})


def test_an_input_that_was_never_published_is_named(store):
    with pytest.raises(
        MetadataError, match=r"node 'gen': expected inputs that are in the store, received x\[0\]=Model"
    ):
        store.begin(make_node(), inputs={"x": [Model("/m")]}, properties={}, cache_key=None)
    assert store.executions() == []


def test_an_output_with_a_property_of_another_type_is_refused_and_nothing_is_left(store):
    execution_id = store.begin(make_node(), inputs={}, properties={}, cache_key=None)
    bad = Model("/m", custom_properties={"x": {1}})
    with pytest.raises(MetadataError, match=r"property 'x' of an artifact: expected int, .* received x=\{1"):
        store.finish(execution_id, make_node(), {"good": [Schema("/s")], "model": [bad]})
    assert store.executions()[0].state is ExecutionState.RUNNING
    assert store.artifacts_of_type(Schema) == []
    assert bad.id == 0


def test_ids_of_artifacts_that_are_not_in_the_store_are_named(store):
    with pytest.raises(MetadataError, match=r"no artifacts with ids \[98, 99\]; are they from another store"):
        store.begin(make_node(), inputs={"x": [Model("/m", id=99), Model("/m", id=98)]}, properties={}, cache_key=None)
    with pytest.raises(MetadataError, match=r"no artifacts with ids \[7\]"):
        store.publish(make_node(), inputs={}, outputs={"x": [Model("/m", id=7)]}, properties={})
    assert store.executions() == []


# caching


def test_published_artifacts_get_notes_and_lose_them(store):
    noted, other = Model("/m"), Model("/n")
    noted.custom_properties["rate"] = 0.5
    run(store, make_node("trainer"), {"model": [noted, other]})
    before = {artifact.id: dict(artifact.custom_properties) for artifact in store.artifacts_of_type(Model)}
    store.annotate([noted], {"do_not_push": "bad", "times": 2})
    after = {artifact.id: artifact for artifact in store.artifacts_of_type(Model)}
    assert after[noted.id].custom_properties == {**before[noted.id], "do_not_push": "bad", "times": 2}
    assert noted.custom_properties["do_not_push"] == "bad"
    assert after[other.id].custom_properties == before[other.id]
    assert (after[noted.id].uri, after[noted.id].state) == ("/m", noted.state)
    store.annotate([noted], {"do_not_push": None, "times": "three", "never_there": None})
    (again,) = [artifact for artifact in store.artifacts_of_type(Model) if artifact.id == noted.id]
    assert again.custom_properties == {**before[noted.id], "times": "three"}
    assert "do_not_push" not in noted.custom_properties
    with pytest.raises(MetadataError, match=r"no artifacts with ids \[999\]"):
        store.annotate([Model("/x", id=999)], {"do_not_push": "bad"})
    store.annotate([], {"do_not_push": "bad"})


def test_cached_results_come_newest_first_and_only_whole_and_live(store, plain):
    from ml_metadata.proto import metadata_store_pb2 as pb

    results = []
    for number in range(3):
        outputs = {"a": [Examples("/1"), Examples("/2")], "b": [Model("/m")]}
        run(store, make_node(run_id=f"r{number}"), outputs, cache_key="k")
        results.append({key: ids(group) for key, group in outputs.items()})
    running = store.begin(make_node(), inputs={}, properties={}, cache_key="k")
    store.fail(store.begin(make_node(), inputs={}, properties={}, cache_key="k"), "boom")
    run(store, make_node(), {"b": [Model("/other")]}, cache_key="another")

    def found():
        return [{key: ids(group) for key, group in outputs.items()} for outputs in store.find_cached("k")]

    assert found() == results[::-1]
    row = plain.get_artifacts_by_id([results[1]["a"][1]])[0]
    row.state = pb.Artifact.DELETED
    plain.put_artifacts([row])
    assert found() == [results[2], results[0]]
    store.finish(running, make_node(), {})
    assert found() == [{}, results[2], results[0]]


def test_a_cached_execution_is_found_as_well(store):
    model = Model("/m")
    run(store, make_node(), {"model": [model]}, cache_key="k")
    store.publish(
        make_node(run_id="r2"),
        inputs={},
        outputs={"model": [model]},
        properties={},
        cache_key="k",
        state=ExecutionState.CACHED,
    )
    assert [ids(outputs["model"]) for outputs in store.find_cached("k")] == [[model.id], [model.id]]


# latest


@pytest.fixture
def models(store):
    """Nodes a and b each put out a model in three runs; a also a second one under another key; c used b's."""
    made = {}
    for number in (1, 2, 3):
        for node_id in ("a", "b"):
            model, extra = Model(f"/{node_id}/{number}"), Model(f"/{node_id}/{number}/extra")
            run(store, make_node(node_id, f"r{number}"), {"model": [model], "extra": [extra], "s": [Schema("/s")]})
            made[node_id, number], made[node_id, number, "extra"] = model.id, extra.id
        run(store, make_node("c", f"r{number}"), {"blessing": [ModelBlessing("/x")]}, inputs={"model": [model]})
        run(store, make_node("a", f"other{number}", "other"), {"model": [Model("/other")]})
    return made


def test_latest_follows_pipeline_run_node_and_key(store, models):
    def found(**chosen):
        return ids(store.latest(Model, pipeline_name="flights", **chosen))

    everything = sorted(models.values(), reverse=True)
    assert found() == everything[:1]
    assert found(limit=100) == everything
    assert found(limit=4) == everything[:4]
    assert found(output_key="model", limit=2) == [models["b", 3], models["a", 3]]
    assert found(producer="a", output_key="model", limit=9) == [models["a", n] for n in (3, 2, 1)]
    assert found(producer="a", run_id="r2", output_key="model") == [models["a", 2]]
    assert found(run_id="r1", limit=9) == sorted((i for key, i in models.items() if key[1] == 1), reverse=True)
    assert found(producer="c", limit=9) == []  # used, not put out
    assert found(producer="a", output_key="none") == found(run_id="none") == found(producer="none") == []
    assert found(run_id="other1") == []
    assert store.latest(Model, pipeline_name="none") == []


def test_latest_sees_only_live_artifacts(store, plain, models):
    from ml_metadata.proto import metadata_store_pb2 as pb

    row = plain.get_artifacts_by_id([models["a", 3]])[0]
    row.state = pb.Artifact.MARKED_FOR_DELETION
    plain.put_artifacts([row])
    assert ids(store.latest(Model, pipeline_name="flights", producer="a", output_key="model")) == [models["a", 2]]


def test_latest_sees_what_a_cached_execution_linked(store, models):
    old = next(model for model in store.artifacts_of_type(Model) if model.id == models["a", 1])
    store.publish(make_node("a", "r4"), inputs={}, outputs={"model": [old]}, properties={}, state=ExecutionState.CACHED)
    assert ids(store.latest(Model, pipeline_name="flights", run_id="r4", producer="a")) == [old.id]
    assert ids(store.latest(Model, pipeline_name="flights", producer="a", output_key="model")) == [models["a", 3]]


# imports


def test_an_imported_artifact_is_found_by_place_type_and_properties(store):
    def importing(artifact):
        artifact.custom_properties["is_external"] = 1
        run(store, make_node("importer"), {"result": [artifact]})
        return artifact.id

    plain_id = importing(Examples("/x"))
    importing(Schema("/x"))
    importing(Examples("/y"))
    with_span = importing(Examples("/x", properties={"span": 3}, custom_properties={"owner": "me"}))
    newest = importing(Examples("/x", properties={"span": 3}))

    def found(properties, custom):
        artifact = store.find_imported("/x", Examples, properties, custom)
        return artifact and artifact.id

    assert found({}, {}) == newest
    assert found({"span": 3}, {}) == newest
    assert found({"span": 3}, {"owner": "me"}) == found({}, {"owner": "me"}) == with_span
    assert found({"span": 4}, {}) is None
    assert found({}, {"owner": "you"}) is None
    assert plain_id < newest


def test_is_external_is_kept(store):
    artifact = Schema("/s", custom_properties={"is_external": 1})
    run(store, make_node("importer"), {"result": [artifact]})
    assert store.artifacts_of_type(Schema)[0].custom_properties["is_external"] == 1


def test_artifacts_of_a_type_come_newest_first_by_pipeline(store, models):
    flights = store.artifacts_of_type(Model, "flights")
    assert ids(flights) == sorted(models.values(), reverse=True)
    assert len(store.artifacts_of_type(Model)) == len(flights) + 3
    assert len(store.artifacts_of_type(Model, "other")) == 3
    assert store.artifacts_of_type(Model, "none") == []


# opening and closing


def test_a_store_is_read_by_the_next_that_opens_it(path):
    with MetadataStore(SqliteConnection(path)) as store:
        model = Model("/m")
        run(store, make_node(), {"model": [model]}, cache_key="k")
    with (
        MetadataStore(SqliteConnection(path)) as again,
        MetadataStore(SqliteConnection(path), read_only=True) as reader,
    ):
        for store in (again, reader):
            assert ids(store.latest(Model, pipeline_name="flights")) == [model.id]
            assert store.executions()[0].run_id == "run-1"


def test_a_closed_store_says_so(path):
    store = MetadataStore(SqliteConnection(path))
    store.close()
    store.close()
    with pytest.raises(MetadataError, match=r"metadata\.sqlite' is closed; open it again"):
        store.pipelines()
    with pytest.raises(MetadataError, match="is closed"):
        store.begin(make_node(), inputs={}, properties={}, cache_key=None)


def test_a_store_opened_read_only_refuses_to_write(path):
    with MetadataStore(SqliteConnection(path), read_only=True) as reader:
        with pytest.raises(MetadataError, match="was opened read only; open it for writing"):
            reader.begin(make_node(), inputs={}, properties={}, cache_key=None)
        assert reader.pipelines() == []
    assert os.listdir(path.parent) == [path.name]
