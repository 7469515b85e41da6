"""A run killed between any two of a node's six steps leaves nothing half-visible, and the next run just continues."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_tfx.artifacts import Model
from mlops_tfx.connection import SqliteConnection
from mlops_tfx.metadata import ExecutionState, MetadataStore

PROGRAM = Path(__file__).with_name("crash_program.py")


@pytest.fixture(autouse=True)
def _find_the_tree(monkeypatch, project_root):
    monkeypatch.setenv("PYTHONPATH", str(project_root))


def _run(root, node_id="nothing", step=0):
    command = [sys.executable, str(PROGRAM), root, node_id, str(step)]
    return subprocess.run(command, timeout=120, check=False).returncode


def _store(root):
    return MetadataStore(SqliteConnection(filename_uri=os.path.join(root, "metadata.sqlite")))


def _files(root):
    return sorted(
        str(path.relative_to(root)) for path in Path(root).rglob("*") if path.is_file() and "metadata" not in path.name
    )


@pytest.mark.parametrize("step", range(1, 7))
def test_killed_after_step(step, tmp_path):
    root = str(tmp_path)
    assert _run(root, "Train", step) == -signal.SIGKILL
    with _store(root) as store:
        visible = store.latest(Model, pipeline_name="p", limit=None)
        complete = step == 6
        assert len(visible) == int(complete)
        assert all(os.path.exists(os.path.join(model.uri, "saved_model.pb")) for model in visible)
    assert _run(root) == 0
    with _store(root) as store:
        assert store.executions(pipeline_name="p", states={ExecutionState.RUNNING}) == []
        states = {r.node_id: r.state.name for r in store.executions(pipeline_name="p", run_id=store.runs("p")[0])}
        assert states == {"Gen": "CACHED", "Train": "CACHED" if step == 6 else "COMPLETE"}
        (model,) = store.latest(Model, pipeline_name="p", limit=None)
    assert sorted(os.listdir(model.uri)) == ["saved_model.pb", "variables"]
    published = {name for name in _files(root) if "/model/" in name}
    assert published == {os.path.relpath(os.path.join(model.uri, n), root) for n in ("variables", "saved_model.pb")}
    assert not [name for name in _files(root) if ".system" in name], "no staged or temporary file stays"


def test_kill_between_move_and_record(tmp_path):
    """The outputs are in place but unknown to the store: they are removed, and made again."""
    root = str(tmp_path)
    code = f"""
import os, signal, runpy, sys
from mlops_tfx.metadata import MetadataStore
finish = MetadataStore.finish
def die(self, execution_id, node, *args, **kwargs):
    if node.node_id == "Train":
        os.kill(os.getpid(), signal.SIGKILL)
    return finish(self, execution_id, node, *args, **kwargs)
MetadataStore.finish = die
sys.argv = ["x", {root!r}, "nothing", "0"]
runpy.run_path({str(PROGRAM)!r}, run_name="__main__")
"""
    killed = subprocess.run([sys.executable, "-c", code], timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL
    orphans = [name for name in _files(root) if "/model/" in name]
    assert len(orphans) == 2
    with _store(root) as store:
        assert store.latest(Model, pipeline_name="p", limit=None) == []
    assert _run(root) == 0
    remaining = [name for name in _files(root) if "/model/" in name]
    assert len(remaining) == 2
    assert set(remaining).isdisjoint(orphans)


def test_two_runs_at_once_on_one_root_both_finish(tmp_path):
    root = str(tmp_path)
    command = [sys.executable, str(PROGRAM), root, "nothing", "0"]
    started = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(timeout=120) for process in started] == [0, 0, 0]
    with _store(root) as store:
        runs = store.runs("p")
        assert len(runs) == 3
        for run_id in runs:
            states = {r.node_id: r.state.name for r in store.executions(pipeline_name="p", run_id=run_id)}
            assert set(states) == {"Gen", "Train"}
            assert set(states.values()) <= {"COMPLETE", "CACHED"}
        for model in store.latest(Model, pipeline_name="p", limit=None):
            assert sorted(os.listdir(model.uri)) == ["saved_model.pb", "variables"]
