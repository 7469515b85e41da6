"""Sends rows along a path and compares the answers with training's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from mlops_tfx.skew.comparison import FEATURE, PREDICTION, Outcome, Tolerance, compare
from mlops_tfx.skew.lengths import NO_LIST, compare_lengths, lengths
from mlops_tfx.skew.observation import Observer
from mlops_tfx.skew.paths import IN_PROCESS, RequestPath, stacked
from mlops_tfx.skew.trained_model import dense_array
from mlops_tfx.skew.training import Computed, Reference, RejectedError, message_of, predict

if TYPE_CHECKING:
    from mlops_tfx.skew.paths import Path
    from mlops_tfx.skew.rows import RowSet
    from mlops_tfx.skew.signatures import Signature

TOGETHER, ONE_BY_ONE = "together", "one by one"
_MOST_REJECTED = 32


@dataclass(frozen=True)
class Tolerances:
    """What counts as equal.

    Attributes:
        written: for features and predictions in this process, where the graph optimizer is off.
        features: for features elsewhere, and for what training read.
        predictions: for predictions elsewhere.
        noise: by feature, what training's own graph varies by, as `mlops_tfx.skew.noise` measures it.
        prediction_noise: likewise by output of what was trained.
    """

    written: Tolerance
    features: Tolerance
    predictions: Tolerance
    noise: Mapping[str, float] = field(default_factory=dict)
    prediction_noise: Mapping[str, float] = field(default_factory=dict)

    def of(self, path: str, kind: str, name: str) -> Tolerance:
        """The tolerance for a FEATURE, or for a PREDICTION by its name in training, on a path."""
        if path == IN_PROCESS:
            return self.written
        return self.of_feature(name) if kind == FEATURE else _widened(self.predictions, self.prediction_noise, name)

    def of_feature(self, name: str) -> Tolerance:
        """The tolerance for a feature where the graph optimizer is on."""
        return _widened(self.features, self.noise, name)


def _widened(tolerance: Tolerance, noise: Mapping[str, float], name: str) -> Tolerance:
    return Tolerance(tolerance.ulps, max(tolerance.absolute, noise.get(name, 0.0)))


@dataclass
class Result:
    """What came of sending some rows along a path.

    Attributes:
        path: its name.
        signature: the signature asked.
        rows: SAMPLED or SYNTHESISED.
        form: TOGETHER or ONE_BY_ONE.
        sent: the rows that were sent; None if none could be.
        outcomes: how each output compares.
        observed: how the features inside the signature's graph compare, as far as they were looked at.
        inexpressible: reason -> how many rows cannot be sent because of it, by design.
        error: why there is no answer.
        rejected: rows that get no answer where training's path has one, and why.
    """

    path: str
    signature: str
    rows: str
    form: str
    sent: RowSet | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    observed: list[Outcome] = field(default_factory=list)
    inexpressible: dict[str, int] = field(default_factory=dict)
    error: str | None = None
    rejected: dict[str, str] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether everything that was sent got an answer, and everything that was compared is equal."""
        answered = self.error is None and not self.rejected
        return answered and all(outcome.equal for outcome in (*self.outcomes, *self.observed))


@dataclass(frozen=True)
class Check:
    """How rows are sent and compared.

    Attributes:
        tolerances: what counts as equal.
        not_sent: features that requests for predictions do not have: the label.
        observers: signature -> what looks into it, where the path is this process.
    """

    tolerances: Tolerances
    not_sent: tuple[str, ...]
    observers: Mapping[str, Observer]

    def run(self, path: Path, signature: Signature, reference: Reference, form: str) -> Result:
        """Sends the rows of a reference and compares.

        Args:
            path: how.
            signature: whom.
            reference: what training's path gives; for ONE_BY_ONE, for each row alone.
            form: TOGETHER or ONE_BY_ONE.
        """
        rows = self.sent(reference.rows, signature)
        reasons = path.inexpressible(rows, signature)
        kept = [row for row in range(len(rows)) if row not in reasons]
        result = Result(path.name, signature.name, rows.origin, form)
        for reason in reasons.values():
            result.inexpressible[reason] = result.inexpressible.get(reason, 0) + 1
        if not kept:
            return result
        part = reference.together if form == TOGETHER and path.name == IN_PROCESS else reference.take
        reference, rows = part(kept), rows.take(kept)
        result.sent = rows
        answer = path.answer if form == TOGETHER else path.answer_one_by_one
        try:
            try:
                served = answer(rows, signature)
            except RejectedError:
                # One row must not hide what there is to say of the others.
                refused = rejected_rows(path, signature, rows)
                if not refused or len(refused) == len(rows):
                    raise
                result.rejected = {rows.names[row]: text for row, text in refused.items()}
                kept = [row for row in range(len(rows)) if row not in refused]
                part = reference.together if form == TOGETHER and path.name == IN_PROCESS else reference.take
                reference, rows = part(kept), rows.take(kept)
                result.sent, served = rows, answer(rows, signature)
        except RejectedError as error:
            result.error = str(error)
            return result
        computed = reference.written if path.name == IN_PROCESS else reference.read
        result.outcomes = self._compared(path.name, signature, computed, served, form)
        if isinstance(path, RequestPath) and signature.name in self.observers and path.name == IN_PROCESS:
            result.observed = self._observed(path, signature, reference, rows, form)
        return result

    def sent(self, rows: RowSet, signature: Signature) -> RowSet:
        """Returns the rows as a client has them: without the label, unless transformed features are asked for."""
        return rows if signature.transformed else rows.without(self.not_sent)

    def _compared(
        self, path: str, signature: Signature, computed: Computed, served: Mapping[str, Any], form: str
    ) -> list[Outcome]:
        found = []
        for name, kind in signature.kinds.items():
            if name not in served:
                found.append(Outcome(name, kind, problem="expected this output, received none"))
                continue
            training = self._training(computed, signature, name, kind, form)
            tolerance = self.tolerances.of(path, kind, signature.predictions.get(name, name))
            found.append(compare(name, kind, training, served[name], tolerance))
        return found

    def _training(self, computed: Computed, signature: Signature, name: str, kind: str, form: str) -> Any:
        if kind == FEATURE:
            return computed.features[name]
        # An answer to one row may round otherwise than that to many, so like is compared with like.
        answers = computed.predictions if form == TOGETHER else computed.predictions_one_by_one
        return answers[signature.predictions[name]]

    def _observed(
        self, path: RequestPath, signature: Signature, reference: Reference, rows: RowSet, form: str
    ) -> list[Outcome]:
        observer = self.observers[signature.name]
        groups = [rows] if form == TOGETHER else [rows.take([row]) for row in range(len(rows))]
        found = [observer(path.inputs(group, signature)) for group in groups]
        outcomes = []
        for name in observer.features:
            tensors = [answer[name] for answer in found]
            served = stacked([dense_array(tensor) for tensor in tensors])
            training = alike(reference.written.features[name], served)
            outcomes.append(compare(name, FEATURE, training, served, self.tolerances.written))
            levels = zip(*(lengths(tensor) for tensor in tensors), strict=True)
            counts = [stacked(list(level), NO_LIST) for level in levels]
            outcomes += compare_lengths(name, lengths(reference.written.tensors[name]), counts)
        return outcomes


def rejected_rows(path: Path, signature: Signature, rows: RowSet) -> dict[int, str] | None:
    """Returns which rows a path refuses, and why: none if it takes each alone, None if there are too many."""
    found: dict[int, str] = {}
    pending = [list(range(len(rows)))]
    while pending:
        numbers = pending.pop()
        try:
            path.answer(rows.take(numbers), signature)
        except RejectedError as error:
            if len(numbers) == 1:
                found[numbers[0]] = str(error)
            elif len(found) + len(pending) > _MOST_REJECTED:
                return None
            else:
                half = len(numbers) // 2
                pending += [numbers[half:], numbers[:half]]
    return found


def alike(training: Any, served: Any) -> Any:
    """Training's feature in the type and rank that the model takes it in, where that is another."""
    if training.dtype != served.dtype and training.dtype.kind in "fiub" and served.dtype.kind in "fiub":
        training = training.astype(served.dtype)
    if training.ndim != served.ndim and training.size == served.size:
        training = training.reshape(served.shape)
    return training


def verify(
    observer: Observer, path: RequestPath, signature: Signature, reference: Reference, rows: RowSet
) -> str | None:
    """Returns why what the observer tells is not what the signature's predictions come from; None if it is.

    What was trained, given the observed features, must answer as the signature does, but for rounding.
    """
    inputs = path.inputs(rows, signature)
    try:
        observed = predict(reference.written.model, observed_and_unused(observer, inputs, reference))
        served = path.send(signature, inputs)
    except (tf.errors.OpError, RejectedError) as error:
        return f"the features found cannot be computed or used: {message_of(error)}"
    for output, name in signature.predictions.items():
        outcome = compare(output, PREDICTION, observed[name], served[output], ROUNDING)
        if not outcome.equal:
            return f"the model, given the features found, does not answer what the signature does in {output!r}"
    return None


# Graphs that do the same are fused differently; a tensor of another meaning would be much farther off.
ROUNDING = Tolerance(ulps=1024, absolute=1e-5)


def observed_and_unused(observer: Observer, inputs: Mapping[str, Any], reference: Reference) -> dict[str, Any]:
    """Returns the features that the signature computes; training's for those that the model does not read."""
    return {**reference.written.tensors, **observer(inputs)}
