"""TFX 1.16 and we read each other's stores.

tests/golden/tfx_store/metadata.sqlite.gz was written by TFX's LocalDagRunner (write_with_tfx.py beside it). The test
with TFX itself needs a Python that has it: TFX_PYTHON=/path/to/python pytest -m slow.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from pathlib import Path

import pytest

from mlops_tfx.artifacts import Artifact, Examples, Float, Model, Schema
from mlops_tfx.connection import SqliteConnection
from mlops_tfx.metadata import SKIPPED, ExecutionState, MetadataStore, NodeIdentity
from tests.unit.metadata.conftest import plain_client

GOLDEN = Path(__file__).parents[2] / "golden" / "tfx_store"
NODES = ("MakeExamples", "schema", "latest", "Train")
TYPES = {
    "MakeExamples": "__main__.MakeExamples",
    "schema": "tfx.dsl.components.common.importer.Importer",
    "latest": "tfx.dsl.components.common.resolver.Resolver",
    "Train": "__main__.Train",
}


@pytest.fixture
def written_by_tfx(tmp_path):
    path = tmp_path / "tfx.sqlite"
    path.write_bytes(gzip.decompress((GOLDEN / "metadata.sqlite.gz").read_bytes()))
    return path


@pytest.fixture
def theirs(written_by_tfx):
    with MetadataStore(SqliteConnection(written_by_tfx), read_only=True) as store:
        yield store


# what TFX wrote


def test_runs_and_executions_of_tfx_are_read(theirs):
    assert theirs.pipelines() == ["golden"]
    newest, second, first = theirs.runs("golden")
    assert newest > second > first  # TFX's run ids are times
    records = theirs.executions("golden")
    assert [(r.run_id, r.node_id, r.pipeline_name, r.type_name) for r in records] == [
        (run_id, node_id, "golden", TYPES[node_id]) for run_id in (first, second, newest) for node_id in NODES
    ]
    states = [record.state.name for record in records]
    assert states[:4] == ["COMPLETE"] * 4
    assert states[4:8] == ["CACHED", "CACHED", "COMPLETE", "CACHED"]
    assert states[8:] == ["CACHED", "CACHED", "COMPLETE", "FAILED"]
    assert {r.id for r in theirs.executions("golden", second)} == {r.id for r in records[4:8]}
    assert [r.run_id for r in theirs.executions(node_id="Train")] == [first, second, newest]


def test_parameters_of_tfx_come_back_as_python_values(theirs):
    expected = {"rows": 3, "rate": 0.25, "shuffle": True, "names": ["a", "b"], "buckets": {"eval": 1, "train": 2}}
    for record in theirs.executions(node_id="MakeExamples"):
        assert record.properties == expected
        assert type(record.properties["shuffle"]) is bool  # "true" in CACHED executions, 1 in COMPLETE ones


def test_artifacts_of_tfx_are_read(theirs):
    train = theirs.executions(node_id="Train")[0]
    (examples,), (schema,) = train.inputs["examples"], train.inputs["schema"]
    (model,), (accuracy,) = train.outputs["model"], train.outputs["accuracy"]
    assert [type(a) for a in (examples, schema, model, accuracy)] == [Examples, Schema, Model, Float]
    assert isinstance(examples, Examples)
    assert (examples.uri, examples.span, examples.splits) == (
        "pipeline_root/MakeExamples/examples/1",
        4,
        ["train", "eval"],
    )
    assert examples.path("eval") == "pipeline_root/MakeExamples/examples/1/Split-eval"
    assert examples.custom_properties == {"rows": 3, "rate": 0.25, "is_external": 0, "tfx_version": "1.16.0"}
    assert (schema.uri, schema.custom_properties["is_external"]) == ("schema", 1)


def test_our_questions_find_what_tfx_wrote(theirs):
    (examples,) = theirs.artifacts_of_type(Examples)
    newest = theirs.runs("golden")[0]
    for chosen in (
        {},
        {"producer": "MakeExamples", "output_key": "examples"},
        {"run_id": newest, "producer": "latest"},
    ):
        assert [a.id for a in theirs.latest(Examples, pipeline_name="golden", **chosen)] == [examples.id]
    assert theirs.latest(Model, pipeline_name="golden", run_id=newest) == []
    imported = theirs.find_imported("schema", Schema, {}, {})
    assert imported is not None
    assert imported.custom_properties["is_external"] == 1


def test_cache_contexts_of_tfx_are_found(written_by_tfx, theirs):
    first = theirs.executions(node_id="Train")[0]
    contexts = plain_client(written_by_tfx).get_contexts_by_execution(first.id)
    (key,) = [context.name for context in contexts if context.type == "execution_cache"]
    found = list(theirs.find_cached(key))
    assert len(found) == 2  # the first run, and the second, which was cached
    for outputs in found:
        assert {name: [a.id for a in group] for name, group in outputs.items()} == {
            name: [a.id for a in group] for name, group in first.outputs.items()
        }


def test_we_go_on_in_a_store_that_tfx_began(written_by_tfx):
    with MetadataStore(SqliteConnection(written_by_tfx)) as store:
        before = len(store.executions())
        examples = store.latest(Examples, pipeline_name="golden")
        node = NodeIdentity("golden", "ours", "Train", TYPES["Train"], "Train")
        execution_id = store.begin(node, inputs={"examples": examples}, properties={"fail": False}, cache_key="k")
        model = Model("/new")
        store.finish(execution_id, node, {"model": [model]})
        assert len(store.executions()) == before + 1
        assert store.runs("golden")[0] == "ours"
        assert [a.id for a in store.latest(Model, pipeline_name="golden", producer="Train")] == [model.id]


# what we write, beside what TFX wrote


def test_the_same_pipeline_gives_the_same_rows(tmp_path, written_by_tfx):
    path = tmp_path / "ours.sqlite"
    with MetadataStore(SqliteConnection(path)) as store:
        write_golden_pipeline(store)
    ours, theirs = shape(path), shape(written_by_tfx)
    assert ours["types"] == theirs["types"]
    assert ours["contexts"] == theirs["contexts"]
    assert ours["artifacts"] == theirs["artifacts"]
    assert len(ours["executions"]) == len(theirs["executions"]) == 12
    for one, other in zip(ours["executions"], theirs["executions"], strict=True):
        assert one == other


def write_golden_pipeline(store: MetadataStore) -> None:
    """What write_with_tfx.py does, told to our store."""
    parameters = {"rows": 3, "rate": 0.25, "shuffle": True, "names": ["a", "b"], "buckets": {"train": 2, "eval": 1}}
    importer = {"artifact_uri": "schema", "output_key": "result", "reimport": 0}
    examples = Examples("pipeline_root/MakeExamples/examples/1", custom_properties={"rows": 3, "rate": 0.25})
    examples.span, examples.splits = 4, ["train", "eval"]
    schema = Schema("schema", custom_properties={"is_external": 1})
    accuracy = Float("pipeline_root/Train/accuracy/4/value", custom_properties={"__is_null__": 0})
    outputs = {
        "MakeExamples": {"examples": [examples]},
        "schema": {"result": [schema]},
        "Train": {"accuracy": [accuracy], "model": [Model("pipeline_root/Train/model/4")]},
    }
    for number, run_id in enumerate(("r1", "r2", "r3")):
        state = ExecutionState.CACHED if number else ExecutionState.COMPLETE
        nodes = {name: NodeIdentity("golden", run_id, name, TYPES[name]) for name in NODES}
        make = nodes["MakeExamples"]
        if number:
            store.publish(
                make, inputs={}, outputs=outputs["MakeExamples"], properties=parameters, cache_key="make", state=state
            )
        else:
            made = store.begin(make, inputs={}, properties=parameters, cache_key="make")
            store.finish(made, make, outputs["MakeExamples"])
        store.publish(nodes["schema"], inputs={}, outputs=outputs["schema"], properties=importer, state=state)
        store.publish(nodes["latest"], inputs={}, outputs={"examples": [examples]}, properties={}, internal_output=True)
        train, inputs = nodes["Train"], {"examples": [examples], "schema": [schema]}
        if number == 1:
            store.publish(
                train, inputs=inputs, outputs=outputs["Train"], properties={"fail": False}, cache_key="t", state=state
            )
            continue
        trained = store.begin(
            train, inputs=inputs, properties={"fail": number == 2}, cache_key="t" if not number else "f"
        )
        if number == 2:
            store.fail(trained, "training failed on purpose")
        else:
            store.finish(trained, train, outputs["Train"])


def shape(path: Path) -> dict:
    """All that is in a store but ids, times, random names, run ids, cache keys, and what only one of the two writes."""
    plain = plain_client(path)
    contexts = {row.id: row for row in plain.get_contexts()}
    runs = [row.id for row in contexts.values() if row.type == "pipeline_run"]

    def name(row):
        if row.type == "pipeline_run":
            return f"run {runs.index(row.id)}"
        return "key" if row.type == "execution_cache" else row.name

    def parents(row):
        return sorted(name(parent) for parent in plain.get_parent_contexts_by_context(row.id))

    def uris(row):
        # TFX attributes only outputs to a cache context, as it makes that one later; nothing reads it there.
        if row.type == "execution_cache":
            return []
        return sorted(artifact.uri for artifact in plain.get_artifacts_by_context(row.id))

    def typed(kind):
        return sorted(
            (t.name, t.base_type, sorted(t.properties.items())) for t in kind if not t.name.startswith("mlmd.")
        )

    def events(row):
        places = {
            (event.type, tuple((s.key, s.index)[s.WhichOneof("value") == "index"] for s in event.path.steps))
            for event in plain.get_events_by_execution_ids([row.id])
        }
        return sorted(places)

    def values(row):
        # TFX turns a bool into 0 or 1 when an execution completes, and keeps no text of an error.
        return sorted(
            (key, json.dumps(json.loads(value.string_value)) if key.startswith("__schema__") else comparable(value))
            for key, value in row.custom_properties.items()
            if key not in ("__pipeline_name__", "__run_id__", "__node_id__", "__execution_result__")
        )

    def comparable(value):
        kind = value.WhichOneof("value")
        return {"true": 1, "false": 0}.get(value.string_value, getattr(value, kind))

    return {
        "types": (
            typed(plain.get_artifact_types()),
            typed(plain.get_execution_types()),
            typed(plain.get_context_types()),
        ),
        "contexts": sorted(
            (row.type, name(row), parents(row), uris(row), len(row.custom_properties), len(row.properties))
            for row in contexts.values()
        ),
        "artifacts": sorted(
            (
                row.type,
                row.uri,
                row.name,
                row.state,
                sorted((k, comparable(v)) for k, v in row.properties.items()),
                values(row),
                sorted((c.type, name(c)) for c in plain.get_contexts_by_artifact(row.id) if uris(c)),
            )
            for row in plain.get_artifacts()
        ),
        "executions": [
            (
                row.type,
                row.last_known_state,
                values(row),
                len(row.properties),
                events(row),
                len(row.name),
                sorted((c.type, name(c)) for c in plain.get_contexts_by_execution(row.id)),
            )
            for row in plain.get_executions()
        ],
    }


# TFX itself

TFX_PYTHON = os.environ.get("TFX_PYTHON", "")


@pytest.mark.slow
@pytest.mark.skipif(not TFX_PYTHON, reason="needs TFX 1.16: set TFX_PYTHON to a Python 3.10 with tfx==1.16.0 and dill")
def test_tfx_resolves_what_we_wrote_and_we_read_its_run(tmp_path):
    path, result = tmp_path / "metadata.sqlite", tmp_path / "result.json"
    node = NodeIdentity("mixed", "r1", "gen", "mlops_tfx.components.csv_example_gen.CsvExampleGen", "Process")
    made: list[Artifact] = []
    with MetadataStore(SqliteConnection(path)) as store:
        for number in range(3):
            examples = Examples(f"/data/{number}", custom_properties={"content_digest": f"digest {number}"})
            examples.span, examples.splits = number, ["train", "eval"]
            execution_id = store.begin(node, inputs={}, properties={"header": True}, cache_key=f"k{number}")
            store.finish(execution_id, node, {"examples": [examples], "other": [Examples("/wrong key")]})
            made.append(examples)
        store.begin(node, inputs={}, properties={}, cache_key=None)  # one that still runs changes nothing
        # Nor does one that was skipped, though it has looked at the artifact.
        seen, canceled = {"_gen.examples": [made[2]]}, ExecutionState.CANCELED
        store.publish(node, inputs=seen, outputs={}, properties={SKIPPED: "a condition"}, state=canceled)
    script = GOLDEN / "resolve_with_tfx.py"
    command = [TFX_PYTHON, str(script), str(path), "mixed", "gen", "examples", str(result)]
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, env=clean, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(result.read_text()) == {
        "id": made[2].id,
        "uri": "/data/2",
        "span": 2,
        "splits": ["train", "eval"],
        "train": "/data/2/Split-train",
        "digest": "digest 2",
    }
    with MetadataStore(SqliteConnection(path), read_only=True) as store:
        tfx_run = store.runs("mixed")[0]
        latest, show = store.executions("mixed", tfx_run)
        assert (latest.node_id, show.node_id) == ("latest", "Show")
        assert latest.state is show.state is ExecutionState.COMPLETE
        assert [a.id for a in latest.outputs["examples"]] == [a.id for a in show.inputs["examples"]] == [made[2].id]
