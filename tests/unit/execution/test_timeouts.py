"""Nodes with a time limit run in processes of their own, which are gone afterwards however they ended."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mlops_tfx import LocalRunner, NodeExecutionOptions, Pipeline
from mlops_tfx.errors import ConfigError, NodeTimeoutError, PipelineFailedError
from mlops_tfx.execution import Observer
from mlops_tfx.metadata import MetadataStore
from tests.unit.execution.slow_components import Slow


class Log(Observer):
    def __init__(self):
        self.lines, self.rows = [], []

    def logged(self, node_id, text):
        self.lines.append(text)

    def rows_reported(self, node_id, rows):
        self.rows.append(rows)


def run(tmp_path, how, timeout=120.0, retries=0, reset=False, load=None):
    slow = Slow(how=how, note=str(tmp_path / "note"), load=load)
    options = NodeExecutionOptions(
        execution_timeout_sec=timeout,
        max_execution_retries=retries,
        retry_backoff_sec=0,
        reset_stateful_working_dir=reset,
    )
    log = Log()
    slow.with_node_execution_options(options)
    pipeline = Pipeline("p", str(tmp_path / "root"), components=[slow])
    try:
        return LocalRunner(observer=log).run(pipeline), log
    except PipelineFailedError as error:
        return error, log


def files(tmp_path, folder="root"):
    found = (tmp_path / folder).rglob("*")
    return sorted(str(path.relative_to(tmp_path)) for path in found if path.is_file() and "metadata" not in path.name)


def records(tmp_path):
    with MetadataStore(Pipeline("p", str(tmp_path / "root")).metadata_connection_config, read_only=True) as store:
        return store.executions(pipeline_name="p")


def processes_are_gone(tmp_path):
    note = tmp_path / "note"
    # On a busy machine the time may be over before it has begun.
    for pid in map(int, note.read_text().split() if note.exists() else ()):
        deadline = time.monotonic() + 60
        while state(pid) not in ("gone", "Z"):
            assert time.monotonic() < deadline, f"process {pid} is left, in state {state(pid)}"


def state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "gone"


def test_node_that_ends_in_time_is_like_any_other(tmp_path):
    result, log = run(tmp_path, "well")
    assert not isinstance(result, PipelineFailedError), result
    outputs = result.outputs["Slow"]
    assert [report.rows for report in result.reports] == [7]
    assert log.rows == [3, 7]
    assert log.lines[0] != f"in {os.getpid()}"
    assert outputs["model"][0].custom_properties["span"] == 7
    assert [part.splits for part in outputs["parts"]] == [["split0"], ["split1"]]
    assert Path(outputs["model"][0].uri, "weights").read_text() == "w"
    assert outputs["model"][0].uri.startswith(str(tmp_path / "root" / "Slow" / "model"))
    processes_are_gone(tmp_path)
    again, _ = run(tmp_path, "well")
    assert [report.state.value for report in again.reports] == ["cached"]
    assert not [name for name in files(tmp_path) if ".system" in name], "the working directory goes when it is done"


def test_node_that_hangs_is_killed(tmp_path):
    error, _ = run(tmp_path, "hangs", timeout=5)
    assert isinstance(error, PipelineFailedError)
    assert isinstance(error.failures[0].__cause__, NodeTimeoutError)
    assert "expected it to end within execution_timeout_sec=5; its process was killed" in str(error)
    processes_are_gone(tmp_path)
    (record,) = records(tmp_path)
    assert record.state.name == "FAILED"
    assert "NodeTimeoutError: expected it to end within execution_timeout_sec=5" in record.error
    assert record.outputs == {}
    assert [name for name in files(tmp_path) if "stateful_working_dir" not in name] == []


@pytest.mark.parametrize(
    ("how", "message", "in_store"),
    [
        ("fails", "ValueError: loss is NaN", 'raise ValueError("loss is NaN")'),
        ("is_odd", "RuntimeError: Odd: ab", 'raise Odd("a", "b")'),
        ("exits", "RuntimeError: SystemExit: 0", "sys.exit(0)"),
        ("dies", "RuntimeError: the node's process was killed by signal 9 (SIGKILL) before it was done", "SIGKILL"),
    ],
)
def test_failure_in_the_process_is_told_with_its_traceback(tmp_path, how, message, in_store):
    error, _ = run(tmp_path, how)
    assert str(error).splitlines()[0] == f"node 'Slow' failed: {message}"
    (record,) = records(tmp_path)
    assert record.state.name == "FAILED"
    assert in_store in record.error
    processes_are_gone(tmp_path)
    assert [name for name in files(tmp_path) if "stateful_working_dir" not in name] == []


@pytest.mark.parametrize("reset", [False, True])
def test_retry_finds_the_checkpoint_unless_reset(tmp_path, reset):
    error, log = run(tmp_path, "fails", retries=1, reset=reset)
    assert isinstance(error, PipelineFailedError)
    assert [line for line in log.lines if "checkpoint" in line] == ["checkpoint: False", f"checkpoint: {not reset}"]
    error, log = run(tmp_path, "fails", reset=reset)
    assert f"checkpoint: {not reset}" in log.lines, "a later run with the same work finds it too"
    assert [record.state.name for record in records(tmp_path)] == ["FAILED"] * 3


def test_what_cannot_be_sent_is_refused(tmp_path):
    error, _ = run(tmp_path, "well", load=threading.Lock(), retries=3)
    assert isinstance(error.failures[0].__cause__, ConfigError)
    assert "Slow: with execution_timeout_sec, or " in str(error)
    assert "a component runs in a process of its own, and it cannot be sent there: TypeError" in str(error)
    assert len(records(tmp_path)) == 1


def test_classes_and_functions_of_the_program_itself(tmp_path, project_root):
    """In a notebook or a script they are in ``__main__``, which the other process must not run again."""
    program = tmp_path / "program.py"
    program.write_text(
        """
from __future__ import annotations
import os
from mlops_tfx import LocalRunner, NodeExecutionOptions, Pipeline
from mlops_tfx.artifacts import Integer, Model
from mlops_tfx.component import Component, Input, Output, OutputDict, Parameter, component

FACTOR = 3
print("program runs")

@component
def Make(n: Parameter[int]) -> OutputDict(n=int):
    return {"n": FACTOR * n}

class Double(Component):
    n: Input[Integer]
    model = Output(Model)

    def run(self) -> None:
        assert os.getpid() != STARTED
        open(os.path.join(self.model.uri, str(2 * self.n.value)), "w").close()

STARTED = os.getpid()
limit = NodeExecutionOptions(execution_timeout_sec=100)
make = Make(n=7).with_node_execution_options(limit)
double = Double(make.outputs["n"]).with_node_execution_options(limit)
result = LocalRunner().run(Pipeline("p", "root", components=[make, double]))
print(os.listdir(result.outputs["Double"]["model"][0].uri))
"""
    )
    done = subprocess.run(
        [sys.executable, str(program)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(project_root)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["program runs", "['42']"]
