"""Shows a run: a live table on a terminal, plain lines elsewhere, and the table of reports at the end."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from typing import IO

from rich.console import Console
from rich.live import Live
from rich.table import Table

from mlops_tfx.execution.families import in_families
from mlops_tfx.execution.observer import NodeReport, NodeState, Observer

_STYLES = {
    NodeState.WAITING: "dim",
    NodeState.RUNNING: "cyan",
    NodeState.COMPLETE: "green",
    NodeState.CACHED: "blue",
    NodeState.FAILED: "bold red",
    NodeState.SKIPPED: "yellow",
}


def progress_display(stream: IO[str] | None = None) -> Observer:
    """Returns a live table for a terminal, plain lines for a pipe or a file. Standard error by default."""
    stream = stream or sys.stderr
    return LiveTable(stream) if stream.isatty() else PlainLines(stream)


def report_table(reports: Sequence[NodeReport], title: str | None = None) -> Table:
    """Returns the run's table: node, state, rows, seconds. Of long loops it leaves out elements that ended well."""
    table = Table(title=title, title_justify="left", header_style="bold")
    table.add_column("node")
    table.add_column("state")
    table.add_column("rows", justify="right")
    table.add_column("seconds", justify="right")
    for report in in_families(reports):
        rows = f"{report.rows:,}" if report.rows else ""
        seconds = f"{report.seconds:.1f}" if report.state is not NodeState.WAITING else ""
        state = f"[{_STYLES[report.state]}]{report.state.value}"
        table.add_row(report.node_id, state, rows, seconds)
    return table


def print_reports(reports: Sequence[NodeReport], title: str | None = None, stream: IO[str] | None = None) -> None:
    """Prints the run's table; to standard output by default. A long node name is never cut."""
    console = Console(file=stream or sys.stdout)
    table = report_table(reports, title)
    console.print(table, width=max(console.width, console.measure(table).maximum))


class PlainLines(Observer):
    """One line per event, for logs."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def _line(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()

    def run_started(self, pipeline_name: str, run_id: str, node_ids: list[str]) -> None:
        """Writes what begins."""
        self._line(f"pipeline {pipeline_name}, run {run_id}: {len(node_ids)} nodes")

    def node_started(self, node_id: str) -> None:
        """Writes the node."""
        self._line(f"{node_id}: started")

    def logged(self, node_id: str, text: str) -> None:
        """Writes each line under the node's name."""
        for line in text.splitlines():
            self._line(f"{node_id}: {line}")

    def node_ended(self, report: NodeReport) -> None:
        """Writes how it ended."""
        rows = f", {report.rows:,} rows" if report.rows else ""
        message = f": {report.message}" if report.message else ""
        self._line(f"{report.node_id}: {report.state.value} in {report.seconds:.1f} s{rows}{message}")


class LiveTable(Observer):
    """A table that is redrawn while the run goes on; log lines and errors scroll above it."""

    def __init__(self, stream: IO[str]) -> None:
        self._console = Console(file=stream)
        self._lock = threading.RLock()
        self._title = ""
        self._reports: dict[str, NodeReport] = {}
        self._started: dict[str, float] = {}
        self._live: Live | None = None

    def _table(self) -> Table:
        with self._lock:
            now = time.monotonic()
            shown = [
                NodeReport(r.node_id, r.state, r.rows, now - self._started[r.node_id])
                if r.state is NodeState.RUNNING
                else r
                for r in self._reports.values()
            ]
        return report_table(shown, self._title)

    def run_started(self, pipeline_name: str, run_id: str, node_ids: list[str]) -> None:
        """Draws the table."""
        self._title = f"{pipeline_name}, run {run_id}"
        self._reports = {node_id: NodeReport(node_id, NodeState.WAITING) for node_id in node_ids}
        self._live = Live(console=self._console, get_renderable=self._table, refresh_per_second=4)
        self._live.start()

    def node_started(self, node_id: str) -> None:
        """Shows the node as running."""
        with self._lock:
            self._started[node_id] = time.monotonic()
            self._reports[node_id] = NodeReport(node_id, NodeState.RUNNING)

    def rows_reported(self, node_id: str, rows: int) -> None:
        """Shows the rows so far."""
        with self._lock:
            self._reports[node_id] = NodeReport(node_id, NodeState.RUNNING, rows)

    def logged(self, node_id: str, text: str) -> None:
        """Prints above the table."""
        self._console.print(f"{node_id}: {text}", markup=False, highlight=False)

    def node_ended(self, report: NodeReport) -> None:
        """Shows how it ended."""
        with self._lock:
            self._reports[report.node_id] = report
        if report.message:
            self.logged(report.node_id, f"{report.state.value}: {report.message}")

    def run_ended(self) -> None:
        """Leaves the table as it is."""
        if self._live is not None:
            self._live.stop()
            self._live = None
