"""What happens during a run, as events: progress displays, logs and tests listen."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace


class NodeState(enum.Enum):
    """Where a node stands."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETE = "complete"
    CACHED = "cached"
    FAILED = "failed"
    SKIPPED = "skipped"


class Step(enum.IntEnum):
    """The six steps of a node; see ``mlops_tfx.execution.task``."""

    RESOLVE = 1
    FINGERPRINT = 2
    BEGIN = 3
    STAGE = 4
    RUN = 5
    PUBLISH = 6


@dataclass(frozen=True)
class NodeReport:
    """How a node ended.

    Attributes:
        node_id: the node.
        state: COMPLETE, CACHED, FAILED or SKIPPED.
        rows: rows that the component reported; 0 if it handles none, or was cached.
        seconds: wall time.
        message: why it failed or was skipped, else "".
    """

    node_id: str
    state: NodeState
    rows: int = 0
    seconds: float = 0.0
    message: str = ""


class Observer:
    """Listens to a run: define the methods of the events you want. They are called from the threads that run nodes."""

    def run_started(self, pipeline_name: str, run_id: str, node_ids: list[str]) -> None:
        """Called once, before the first node."""

    def node_started(self, node_id: str) -> None:
        """Called when a node begins step 1."""

    def step_done(self, node_id: str, step: Step) -> None:
        """Called after each of the six steps."""

    def rows_reported(self, node_id: str, rows: int) -> None:
        """Called with the total of rows so far."""

    def logged(self, node_id: str, text: str) -> None:
        """Called for each line that a component logs."""

    def node_ended(self, report: NodeReport) -> None:
        """Called when a node has ended, or will never start."""

    def run_ended(self) -> None:
        """Called once, after the last node, however the run ended."""


def labelled(observer: Observer, label: Callable[[str], str]) -> Observer:
    """Returns an observer that tells another one about nodes, by the names that ``label`` gives them."""
    return _Labelled(observer.told if isinstance(observer, _Labelled) else observer, label)


class _Labelled(Observer):
    def __init__(self, told: Observer, label: Callable[[str], str]) -> None:
        self.told = told
        self._label = label

    def node_started(self, node_id: str) -> None:
        self.told.node_started(self._label(node_id))

    def step_done(self, node_id: str, step: Step) -> None:
        self.told.step_done(self._label(node_id), step)

    def rows_reported(self, node_id: str, rows: int) -> None:
        self.told.rows_reported(self._label(node_id), rows)

    def logged(self, node_id: str, text: str) -> None:
        self.told.logged(self._label(node_id), text)

    def node_ended(self, report: NodeReport) -> None:
        self.told.node_ended(replace(report, node_id=self._label(report.node_id)))
