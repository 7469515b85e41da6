"""The order in which reports are shown."""

from __future__ import annotations

from mlops_tfx.execution.families import in_families
from mlops_tfx.execution.observer import NodeReport, NodeState


def shown(*names, states=None):
    reports = [NodeReport(name, (states or {}).get(name, NodeState.COMPLETE)) for name in names]
    return [report.node_id for report in in_families(reports)]


def test_parts_come_after_what_they_are_parts_of():
    names = ["Gen", "sub", "End", "Gen[1]", "sub.Inner", "sub.Inner[0]", "Gen[0]", "sub.Last", "alone.Node"]
    assert shown(*names) == [
        "Gen", "Gen[0]", "Gen[1]", "sub", "sub.Inner", "sub.Inner[0]", "sub.Last", "End", "alone.Node",
    ]  # fmt: skip


def test_elements_are_in_their_order_also_above_nine():
    names = [f"Gen[{i}]" for i in (9, 2, 0)]
    assert shown("Gen", *names, "sub", "sub[1]", "sub[0]", "sub[1].A", "sub[0].A") == [
        "Gen", "Gen[0]", "Gen[2]", "Gen[9]", "sub", "sub[0]", "sub[0].A", "sub[1]", "sub[1].A",
    ]  # fmt: skip


def test_of_a_long_loop_only_what_runs_or_failed():
    names = [f"Gen[{i}]" for i in range(50)]
    states = {"Gen[7]": NodeState.FAILED, "Gen[40]": NodeState.RUNNING, "Gen[41]": NodeState.SKIPPED}
    assert shown("Gen", *names, "End", states=states) == ["Gen", "Gen[7]", "Gen[40]", "End"]
    assert len(shown("Gen", *names[:10])) == 11


def test_without_the_loop_itself_all_elements_are_shown_where_they_are():
    names = ["Source", *(f"Gen[{i}]" for i in range(20)), "End"]
    assert shown(*names) == names
