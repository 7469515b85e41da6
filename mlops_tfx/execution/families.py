"""The order in which reports are shown: a node in a loop above its elements, a pipeline above the nodes within it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator

from mlops_tfx.execution.observer import NodeReport, NodeState

ELEMENTS_SHOWN = 10
"""Of a loop with more elements than these, only those that run or have failed are shown."""

_ALWAYS_SHOWN = {NodeState.RUNNING, NodeState.FAILED}


def in_families(reports: Iterable[NodeReport]) -> Iterator[NodeReport]:
    """Yields reports in the given order, but each after that of its loop or pipeline; leaves out most of long loops."""
    by_name = {report.node_id: report for report in reports}
    children: dict[str, list[NodeReport]] = defaultdict(list)
    for name, report in by_name.items():
        children[_nearest(name, by_name)].append(report)
    yield from _below("", children)


def _below(parent: str, children: dict[str, list[NodeReport]]) -> Iterator[NodeReport]:
    found = children.get(parent, [])
    # Without a report of the loop itself, as the store has none, all of them are shown.
    elements = sorted((report for report in found if parent and report.node_id.endswith("]")), key=_number)
    others = [report for report in found if report not in elements]
    if len(elements) > ELEMENTS_SHOWN:
        elements = [report for report in elements if report.state in _ALWAYS_SHOWN]
    for report in [*elements, *others]:
        yield report
        yield from _below(report.node_id, children)


def _nearest(name: str, known: Container[str]) -> str:
    """``training`` for ``training.Trainer[0]`` if there is no ``training.Trainer``; "" if there is none of them."""
    while name:
        name = name.rpartition("[" if name.endswith("]") else ".")[0]
        if name in known:
            return name
    return ""


def _number(report: NodeReport) -> list[int]:
    return [int(part.partition("]")[0]) for part in report.node_id.split("[")[1:]]
