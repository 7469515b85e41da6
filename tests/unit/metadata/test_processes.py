"""Several processes on one SQLite file, and processes that are killed while they write."""

from __future__ import annotations

import random
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from mlops_tfx.artifacts import Model
from mlops_tfx.connection import SqliteConnection
from mlops_tfx.metadata import ExecutionState, MetadataStore
from tests.unit.metadata.conftest import make_node, plain_client


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def check_whole(path: Path) -> Counter[str]:
    """Asserts that every execution is whole; returns how many there are, by state."""
    from ml_metadata.proto import metadata_store_pb2 as pb

    plain = plain_client(path)
    executions = plain.get_executions()
    events = plain.get_events_by_execution_ids([row.id for row in executions]) if executions else []
    outputs: dict[int, list[tuple[int, str, int]]] = {row.id: [] for row in executions}
    for event in events:
        assert event.type == pb.Event.OUTPUT
        outputs[event.execution_id].append((event.artifact_id, event.path.steps[0].key, event.path.steps[1].index))
    artifacts = {row.id: row for row in plain.get_artifacts()}
    assert {event.artifact_id for event in events} == set(artifacts)
    expected = [("examples", 0), ("examples", 1), ("model", 0)]
    for row in executions:
        kinds = sorted(context.type for context in plain.get_contexts_by_execution(row.id))
        assert kinds == ["execution_cache", "node", "pipeline", "pipeline_run"]
        running = row.last_known_state == pb.Execution.RUNNING
        assert sorted((key, index) for _, key, index in outputs[row.id]) == ([] if running else expected)
        assert ("rows" in row.custom_properties) == (row.last_known_state == pb.Execution.COMPLETE)
    for row in artifacts.values():
        assert row.state == pb.Artifact.LIVE
        assert len(plain.get_contexts_by_artifact(row.id)) == 4
        assert set(row.custom_properties) == {"tfx_version", "is_external"}
    for run in plain.get_contexts_by_type("pipeline_run"):
        assert len(plain.get_parent_contexts_by_context(run.id)) == 1
    return Counter(ExecutionState(row.last_known_state).name for row in executions)


@pytest.mark.parametrize(("processes", "count"), [(2, 100), (4, 20)])
def test_processes_that_hammer_one_new_file_lose_nothing(tmp_path, start_publisher, processes, count):
    # The file does not exist yet: they also race for making it, its types and the context of the pipeline.
    path = tmp_path / "store" / "metadata.sqlite"
    started = [start_publisher(path, f"p{number}", count) for number in range(processes)]
    for process in started:
        go(process)
    for process in started:
        _, errors = process.communicate()
        assert (process.returncode, errors) == (0, ""), errors
    total = processes * count
    assert check_whole(path) == {"COMPLETE": total, "CACHED": total}
    with MetadataStore(SqliteConnection(path), read_only=True) as store:
        records = store.executions(states={ExecutionState.COMPLETE})
        assert Counter(record.run_id for record in records) == {f"run-p{n}": count for n in range(processes)}
        for number in range(processes):
            numbers = [r.properties["number"] for r in records if r.run_id == f"run-p{number}"]
            assert numbers == list(range(count))
        assert sorted(store.runs("shared")) == [f"run-p{number}" for number in range(processes)]
        assert len({artifact.uri for record in records for artifact in record.outputs["model"]}) == total


def test_a_process_killed_at_any_moment_leaves_whole_executions_only(tmp_path, start_publisher):
    path = tmp_path / "metadata.sqlite"
    chance = random.Random(0)
    seen: Counter[str] = Counter()
    for number in range(12):
        process = start_publisher(path, f"p{number}", 10_000)
        assert process.stdout is not None
        go(process)
        # The first are killed while they make the file, the others after some steps and up to 8 ms more.
        for _ in range(chance.randrange(1, 12) if number > 2 else 0):
            process.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=chance.uniform(0, 0.008))
        process.kill()
        process.communicate()
        if path.exists() and path.stat().st_size:
            # A reader undoes what the dead process left unfinished, then all is whole.
            MetadataStore(SqliteConnection(path)).close()
            seen = check_whole(path)
    assert seen["COMPLETE"] > 5
    with MetadataStore(SqliteConnection(path)) as store:
        store.publish(make_node(), inputs={}, outputs={"x": [Model("/m")]}, properties={})
        assert store.latest(Model, pipeline_name="flights")[0].uri == "/m"
