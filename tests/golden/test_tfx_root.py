"""TFX 1.16 and we go on in each other's pipeline roots.

tests/golden/tfx_root/root.tar.gz is what TFX left after four runs of pipeline.py beside it: blessed and pushed, cached
(its Evaluator and Pusher run again, as there is a baseline now), not blessed, failed. The tests with TFX itself need a
Python that has it: TFX_PYTHON=/path/to/python pytest -m slow.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from mlops_tfx.artifacts import Model, ModelBlessing, PushedModel
from mlops_tfx.cli import cli
from mlops_tfx.connection import SqliteConnection
from mlops_tfx.errors import MetadataError
from mlops_tfx.history import garbage
from mlops_tfx.metadata import ExecutionRecord, ExecutionState, MetadataStore
from tests.golden.tfx_root.unpack import HERE, add_span, unpack

PIPELINE = str(HERE / "pipeline.py")
RESOLVER = "latest_blessed_model_resolver"
DATA_NODES = ("CsvExampleGen", "StatisticsGen", "SchemaGen", "Transform", "Trainer")
JUDGING_NODES = (RESOLVER, "Evaluator", "Pusher")
ALL_NODES = {*DATA_NODES, *JUDGING_NODES}

# What is asked, and of which store


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[MetadataStore]:
    with MetadataStore(SqliteConnection(folder / "metadata.sqlite"), read_only=True) as store:
        yield store


def latest_run(folder: Path, back: int = 0) -> dict[str, ExecutionRecord]:
    """The executions of the latest run, by node."""
    with opened(folder) as store:
        return {record.node_id: record for record in store.executions("flights", store.runs("flights")[back])}


def states(run: dict[str, ExecutionRecord]) -> dict[str, str]:
    return {node: record.state.name for node, record in run.items()}


def ask(folder: Path, *arguments: str) -> Any:
    done = CliRunner().invoke(cli, [*arguments, "--root", str(folder), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def versions(folder: Path) -> list[int]:
    return sorted(int(name) for name in os.listdir(folder / "serving"))


def run_here(folder: Path, *options: str, how: str = "") -> subprocess.CompletedProcess[str]:
    arguments = [*options, PIPELINE, str(folder), *([how] if how else [])]
    command = [sys.executable, "-m", "mlops_tfx.cli", "run", "--as-tfx", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    unpack(tmp_path)
    return tmp_path


# TFX's runs, asked about here


def test_runs_of_tfx_and_how_they_ended(root: Path) -> None:
    failed, unblessed, again, first = ask(root, "runs")
    (summary,) = ask(root, "pipelines")
    assert summary == {"name": "flights", "runs": 4, "last_run": failed, "state": "failed: Trainer", "pushed": 2}

    def nodes(run_id: str) -> dict[str, str]:
        return {node["node_id"]: node["state"] for node in ask(root, "status", run_id)["nodes"]}

    assert nodes(first) == nodes(unblessed) == dict.fromkeys(ALL_NODES, "complete")
    assert nodes(again) == {**dict.fromkeys(DATA_NODES, "cached"), **dict.fromkeys(JUDGING_NODES, "complete")}
    ended = {**dict.fromkeys(DATA_NODES, "cached"), RESOLVER: "complete", "Trainer": "failed"}
    assert nodes(failed) == ended
    (trainer,) = [node for node in ask(root, "status")["nodes"] if node["node_id"] == "Trainer"]
    assert trainer["message"] == "failed, and left no reason"  # TFX keeps none


def test_lineage_of_a_version_that_tfx_pushed(root: Path) -> None:
    oldest = str(root / "serving" / str(versions(root)[0]))
    found = ask(root, "lineage", oldest)
    assert {node["node"] for node in found["executions"]} == ALL_NODES - {RESOLVER}
    types = [artifact["type"] for artifact in found["artifacts"]]
    assert types.count("Model") == 1 and set(types) >= {"Examples", "Schema", "TransformGraph", "ModelBlessing"}
    (examples,) = [a for a in found["artifacts"] if a["uri"].endswith("CsvExampleGen/examples/1")]
    assert examples["custom_properties"]["span"] == 1
    shown = ask(root, "show", oldest)
    assert (shown["artifact"]["type"], "saved_model.pb" in shown["files"]) == ("PushedModel", True)
    assert shown["artifact"]["uri"].startswith(str(root))


def test_models_that_tfx_pushed(root: Path) -> None:
    *_, again, first = ask(root, "runs")
    newest, before = ask(root, "models")
    assert [(each["version"], each["run_id"]) for each in (newest, before)] == [
        (versions(root)[1], again),
        (versions(root)[0], first),
    ]
    assert newest["newest"] and newest["blessings"] == before["blessings"] == {"model_blessing": True}


def test_differences_between_runs_of_tfx(root: Path) -> None:
    failed, unblessed, again, first = ask(root, "runs")
    same = {node["node"]: node for node in ask(root, "diff", first, again)["nodes"]}
    for name in (*DATA_NODES, "Pusher"):
        assert not any(same[name][what] for what in ("changes", "outputs", "metrics")), name
    assert [change["name"] for change in same["Evaluator"]["changes"]] == ["input baseline_model"]

    nodes = {node["node"]: node for node in ask(root, "diff", first, unblessed)["nodes"]}
    assert all("TFX ran" in node["untold"] for node in nodes.values())
    assert {change["name"] for change in nodes["CsvExampleGen"]["changes"]} == {
        "parameter input_config",
        "parameter input_fingerprint",
        "parameter span",
    }
    changes = {change["name"] for change in nodes["Trainer"]["changes"]}
    assert changes == {"parameter custom_config", "input examples", "input transform_graph"}  # the schema is the same
    assert nodes["SchemaGen"]["outputs"] == [] and nodes["Trainer"]["outputs"] == ["model"]
    # What TFMA says of the same files.
    with opened(root) as store:
        before, after = (evaluation_of(store, run_id) for run_id in (first, unblessed))
    assert nodes["Evaluator"]["metrics"]["binary_accuracy (Overall)"] == [accuracy(before, ""), accuracy(after)]
    assert accuracy(after) < 0.5 < accuracy(before, "")

    ended = {node["node"]: node for node in ask(root, "diff", unblessed, failed)["nodes"]}
    assert (ended["Trainer"]["after"], ended["Trainer"]["outputs"], ended["Pusher"]["after"]) == ("FAILED", [], None)


def evaluation_of(store: MetadataStore, run_id: str) -> str:
    (record,) = store.executions("flights", run_id, "Evaluator")
    return str(record.outputs["evaluation"][0].uri)


def accuracy(uri: str, model: str = "candidate") -> float:
    import tensorflow_model_analysis as tfma

    by_slice = tfma.load_eval_result(uri, model_name=model or None).get_metrics_for_slice()
    return float(by_slice["binary_accuracy"]["doubleValue"])


def test_a_store_by_the_name_of_tfx_s_templates_is_found(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "metadata" / "flights").mkdir(parents=True)
    (root / "metadata.sqlite").rename(root / "metadata" / "flights" / "metadata.db")
    monkeypatch.chdir(root)
    for options in ((), ("--root", "metadata/flights")):
        done = CliRunner().invoke(cli, ["runs", *options], catch_exceptions=False)
        assert len(done.stdout.split()) == 4


def test_why_nodes_ran_under_tfx(root: Path) -> None:
    trainer = ask(root, "why", "Trainer")
    assert trainer["state"] == "FAILED" and "it failed and left no reason" in trainer["summary"]
    assert [change["name"] for change in trainer["changes"]] == ["parameter custom_config"]
    assert "reused by TFX" in ask(root, "why", "CsvExampleGen")["summary"]
    evaluator = ask(root, "why", "Evaluator")
    assert evaluator["summary"].startswith("ran under TFX, which does not keep why")
    assert evaluator["upstream"] == ["CsvExampleGen", "Trainer"]


def test_gc_keeps_what_tfx_pushed_and_blessed(root: Path) -> None:
    with opened(root) as store:
        pushed = [a for a in store.artifacts_of_type(PushedModel) if a.custom_properties["pushed"]]
        blessed = [a for a in store.artifacts_of_type(ModelBlessing) if a.custom_properties["blessed"]]
        models = store.artifacts_of_type(Model)
    assert (len(pushed), len(blessed), len(models)) == (2, 2, 2)
    (good,) = [model for model in models if model.id == blessed[0].custom_properties["current_model_id"]]
    made_from = {artifact["id"] for artifact in ask(root, "lineage", str(good.id))["artifacts"]}
    doomed = ask(root, "gc", "--keep-runs", "0", "--delete")["doomed"]
    gone = {each["id"] for each in doomed}
    assert not gone & {good.id, *made_from, *(artifact.id for artifact in [*pushed, *blessed])}
    assert {model.id for model in models if model.id != good.id} < gone
    assert len(versions(root)) == 2
    for artifact in (good, *pushed):
        assert os.path.exists(artifact.uri)
    assert not any(os.path.exists(each["uri"]) for each in doomed)


def test_a_run_that_tfx_left_running(root: Path) -> None:
    """A TFX that was killed leaves RUNNING for good: who else runs is not known, so somebody has to say it."""
    with MetadataStore(SqliteConnection(root / "metadata.sqlite")) as store:
        run_id = store.runs("flights")[0]
        client_execution(root, "flights.Trainer", ExecutionState.RUNNING)
        with pytest.raises(MetadataError, match=rf"a run is under way .*, or say --ended {run_id}"):
            garbage.plan(store, "flights", str(root))
        with pytest.raises(MetadataError, match="has no run 'nonsense'"):
            garbage.end_run(store, "flights", "nonsense")
    assert ask(root, "pipelines")[0]["state"] == "running"
    ask(root, "gc", "--ended", run_id)
    (trainer,) = [node for node in ask(root, "status")["nodes"] if node["node_id"] == "Trainer"]
    assert (trainer["state"], "has ended" in trainer["message"]) == ("failed", True)


def client_execution(root: Path, node: str, state: ExecutionState) -> None:
    """Gives the latest execution of a node a state, with ML Metadata alone."""
    import sqlite3

    with contextlib.closing(sqlite3.connect(root / "metadata.sqlite")) as store, store:
        (execution_id,) = store.execute(
            "SELECT max(execution_id) FROM Association JOIN Context ON Context.id = context_id WHERE name = ?", (node,)
        ).fetchone()
        store.execute("UPDATE Execution SET last_known_state = ? WHERE id = ?", (int(state), execution_id))


# Going on here


@pytest.fixture(scope="module")
def continued(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """TFX's root after two partial runs here from TFX's first run, and a whole one."""
    folder = tmp_path_factory.mktemp("continued")
    unpack(folder)
    first = ask(folder, "runs")[-1]
    whole = ["run", "--as-tfx", PIPELINE, str(folder)]
    pushing = [*whole, "--from", "Pusher", "--base", first]
    training = [*whole, "--from", "Trainer", "--to", "Trainer", "--base", first]
    # In one process, as the imports take longer than the runs.
    commands = [pushing, training, whole]
    program = f"from mlops_tfx.cli import cli; [cli(command, standalone_mode=False) for command in {commands}]"
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_partial_run_from_a_run_of_tfx(continued: Path) -> None:
    run, first = latest_run(continued, back=2), latest_run(continued, back=6)
    assert states(run) == {**dict.fromkeys(ALL_NODES, "CACHED"), "Pusher": "COMPLETE"}
    assert run["Pusher"].inputs["model"][0].id == first["Trainer"].outputs["model"][0].id
    pushed = run["Pusher"].outputs["pushed_model"][0]
    assert pushed.custom_properties["pushed"] == 1
    # It is what TFX has pushed already, byte for byte: that version stands, and no further one is made.
    assert int(str(pushed.custom_properties["pushed_version"])) == versions(continued)[1]


def test_training_on_what_tfx_transformed(continued: Path) -> None:
    run, first = latest_run(continued, back=1), latest_run(continued, back=6)
    assert states(run)["Trainer"] == "COMPLETE"
    for key in ("examples", "transform_graph", "schema"):
        assert [a.id for a in run["Trainer"].inputs[key]] == [a.id for a in first["Trainer"].inputs[key]]
    models = [Path(found["Trainer"].outputs["model"][0].uri, "Format-Serving") for found in (run, first)]
    assert len({(model / "assets" / "origin").read_bytes() for model in models}) == 1
    # The same rows in the same order, and gradient descent without chance.
    np.testing.assert_allclose(weights(models[0]), weights(models[1]), rtol=1e-5)


def weights(model: Path) -> np.ndarray:
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(model / "variables" / "variables"))
    names = sorted(name for name in reader.get_variable_to_shape_map() if name.startswith(("weights/", "bias/")))
    assert len(names) == 2
    return np.concatenate([np.ravel(reader.get_tensor(name)) for name in names])


def test_everything_runs_again_and_takes_up_what_tfx_left(continued: Path) -> None:
    ours, unblessed, first = (latest_run(continued, back) for back in (0, 4, 6))
    # TFX's keys say less than ours, so that nothing of TFX's is taken for ours.
    assert states(ours) == dict.fromkeys(ALL_NODES, "COMPLETE")
    (examples,) = ours["CsvExampleGen"].outputs["examples"]
    assert examples.custom_properties["span"] == 2
    # The model that TFX blessed, not the newer one that it did not.
    (blessed,), (refused,) = first["Trainer"].outputs["model"], unblessed["Trainer"].outputs["model"]
    assert [a.id for a in ours["Evaluator"].inputs["baseline_model"]] == [blessed.id]
    assert blessed.id < refused.id
    (blessing,) = ours["Evaluator"].outputs["blessing"]
    assert (blessing.custom_properties["blessed"], blessing.custom_properties["baseline_model_id"]) == (1, blessed.id)
    (pushed,) = ours["Pusher"].outputs["pushed_model"]
    assert int(str(pushed.custom_properties["pushed_version"])) == versions(continued)[-1]
    assert len(versions(continued)) == 3
    # Ids are the store's, so that no output lies where TFX has put one.
    uris = [a.uri for run in (ours, unblessed, first) for r in run.values() for g in r.outputs.values() for a in g]
    assert all(os.path.exists(uri) for uri in uris)
    assert ask(continued, "runs") == sorted(ask(continued, "runs"), reverse=True)


def test_our_metrics_of_tfx_s_model_are_tfx_s(continued: Path) -> None:
    """Our Evaluator gives the baseline, which TFX trained, what TFX gave it on the same span but other splits' rows."""
    with opened(continued) as store:
        runs = store.runs("flights")
        ours, theirs = (accuracy(evaluation_of(store, runs[i]), "baseline") for i in (0, 4))
    assert ours == pytest.approx(theirs)


def test_answers_about_a_store_of_both(continued: Path) -> None:
    run_ids = ask(continued, "runs")
    assert "the earlier results are TFX's" in ask(continued, "why", "Transform")["summary"]
    # Of Trainer there is one of ours before, on TFX's Transform.
    changes = {change["name"] for change in ask(continued, "why", "Trainer")["changes"]}
    assert "input transform_graph[0]" in changes and all(name.startswith("input ") for name in changes)
    nodes = {node["node"]: node for node in ask(continued, "diff", run_ids[4], run_ids[0])["nodes"]}
    assert all("TFX ran" in node["untold"] for node in nodes.values() if node["node"] != RESOLVER)
    assert nodes["SchemaGen"]["outputs"] == [], "the same bytes, though another library wrote them"
    assert not any(
        change["name"].startswith(("library", "code")) for node in nodes.values() for change in node["changes"]
    )
    lineage = ask(continued, "lineage", str(continued / "serving" / str(versions(continued)[-1])))
    assert {node["run_id"] for node in lineage["executions"]} == {run_ids[0], run_ids[6]}
    kept = ask(continued, "gc", "--keep-runs", "0")
    assert not any(
        each["type"] in ("Model", "PushedModel") and "blessed" in each["custom_properties"] for each in kept["doomed"]
    )
    assert len(ask(continued, "models")) == 3


def test_a_notebook_goes_on_from_a_run_of_tfx(root: Path) -> None:
    from mlops_tfx import v1 as tfx
    from mlops_tfx.notebook import InteractiveContext

    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(root / "metadata.sqlite"))
    context = InteractiveContext("flights", str(root / "root"), connection)
    resolver = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
    ).with_id(RESOLVER)
    context.run(resolver)
    (model,) = resolver.outputs["model"].get()
    first = latest_run(root, back=4)
    assert model.id == first["Trainer"].outputs["model"][0].id
    pusher = tfx.components.Pusher(
        model=resolver.outputs["model"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=str(root / "serving"))
        ),
    )
    context.run(pusher)
    (pushed,) = pusher.outputs["pushed_model"].get()
    assert int(str(pushed.custom_properties["pushed_version"])) == versions(root)[1], "TFX has pushed it already"
    assert len(versions(root)) == 2


# With TFX itself

TFX_PYTHON = os.environ.get("TFX_PYTHON", "")
needs_tfx = pytest.mark.skipif(
    not TFX_PYTHON, reason="needs TFX 1.16: set TFX_PYTHON to a Python 3.10 with tfx==1.16.0 and dill"
)


def run_tfx(folder: Path, *arguments: str, script: str = PIPELINE) -> None:
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [TFX_PYTHON, script, str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=clean, check=False)
    assert done.returncode == 0, done.stderr


def outputs_of(run: dict[str, ExecutionRecord], node: str, key: str) -> list[int]:
    return [artifact.id for artifact in run[node].outputs[key]]


@pytest.mark.slow
@needs_tfx
def test_tfx_then_we_then_tfx(tmp_path: Path) -> None:
    add_span(tmp_path, 1)
    run_tfx(tmp_path)
    assert run_here(tmp_path).returncode == 0
    run_tfx(tmp_path)
    theirs, ours, first = (latest_run(tmp_path, back) for back in (0, 1, 2))
    assert states(ours) == dict.fromkeys(ALL_NODES, "COMPLETE")
    # TFX finds its own results in its cache, and none of ours, although ours are newer.
    assert states(theirs) == {**dict.fromkeys(DATA_NODES, "CACHED"), **dict.fromkeys(JUDGING_NODES, "COMPLETE")}
    assert outputs_of(theirs, "Trainer", "model") == outputs_of(first, "Trainer", "model")
    # It takes our blessed model as the baseline, reads it, and pushes a version after ours.
    assert outputs_of(theirs, RESOLVER, "model") == outputs_of(ours, "Trainer", "model")
    assert [a.id for a in theirs["Evaluator"].inputs["baseline_model"]] == outputs_of(ours, "Trainer", "model")
    pushed = theirs["Pusher"].outputs["pushed_model"][0].custom_properties
    assert (pushed["pushed"], int(str(pushed["pushed_version"]))) == (1, versions(tmp_path)[-1])
    assert len(versions(tmp_path)) == 3
    # What we delete is not offered by TFX's cache either.
    ask(tmp_path, "gc", "--keep-runs", "0", "--delete")
    run_tfx(tmp_path)
    assert not {"FAILED", "CANCELED"} & set(states(latest_run(tmp_path)).values())
    # And our own cache holds after that.
    assert run_here(tmp_path).returncode == 0
    assert states(latest_run(tmp_path))["CsvExampleGen"] == "CACHED"


@pytest.mark.slow
@needs_tfx
def test_we_then_tfx_then_we(tmp_path: Path) -> None:
    add_span(tmp_path, 1)
    assert run_here(tmp_path).returncode == 0
    ours = latest_run(tmp_path)
    # A part under TFX, on top of our run.
    run_tfx(tmp_path, script=str(HERE / "partial.py"))
    part = latest_run(tmp_path)
    assert states(part) == {**dict.fromkeys(set(DATA_NODES), "CACHED"), **dict.fromkeys(JUDGING_NODES, "COMPLETE")}
    assert [a.id for a in part["Evaluator"].inputs["model"]] == outputs_of(ours, "Trainer", "model")
    assert part["Evaluator"].outputs["blessing"][0].custom_properties["blessed"] == 1
    # The next span under TFX.
    add_span(tmp_path, 2)
    run_tfx(tmp_path)
    theirs = latest_run(tmp_path)
    assert states(theirs) == dict.fromkeys(ALL_NODES, "COMPLETE")
    assert theirs["CsvExampleGen"].outputs["examples"][0].custom_properties["span"] == 2
    assert outputs_of(theirs, RESOLVER, "model") == outputs_of(ours, "Trainer", "model")
    # A model that is not blessed, here; the baseline stays TFX's.
    assert run_here(tmp_path, how="guess").returncode == 0
    refused = latest_run(tmp_path)
    assert [a.id for a in refused["Evaluator"].inputs["baseline_model"]] == outputs_of(theirs, "Trainer", "model")
    assert refused["Evaluator"].outputs["blessing"][0].custom_properties["blessed"] == 0
    assert refused["Pusher"].outputs["pushed_model"][0].custom_properties["pushed"] == 0
    # TFX does not take it either.
    run_tfx(tmp_path)
    assert outputs_of(latest_run(tmp_path), RESOLVER, "model") == outputs_of(theirs, "Trainer", "model")
