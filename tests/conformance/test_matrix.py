"""Every shape of pipeline x everything that happens to one x every place where it runs.

The shapes, and what is to come of them, are in `matrix_shapes`. Nothing here is special to one of them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlops_tfx import LocalRunner, Pipeline
from mlops_tfx.connection import SqliteConnection
from mlops_tfx.errors import ConfigError, PipelineFailedError
from mlops_tfx.execution import NodeReport, Observer
from mlops_tfx.metadata import ExecutionState, MetadataStore
from mlops_tfx.notebook import InteractiveContext
from mlops_tfx.run_options import RunOptions
from tests.conformance.matrix_shapes import PIPELINE, SHAPES, Shape, Step

PROGRAM = Path(__file__).with_name("matrix_program.py")


@dataclass(frozen=True)
class Ended:
    """How a run ended: states by name, the number that End wrote and its artifact's id, and the error if it failed."""

    states: Mapping[str, str]
    result: int | None
    result_id: int
    error: str = ""


class _Reports(Observer):
    """Keeps the last report of every node, also where the run fails."""

    def __init__(self) -> None:
        self.reports: dict[str, NodeReport] = {}

    def node_ended(self, report: NodeReport) -> None:
        self.reports[report.node_id] = report

    def states(self) -> dict[str, str]:
        return {name: report.state.value for name, report in self.reports.items()}


class Local:
    """Runs pipelines with LocalRunner."""

    def run(self, pipeline: Pipeline, options: RunOptions | None = None) -> Ended:
        """Runs a pipeline, or a part."""
        heard = _Reports()
        try:
            result = LocalRunner(observer=heard).run(pipeline, run_options=options)
        except PipelineFailedError as error:
            return Ended(heard.states(), None, 0, str(error))
        assert {report.node_id: report.state.value for report in result.reports} == heard.states()
        (end,) = result.outputs["End"]["out"]
        return Ended(heard.states(), end.read(), end.id)

    def run_and_change_end(self, pipeline: Pipeline, changed: Pipeline) -> Ended:
        """Runs a pipeline, and then only the last node of another one."""
        self.run(pipeline)
        return self.run(changed, RunOptions(from_nodes=["End"]))


class Notebook:
    """Runs pipelines as a notebook does: a context, and a cell for each node. A new pipeline is a new kernel."""

    def run(self, pipeline: Pipeline) -> Ended:
        """Runs all nodes."""
        return self._run(pipeline)[0]

    def run_and_change_end(self, pipeline: Pipeline, changed: Pipeline) -> Ended:
        """Runs all nodes, and then once more the cell of the last one, changed."""
        _, context, heard = self._run(pipeline)
        end = pipeline["End"]
        again = Step(**end.inputs, **changed["End"].exec_properties).with_id("End")
        heard.reports.clear()
        (artifact,) = context.run(again, enable_cache=False).outputs["out"]
        return Ended(heard.states(), artifact.read(), artifact.id)

    def _run(self, pipeline: Pipeline) -> tuple[Ended, InteractiveContext, _Reports]:
        heard, states, errors = _Reports(), {}, []
        context = InteractiveContext(PIPELINE, pipeline.pipeline_root, observer=heard)
        for node in pipeline.nodes:
            heard.reports.clear()
            try:
                context.run(node, enable_cache=pipeline.enable_cache)
            except PipelineFailedError as error:
                errors.append(str(error))
            except ConfigError as error:
                assert "which has not run" in str(error)
                states[node.id] = "skipped"
            parts = (f"{node.id}[", f"{node.id}.")
            states.update({n: s for n, s in heard.states().items() if n == node.id or n.startswith(parts)})
        if errors:
            return Ended(states, None, 0, "\n".join(errors)), context, heard
        (end,) = pipeline["End"].outputs["out"].get()
        return Ended(states, end.read(), end.id), context, heard


PLACES: dict[str, Local | Notebook] = {"local": Local(), "notebook": Notebook()}
"""Where pipelines run."""


@pytest.fixture(params=PLACES)
def place(request) -> Local | Notebook:
    """Runs pipelines and says how they ended."""
    return PLACES[request.param]


@pytest.fixture(params=SHAPES)
def shape(request) -> Shape:
    """One of the shapes."""
    return SHAPES[request.param]


@pytest.fixture(scope="module")
def killed(tmp_path_factory, project_root) -> Path:
    """A folder with one of each shape, for each place, whose process was killed in Middle."""
    folder = tmp_path_factory.mktemp("killed")
    for name in PLACES:
        os.mkdir(folder / name)
        command = [sys.executable, str(PROGRAM), str(folder / name)]
        environment = {**os.environ, "PYTHONPATH": str(project_root)}
        done = subprocess.run(command, env=environment, timeout=300, check=True, capture_output=True, text=True)
        assert dict(line.split() for line in done.stdout.splitlines()) == dict.fromkeys(SHAPES, str(-signal.SIGKILL))
    return folder


def _mood(folder: Path, text: str) -> None:
    (folder / "mood").write_text(text, encoding="utf-8")


def _store(root: Path) -> MetadataStore:
    return MetadataStore(SqliteConnection(filename_uri=str(root / "metadata.sqlite")))


def _cached(states: Mapping[str, str]) -> dict[str, str]:
    return {name: "cached" if state == "complete" else state for name, state in states.items()}


def _no_unfinished_files(root: Path) -> bool:
    return not [path for path in root.rglob("*") if ".system" in path.parts and path.is_file()]


def test_run(shape, place, tmp_path):
    ended = place.run(shape.pipeline(str(tmp_path / "root"), str(tmp_path)))
    assert ended.states == shape.states
    assert ended.result == shape.result
    assert _no_unfinished_files(tmp_path / "root")


def test_cached_rerun(shape, place, tmp_path):
    first = place.run(shape.pipeline(str(tmp_path / "root"), str(tmp_path)))
    again = place.run(shape.pipeline(str(tmp_path / "root"), str(tmp_path)))
    assert again.states == _cached(shape.states)
    assert (again.result, again.result_id) == (first.result, first.result_id)
    changed = place.run(shape.pipeline(str(tmp_path / "root"), str(tmp_path), add=2))
    assert changed.states == {**_cached(shape.states), "End": "complete"}
    assert changed.result == shape.result + 1


def test_failure_and_resume(shape, place, tmp_path):
    mood = f"fail Middle {shape.at}"
    _mood(tmp_path, mood)
    failed = place.run(shape.pipeline(str(tmp_path / "root"), str(tmp_path)))
    expected = {**shape.states, **shape.failing}
    assert failed.states == expected
    assert f"in the mood to {mood}" in failed.error
    with _store(tmp_path / "root") as store:
        records = store.executions(PIPELINE, states={ExecutionState.FAILED})
        assert f"in the mood to {mood}" in min(records, key=lambda record: record.id).error
        assert {record.label for record in records} <= {n for n, state in expected.items() if state == "failed"}
    assert _no_unfinished_files(tmp_path / "root")
    _mood(tmp_path, "")
    resumed = place.run(shape.pipeline(str(tmp_path / "root"), str(tmp_path)))
    assert resumed.states == {**_cached(expected), **{name: shape.states[name] for name in shape.failing}}
    assert resumed.result == shape.result


def test_partial_run(shape, place, tmp_path):
    pipeline, changed = (
        shape.pipeline(str(tmp_path / "root"), str(tmp_path), add, enable_cache=False) for add in (1, 2)
    )
    part = place.run_and_change_end(pipeline, changed)
    reused = {name: state for name, state in shape.states.items() if name not in shape.reused_whole}
    assert part.states == {**_cached(reused), "End": "complete"}
    assert part.result == shape.result + 1


@pytest.mark.usefixtures("shape")
def test_killed(request, place, killed):
    shape_name, place_name = request.node.callspec.params["shape"], request.node.callspec.params["place"]
    shape, folder = SHAPES[shape_name], killed / place_name / shape_name
    _mood(folder, "")
    resumed = place.run(shape.pipeline(str(folder / "root"), str(folder)))
    before = {name for name in shape.states if name.rpartition(".")[2] in ("First", "Several", "Each[0]", "Middle[0]")}
    assert {resumed.states[name] for name in before} == {"cached"}
    assert {resumed.states[name] for name in shape.failing} == {"complete"}
    assert resumed.states.keys() == shape.states.keys()
    assert resumed.result == shape.result
    with _store(folder / "root") as store:
        assert store.executions(PIPELINE, states={ExecutionState.RUNNING}) == []
        (interrupted,) = store.executions(PIPELINE, states={ExecutionState.FAILED})
        assert "interrupted: the process that ran it" in interrupted.error
    assert _no_unfinished_files(folder / "root")
