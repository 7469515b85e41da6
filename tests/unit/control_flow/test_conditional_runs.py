"""A pipeline with conditions, run, run again, resumed after a failure, in part, and after kill -9."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_tfx import LocalRunner
from mlops_tfx.connection import SqliteConnection
from mlops_tfx.errors import PipelineFailedError
from mlops_tfx.execution import Observer
from mlops_tfx.execution.reports import reports_of_run
from mlops_tfx.metadata import SKIPPED, ExecutionState, MetadataStore
from mlops_tfx.run_options import RunOptions
from tests.unit.control_flow import conditional_program

NODES = ("Gen", "Large", "Small", "After", "Sum")


def run(root, n, **kwargs):
    return LocalRunner(observer=Observer()).run(conditional_program.pipeline(str(root), n), **kwargs)


def states(result):
    found = {report.node_id: report.state.value for report in result.reports}
    return " ".join(found[node] for node in NODES)


def total(result):
    return result.outputs["Sum"]["result"][0].read()


def store_of(root):
    return MetadataStore(SqliteConnection(filename_uri=str(root / "metadata.sqlite")), read_only=True)


def test_run_and_run_again(tmp_path):
    seen = [(states(result := run(tmp_path, n)), total(result)) for n in (3, 3, 2, 3)]
    assert seen == [
        ("complete complete skipped complete complete", 6),
        ("cached cached skipped cached cached", 6),
        ("complete skipped complete skipped complete", 4),
        ("cached cached skipped cached cached", 6),
    ]


def test_failure_and_resume(tmp_path):
    (tmp_path / "fail").touch()
    with pytest.raises(PipelineFailedError) as raised:
        run(tmp_path, 3)
    assert [failure.node_id for failure in raised.value.failures] == ["Large"]
    assert set(raised.value.skipped) == {"After", "Sum"}  # blocked by the failure; Small was skipped by its condition
    (tmp_path / "fail").unlink()
    assert states(run(tmp_path, 3)) == "cached complete skipped complete complete"


def test_part_of_it_and_part_of_that(tmp_path):
    run(tmp_path, 3)
    for _ in range(2):
        result = run(tmp_path, 3, run_options=RunOptions(from_nodes=["Sum"]))
        assert states(result) == "cached cached skipped cached cached"
        assert total(result) == 6
        with store_of(tmp_path) as store:
            _, reports = reports_of_run(store, "conditional", result.run_id)
            (small,) = store.executions("conditional", result.run_id, "Small")
        assert {report.node_id: report.state.value for report in reports} == dict(
            zip(NODES, "cached cached skipped cached cached".split(), strict=True)
        )
        assert small.state is ExecutionState.CANCELED
        assert small.properties[SKIPPED].startswith("its condition is false")
    result = run(tmp_path, 3, run_options=RunOptions(to_nodes=["After"]))
    assert states(result) == "cached cached skipped cached skipped"


@pytest.mark.parametrize(("node", "step"), [("Gen", 6), ("Large", 1), ("Large", 5)])
def test_killed_and_run_again(tmp_path, node, step):
    command = [sys.executable, conditional_program.__file__, str(tmp_path), "3"]
    root = str(Path(__file__).parents[3])
    killed = subprocess.run([*command, node, str(step)], env={"PYTHONPATH": root}, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL
    result = run(tmp_path, 3)
    found = {report.node_id: report.state.value for report in result.reports}
    assert found["Small"] == "skipped"
    assert {state for name, state in found.items() if name != "Small"} <= {"complete", "cached"}
    assert total(result) == 6
    with store_of(tmp_path) as store:
        assert store.executions("conditional", states={ExecutionState.RUNNING}) == []


def test_what_the_store_says_of_a_skipped_node_on_the_command_line(tmp_path, capsys):
    from mlops_tfx.cli import cli

    run(tmp_path, 2)
    status = _output(cli, capsys, "status", "--root", str(tmp_path))
    assert "Large" in status and "skipped" in status
    why = _output(cli, capsys, "why", "Large", "--root", str(tmp_path))
    assert "skipped: its condition is false: Gen.outputs['number'].future()[0].value > 2 (2)" in " ".join(why.split())


def _output(cli, capsys, *arguments):
    cli(list(arguments), standalone_mode=False)
    return capsys.readouterr().out
