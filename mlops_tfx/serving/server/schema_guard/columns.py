"""Many rows of one feature, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlops_tfx.serving.server.schema_guard.findings import MISSING, VALUE_COUNT, Findings, show
from mlops_tfx.serving.server.schema_guard.rules import FeatureRule


@dataclass(frozen=True)
class Column:
    """The values of one feature, row after row.

    Attributes:
        values: all of them, 1-D.
        splits: where rows begin and end in ``values``: rows + 1 offsets.
    """

    values: Any
    splits: Any

    @property
    def has_one_value_per_row(self) -> bool:
        """Whether no row has none or several, which is what most features are like."""
        return bool((np.diff(self.splits) == 1).all())

    @classmethod
    def of_table(cls, values: Any, rows: int) -> Column:
        """The column of a tensor ``[rows, ...]``."""
        flat = values.reshape(-1)
        width = len(flat) // rows if rows else 0
        return cls(flat, np.arange(rows + 1) * width)

    def without(self, skipped: Any) -> Column:
        """This column without the values that a mask names."""
        before = np.concatenate([[0], np.cumsum(skipped)])
        return Column(self.values[~skipped], self.splits - before[self.splits])

    def rows_of(self, mask: Any) -> tuple[int, int]:
        """The first row with a value that the mask has, and how many rows there are."""
        places = np.searchsorted(self.splits, np.flatnonzero(mask), "right") - 1
        return int(places[0]), len(np.unique(places))


def judge(column: Column, rule: FeatureRule, findings: Findings) -> None:
    """Adds to ``findings`` what is wrong with a column."""
    if not (column.has_one_value_per_row and rule.takes_one):
        _judge_counts(column, rule, findings)
    if rule.domain is None:
        return
    for reason, mask in rule.domain.faults(column.values):
        row, rows = column.rows_of(mask)
        value = column.values[np.argmax(mask)]
        received = show(value.item() if isinstance(value, np.generic) else value)
        findings.add(rule.name, reason, rule.expected(reason), received, row, rows)


def _judge_counts(column: Column, rule: FeatureRule, findings: Findings) -> None:
    lengths = np.diff(column.splits)
    missing = lengths == 0
    if rule.required and missing.any():
        _add(findings, rule, MISSING, "none", np.flatnonzero(missing))
    miscounted = ~missing & ((lengths < rule.fewest) | (lengths > rule.most))
    if miscounted.any():
        rows = np.flatnonzero(miscounted)
        _add(findings, rule, VALUE_COUNT, str(lengths[rows[0]]), rows)


def _add(findings: Findings, rule: FeatureRule, reason: str, received: str, rows: Any) -> None:
    findings.add(rule.name, reason, rule.expected(reason), received, int(rows[0]), len(rows))
