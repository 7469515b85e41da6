"""Many serialized tf.Examples, judged by what the model itself parses of them while it answers.

That takes an eighth of the time of parsing them once more. It tells only whether a request is in order; if it is not,
checks.py finds out what is wrong.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlops_tfx.serving.server.calls import Call, Plan
from mlops_tfx.serving.server.parsed_features import Dense, Features, Sparse
from mlops_tfx.serving.server.priorities import give_way
from mlops_tfx.serving.server.schema_guard.findings import Findings
from mlops_tfx.serving.server.schema_guard.parsing import ExampleParser
from mlops_tfx.serving.server.schema_guard.rules import FeatureRule, kind_of
from mlops_tfx.serving.server.signatures import Runner, Signature

_log = logging.getLogger(__name__)
# Each takes memory as the model's own does; a request chooses the outputs.
_MOST_RUNNERS = 4


@dataclass
class Parsed:
    """What one run has parsed: the arrays, None before it."""

    arrays: Sequence[Any] | None = None


class ParsedChecks:
    """Judges the requests to one signature by what it parses. Threads may share it.

    Args:
        signature: a signature that reads serialized tf.Examples.
        features: what it parses, by name.
        rules: what is asked of features; of those that the model does not read, too.
    """

    def __init__(self, signature: Signature, features: Features, rules: Sequence[FeatureRule]) -> None:
        followed = [(rule, found) for rule in rules if (found := _found(rule, features)) is not None]
        names = {rule.name for rule, _ in followed}
        rest = [rule for rule in rules if rule.name not in names]
        self._rest = ExampleParser(rest) if rest else None
        # What is in the model's type and may be anything else needs no look at its values.
        followed = [(rule, found) for rule, found in followed if _asks(rule)]
        self._sparse = [(rule, found) for rule, found in followed if isinstance(found, Sparse)]
        self._dense = [(rule, found) for rule, found in followed if isinstance(found, Dense)]
        self._signature = signature
        self._runners: dict[tuple[str, ...], Runner] = {}
        self._begun: set[tuple[str, ...]] = set()
        self._closed = False
        self._lock = threading.Lock()

    def follow(self, call: Call) -> Parsed | None:
        """Lets the run of a call leave what it parses; None if that is not prepared, which begins then."""
        outputs = call.plan.outputs
        runner = self._runners.get(outputs)
        if runner is None:
            self._prepare(outputs)
            return None
        parsed, count = Parsed(), len(outputs)

        def run(values: Sequence[Any]) -> Sequence[Any]:
            arrays = runner(values)
            parsed.arrays = arrays[count:]
            return arrays[:count]

        call.plan = Plan(call.plan.inputs, outputs, run)
        return parsed

    def in_order(self, rows: Any, arrays: Sequence[Any]) -> bool:
        """Whether rows, an array ``[rows]`` of bytes, fit all rules; ``arrays`` are those of their run."""
        found = iter(arrays)
        sparse = [(rule, next(found), next(found)) for rule, _ in self._sparse]
        if not _counts_fit(sparse, len(rows)):
            return False
        columns = [(rule, values) for rule, _, values in sparse]
        columns += [(rule, next(found).reshape(-1)) for rule, _ in self._dense]
        if any(rule.domain is not None and rule.domain.faults(values) for rule, values in columns):
            return False
        if self._rest is None:
            return True
        findings = Findings()
        return self._rest.check(rows, findings) and not len(findings)

    def _prepare(self, outputs: tuple[str, ...]) -> None:
        with self._lock:
            if self._closed or outputs in self._begun or len(self._begun) == _MOST_RUNNERS:
                return
            self._begun.add(outputs)
        # It takes a fifth of the time of loading, and the request that comes first is not to wait for it.
        threading.Thread(target=self._make, args=(outputs,), name="schema-guard", daemon=True).start()

    def _make(self, outputs: tuple[str, ...]) -> None:
        give_way()
        tensors = [name for _, found in self._sparse for name in (found.indices, found.values)]
        tensors += [found.values for _, found in self._dense]
        try:
            runner = self._signature.runner(outputs, tensors)
        except Exception as error:
            # The version may be gone by now. Requests are parsed once more, as before.
            _log.info("schema guard: cannot follow what the model parses: %s", error)
            return
        with self._lock:
            if not self._closed:
                self._runners[outputs] = runner

    def close(self) -> None:
        """Lets go of the session. No request may be running."""
        with self._lock:
            self._closed = True
            self._runners = {}
        if self._rest is not None:
            self._rest.close()


def _found(rule: FeatureRule, features: Features) -> Sparse | Dense | None:
    """Where the model parses a feature, if all that is asked of the feature can be seen there."""
    feature = features.get(rule.name)
    if feature is None or kind_of(np.dtype(feature.dtype.as_numpy_dtype)) != rule.kind:
        return None
    if isinstance(feature, Dense):
        hides = (rule.required and feature.may_lack) or not rule.fewest <= feature.width <= rule.most
        return None if hides or feature.width == 0 else feature
    return feature


def _asks(rule: FeatureRule) -> bool:
    return rule.required or rule.fewest > 1 or rule.most != float("inf") or rule.domain is not None


def _counts_fit(columns: Sequence[tuple[FeatureRule, Any, Any]], rows: int) -> bool:
    """Whether the rows have as many values as they should, for indices ``[values, 2]``, in order, and values."""
    if not columns:
        return True
    places = [indices[:, 1] for _, indices, _ in columns]
    if np.concatenate(places).any():
        return all(_count_fits(rule, place, rows) for (rule, _, _), place in zip(columns, places, strict=True))
    # No row has more than one value.
    return all(_single_fits(rule, len(values), rows) for rule, _, values in columns)


def _single_fits(rule: FeatureRule, having: int, rows: int) -> bool:
    """Whether a rule allows that so many rows have one value, and the others none."""
    if rule.required and having < rows:
        return False
    return having == 0 or rule.takes_one


def _count_fits(rule: FeatureRule, places: Any, rows: int) -> bool:
    """Whether a rule allows the places that values have in their rows."""
    having = np.count_nonzero(places == 0)
    if rule.required and having < rows:
        return False
    if having == 0:
        return True
    enough = rule.fewest <= 1 or np.count_nonzero(places == rule.fewest - 1) == having
    return bool(enough and places.max() < rule.most)
