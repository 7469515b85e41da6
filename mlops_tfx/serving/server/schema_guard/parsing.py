"""Serialized tf.Examples of many rows: read by one run of a small graph, judged feature by feature only where needed.

A session of its own, with the values of all features of a kind in one array: that takes a third of the time that the
operation takes when it is called eagerly, and most requests are found to be in order by a few operations on tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2

from mlops_tfx.serving.server.schema_guard.columns import Column, judge
from mlops_tfx.serving.server.schema_guard.findings import Findings
from mlops_tfx.serving.server.schema_guard.rules import BYTES, FLOAT, INT, Categories, FeatureRule, Numbers

_INT64 = (-(2**63), 2**63 - 1)
_LARGEST = float(np.finfo(np.float32).max)
_TYPES = {FLOAT: tf.float32, INT: tf.int64, BYTES: tf.string}


class _Group:
    """The rules of one kind, and the bounds of their numbers as arrays ``[rules]``."""

    def __init__(self, kind: str, rules: list[FeatureRule]) -> None:
        self.rules = rules
        self.numeric = kind != BYTES
        self.single = np.array([rule.takes_one for rule in rules])
        dtype, least, most = (np.int64, *_INT64) if kind == INT else (np.float32, -_LARGEST, _LARGEST)
        bounds = np.array([_bounds(rule, least, most) for rule in rules], dtype)
        self.low, self.high = bounds[:, 0], bounds[:, 1]

    def in_order(self, table: Any) -> Any:
        """Which rules have nothing against their rows of ``[rules, rows]``; False may only mean: not known."""
        if not self.numeric:
            return np.fromiter(map(_all_allowed, self.rules, table), bool, len(self.rules))
        # NaN lets both comparisons fail.
        return (table.min(axis=1) >= self.low) & (table.max(axis=1) <= self.high)


def _all_allowed(rule: FeatureRule, values: Any) -> bool:
    domain = rule.domain
    return domain is None or (isinstance(domain, Categories) and domain.allowed.issuperset(values.tolist()))


def _bounds(rule: FeatureRule, least: float, most: float) -> tuple[float, float]:
    """Bounds that finite numbers can be compared with; nothing is between them if bounds alone do not tell."""
    if rule.domain is None:
        return least, most
    if not isinstance(rule.domain, Numbers) or (rule.domain.whole and rule.kind == FLOAT):
        return most, least
    return min(max(rule.domain.low, least), most), min(max(rule.domain.high, least), most)


class ExampleParser:
    """Judges serialized tf.Examples by rules. Threads may share it.

    Args:
        rules: at least one.
    """

    def __init__(self, rules: Sequence[FeatureRule]) -> None:
        by_kind = {kind: [rule for rule in rules if rule.kind == kind] for kind in _TYPES}
        self._groups = [_Group(kind, found) for kind, found in by_kind.items() if found]
        ordered = [rule for group in self._groups for rule in group.rules]
        graph = tf.Graph()
        with graph.as_default():
            rows = tf.compat.v1.placeholder(tf.string, [None])
            fetched = _parse(rows, ordered, [len(group.rules) for group in self._groups])
        # Small work, done in the thread of the request.
        config = tf.compat.v1.ConfigProto(inter_op_parallelism_threads=-1)
        self._session: Any = tf.compat.v1.Session(graph=graph, config=config)
        options = config_pb2.CallableOptions(feed=[rows.name], fetch=[tensor.name for tensor in fetched])
        self._run = self._session._make_callable_from_options(options)  # noqa: SLF001  # as saved_model.py has it

    def check(self, rows: Any, findings: Findings) -> bool:
        """Adds what is wrong with rows, an array of bytes; False if one of them is broken or of another type."""
        try:
            splits, *values = self._run(rows)
        except tf.errors.InvalidArgumentError:
            return False
        # Offsets of every feature's rows, ``[features, rows + 1]``.
        table = splits.reshape(-1, len(rows) + 1)
        single = (table[:, 1:] - table[:, :-1] == 1).all(axis=1)
        begin = 0
        for group, flat in zip(self._groups, values, strict=True):
            end = begin + len(group.rules)
            self._check_group(group, flat, table[begin:end], single[begin:end], findings)
            begin = end
        return True

    def _check_group(self, group: _Group, flat: Any, table: Any, single: Any, findings: Findings) -> None:
        fine = np.zeros(len(group.rules), bool)
        if single.all():
            fine = group.single & group.in_order(flat.reshape(len(group.rules), -1))
        ends = np.cumsum(table[:, -1])
        for index in np.flatnonzero(~fine).tolist():
            end = int(ends[index])
            offsets = table[index]
            judge(Column(flat[end - int(offsets[-1]) : end], offsets), group.rules[index], findings)

    def close(self) -> None:
        """Frees the session."""
        self._session.close()


def _parse(rows: Any, rules: Sequence[FeatureRule], sizes: Sequence[int]) -> list[Any]:
    parsed = tf.raw_ops.ParseExampleV2(
        serialized=rows, names=[], sparse_keys=[], dense_keys=[], ragged_keys=[rule.name for rule in rules],
        dense_defaults=[], num_sparse=0, sparse_types=[], dense_shapes=[],
        ragged_value_types=[_TYPES[rule.kind] for rule in rules], ragged_split_types=[tf.int64] * len(rules),
    )  # fmt: skip
    values, joined = list(parsed.ragged_values), []
    for size in sizes:
        joined.append(tf.concat(values[:size], axis=0))
        values = values[size:]
    return [tf.concat(parsed.ragged_row_splits, axis=0), *joined]
