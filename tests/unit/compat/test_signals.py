"""Executors and functions that handle signals, which only a main thread can."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlops_tfx import LocalRunner, NodeExecutionOptions, Pipeline
from mlops_tfx.errors import PipelineFailedError
from mlops_tfx.execution.observer import NodeState
from tests.unit.compat.signalling import Alarmed, Signalling


def run(tmp_path: Path, node: Any) -> Any:
    return LocalRunner(observer=None).run(Pipeline("signals", tmp_path / "root", components=[node]))


def test_an_executor_that_handles_signals_has_a_main_thread(tmp_path: Path) -> None:
    result = run(tmp_path, Alarmed())
    assert result.outputs["Alarmed"]["text"][0].value == "the alarm rang in MainThread"
    assert [report.state for report in run(tmp_path, Alarmed()).reports] == [NodeState.CACHED]


def test_an_executor_of_a_script_that_handles_signals(tmp_path: Path) -> None:
    program = Path(__file__).parent / "pipelines" / "signal_pipeline.py"
    command = [sys.executable, "-m", "mlops_tfx.compat", str(program), str(tmp_path / "root")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "heard rang in String" in done.stdout


def test_other_nodes_that_need_a_main_thread_are_told_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(PipelineFailedError, match=r"only works in main thread.*execution_timeout_sec=86400") as caught:
        run(tmp_path, Signalling())
    assert "ValueError" in str(caught.value)
    node = Signalling().with_node_execution_options(NodeExecutionOptions(execution_timeout_sec=86400))
    assert [report.state for report in run(tmp_path, node).reports] == [NodeState.COMPLETE]
