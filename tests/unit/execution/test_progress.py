"""What a run shows: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
import os
import pty

from mlops_tfx.execution.observer import NodeReport, NodeState
from mlops_tfx.execution.progress import LiveTable, PlainLines, print_reports, progress_display

REPORTS = [
    NodeReport("CsvExampleGen", NodeState.COMPLETE, 336776, 12.34),
    NodeReport("Trainer", NodeState.FAILED, 0, 3.21, "loss is NaN"),
    NodeReport("Pusher", NodeState.SKIPPED, message="depends on Trainer"),
]


def _play(display):
    display.run_started("flights", "run-1", [report.node_id for report in REPORTS])
    display.node_started("CsvExampleGen")
    display.rows_reported("CsvExampleGen", 1000)
    display.logged("CsvExampleGen", "first\nsecond")
    for report in REPORTS:
        display.node_ended(report)
    display.run_ended()


def test_plain_lines():
    stream = io.StringIO()
    _play(PlainLines(stream))
    assert stream.getvalue().splitlines() == [
        "pipeline flights, run run-1: 3 nodes",
        "CsvExampleGen: started",
        "CsvExampleGen: first",
        "CsvExampleGen: second",
        "CsvExampleGen: complete in 12.3 s, 336,776 rows",
        "Trainer: failed in 3.2 s: loss is NaN",
        "Pusher: skipped in 0.0 s: depends on Trainer",
    ]


def test_final_table():
    stream = io.StringIO()
    print_reports(REPORTS, "flights, run run-1", stream)
    lines = stream.getvalue().splitlines()
    assert lines[0].strip() == "flights, run run-1"
    cells = [[cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")] for line in lines if "│" in line]
    assert cells == [
        ["CsvExampleGen", "complete", "336,776", "12.3"],
        ["Trainer", "failed", "", "3.2"],
        ["Pusher", "skipped", "", "0.0"],
    ]


def test_terminal_gets_the_live_table_and_a_pipe_plain_lines():
    controller, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as stream:
        display = progress_display(stream)
        assert isinstance(display, LiveTable)
        _play(display)
    shown = os.read(controller, 1 << 16).decode()
    os.close(controller)
    for expected in ("CsvExampleGen", "336,776", "complete", "failed: loss is NaN", "skipped"):
        assert expected in shown
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        assert isinstance(progress_display(stream), PlainLines)
