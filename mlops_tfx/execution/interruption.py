"""What happens to running nodes when the run is interrupted, by Ctrl-C or SIGTERM.

A thread cannot be stopped from outside; it can be asked, by an exception that it meets in its next Python instruction.
Nodes get a few seconds for that. Those that do not answer (they wait in C code) are given up: what they have written is
removed, their execution is marked as canceled, and nothing of theirs is published any more. Nodes with a time limit run
in processes of their own, which are killed.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from mlops_tfx.errors import NodeFailedError, RunInterrupted, TerminatedBySignal
from mlops_tfx.execution.attempt import message_of
from mlops_tfx.execution.observer import NodeReport, NodeState
from mlops_tfx.execution.retries import run_attempts
from mlops_tfx.execution.triggers import DONE

if TYPE_CHECKING:
    from types import FrameType

    from mlops_tfx.execution.run import Run

GRACE_SECONDS = 5.0
"""How long nodes are waited for."""

_EXIT_CODE_OF_SIGTERM = 128 + signal.SIGTERM


@contextlib.contextmanager
def sigterm_ends_run() -> Iterator[None]:
    """Makes SIGTERM end the run, and then the process with exit code 143, unless the program handles it itself."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit(number: int, frame: FrameType | None) -> None:
    raise TerminatedBySignal(_EXIT_CODE_OF_SIGTERM)


def describe(error: BaseException) -> str:
    """What interrupted the run."""
    if isinstance(error, Exception):
        return f"ended by {message_of(error)}"
    name = "SIGTERM" if isinstance(error, TerminatedBySignal) else type(error).__name__
    return f"interrupted by {name}"


def end_lifetimes(run: Run, states: Mapping[str, NodeState]) -> Iterator[NodeFailedError]:
    """Runs the nodes that free what others acquired (``lifetime_start``), and yields the failures.

    Args:
        run: one that is not stopping.
        states: how the nodes that have ended did so, by id.
    """
    for node in run.pipeline:
        start = node.node_execution_options.lifetime_start
        if start is None or node.id in states or states.get(start) not in DONE:
            continue
        started = time.monotonic()
        try:
            outcome = run_attempts(node, run)
            report = NodeReport(node.id, outcome.state, outcome.rows, time.monotonic() - started, outcome.message)
        except NodeFailedError as failure:
            report = NodeReport(node.id, NodeState.FAILED, 0, time.monotonic() - started, failure.message)
            yield failure
        run.observer.node_ended(report)


def stop_nodes(run: Run, error: BaseException) -> None:
    """Stops all running nodes of a run that ``error`` interrupts; returns when none can publish any more."""
    run.stopping.set()
    deadline = time.monotonic() + GRACE_SECONDS
    left = [attempt for attempt in list(run.attempts) if attempt.thread_id != threading.get_ident()]
    reason = RunInterrupted(f"the run was {describe(error)}")
    for attempt in left:
        attempt.interrupt()
    for attempt in left:
        ended = attempt.ended.wait(max(0.0, deadline - time.monotonic()))
        untold = "" if ended else attempt.fail(reason, timeout_seconds=0)
        attempt.tell_failure(f"{describe(error)}{untold}")
