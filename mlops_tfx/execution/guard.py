"""Keeps what an observer raises from the nodes: a display that fails must not spoil a run, nor pass unnoticed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from mlops_tfx.execution.observer import NodeReport, Observer, Step


class GuardedObserver(Observer):
    """Passes events on to another observer until that raises. The run then goes on unobserved, and fails at its end.

    Attributes:
        error: the first error of the observer, or None.
    """

    def __init__(self, told: Observer) -> None:
        self._told = told
        self._lock = threading.Lock()
        self.error: Exception | None = None

    def _tell(self, event: Callable[..., None], *args: Any) -> None:
        if self.error is not None:
            return
        try:
            event(*args)
        except Exception as error:
            with self._lock:
                self.error = self.error or error

    def run_started(self, pipeline_name: str, run_id: str, node_ids: list[str]) -> None:
        self._tell(self._told.run_started, pipeline_name, run_id, node_ids)

    def node_started(self, node_id: str) -> None:
        self._tell(self._told.node_started, node_id)

    def step_done(self, node_id: str, step: Step) -> None:
        self._tell(self._told.step_done, node_id, step)

    def rows_reported(self, node_id: str, rows: int) -> None:
        self._tell(self._told.rows_reported, node_id, rows)

    def logged(self, node_id: str, text: str) -> None:
        self._tell(self._told.logged, node_id, text)

    def node_ended(self, report: NodeReport) -> None:
        self._tell(self._told.node_ended, report)

    def run_ended(self) -> None:
        self._tell(self._told.run_ended)
