"""What a validation found, and whether it is good enough."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_tfx.skew.checking import Result
from mlops_tfx.skew.comparison import FEATURE, Outcome
from mlops_tfx.skew.rows import shown_value

if TYPE_CHECKING:
    from mlops_tfx.skew.attribution import Suspect
    from mlops_tfx.skew.checking import Tolerances
    from mlops_tfx.skew.rows import RowSet

_SHOWN_ROWS = 8


@dataclass
class Refused:
    """A row that training's path refuses.

    Attributes:
        row: its name.
        because: what training's path says.
        accepted_by: paths and signatures that answer nevertheless.
        refused_by: how many paths and signatures refuse it, too.
    """

    row: str
    because: str
    accepted_by: list[str] = field(default_factory=list)
    refused_by: int = 0


@dataclass
class Findings:
    """Everything that a validation found.

    Attributes:
        tolerances: what counted as equal.
        model_source: where what was trained was found; None if it was not.
        sampled: the rows drawn.
        synthesised: how many rows were made and answered by training.
        counts: rows of each split.
        training_read: how the transformed examples compare with the graph; None if there are none.
        results: by path, signature, rows and form.
        refused: rows that training's path refuses.
        suspects: features that explain differences.
        unstable: answers that depend on something else than their row; with them nothing is compared.
        problems: what could not be compared.
        by_design: what is not compared by design.
        notes: what else is worth knowing.
        digests: of graph, vocabularies and model.
    """

    tolerances: Tolerances
    model_source: str | None
    sampled: RowSet
    synthesised: int
    counts: dict[str, int]
    training_read: list[Outcome] | None = None
    results: list[Result] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    suspects: list[Suspect] = field(default_factory=list)
    unstable: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    by_design: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    digests: dict[str, Any] = field(default_factory=dict)

    @property
    def blessed(self) -> bool:
        """Whether all that can be compared was, and is equal."""
        return not self.reasons

    @property
    def reasons(self) -> list[str]:
        """Why the model is refused; the features first."""
        texts = [*self.unstable, *(f"feature {suspect.text}" for suspect in self.suspects)]
        texts += [_text(outcome, "what training read", self.sampled) for outcome in self.training_read or ()
                  if not outcome.equal]  # fmt: skip
        texts += [text for result in self.results for text in _result_texts(result)]
        texts += [f"{refused.row}: training's path refuses this row ({refused.because}), but {accepting} answers"
                  for refused in self.refused for accepting in refused.accepted_by]  # fmt: skip
        return list(dict.fromkeys([*texts, *self.problems]))

    @property
    def advice(self) -> list[str]:
        """What to do about it; empty if the model is blessed."""
        found = []
        if any(not outcome.equal for outcome in self.training_read or ()):
            found.append(
                "the model was not trained on what the transform graph computes: run Transform and Trainer again, and "
                "export the model with the graph of that run"
            )
        if self.suspects:
            found.append(
                "let serving compute the features named as training does: export with export_model, which puts the "
                "transform graph itself into every signature; or correct the code that serves them, for which the "
                "worst row, its value in training and its served value are given"
            )
        if any(result.rejected or result.error for result in self.results):
            found.append(
                "let serving take what training takes: parse requests by the schema, give features that may be missing "
                "the defaults of training, and do not check more than training does"
            )
        if any(refused.accepted_by for refused in self.refused):
            found.append(
                "let serving refuse what training refuses: parse requests by the schema, without defaults that "
                "training does not have"
            )
        return found

    @property
    def skewed_features(self) -> dict[str, list[tuple[str, Outcome, RowSet]]]:
        """Transformed feature -> where it differs: the place, the comparison, the rows."""
        found: dict[str, list[tuple[str, Outcome, RowSet]]] = {}
        for where, outcome, rows in self._feature_outcomes():
            if not outcome.equal:
                found.setdefault(outcome.name, []).append((where, outcome, rows))
        return found

    def _feature_outcomes(self) -> Iterator[tuple[str, Outcome, RowSet]]:
        for outcome in self.training_read or ():
            yield "what training read", outcome, self.sampled
        for result in self.results:
            if result.sent is None:
                continue
            for outcome in result.outcomes:
                if outcome.kind == FEATURE:
                    yield where_of(result), outcome, result.sent
            for outcome in result.observed:
                yield f"{where_of(result)}, inside its graph", outcome, result.sent


def where_of(result: Result) -> str:
    """The place of a result in words."""
    return f"{result.path}, signature {result.signature!r}, {result.rows} rows {result.form}"


def _result_texts(result: Result) -> Iterator[str]:
    if result.error is not None:
        yield f"{where_of(result)}: no answer where training's path has one: {result.error}"
    for row, reason in list(result.rejected.items())[:_SHOWN_ROWS]:
        yield f"{where_of(result)}: no answer for {row}, where training's path has one: {reason}"
    if len(result.rejected) > _SHOWN_ROWS:
        yield f"{where_of(result)}: no answer for {len(result.rejected) - _SHOWN_ROWS} more rows"
    if result.sent is None:
        return
    for place, outcomes in (("", result.outcomes), (", inside its graph", result.observed)):
        for outcome in outcomes:
            if not outcome.equal:
                yield _text(outcome, where_of(result) + place, result.sent)


def _text(outcome: Outcome, where: str, rows: RowSet) -> str:
    if outcome.problem is not None:
        return f"{where}: {outcome.kind} {outcome.name!r}: {outcome.problem}"
    count = f"{outcome.differing} of {outcome.elements} {outcome.counted}"
    text = f"{where}: {outcome.kind} {outcome.name!r} differs in {count}"
    text = f"{text}, {worst_text(outcome, rows)}" if outcome.worst is not None else text
    return f"{text}; {outcome.pattern}" if outcome.pattern else text


def worst_text(outcome: Outcome, rows: RowSet) -> str:
    """The worst element in words."""
    worst = outcome.worst
    assert worst is not None, "asked only where there is one"
    apart = "" if worst.ulps is None else f" ({worst.ulps:,} ULPs)"
    return (
        f"the worst in {rows.names[worst.row]}: {shown_value(worst.training)!r} in training, "
        f"{shown_value(worst.served)!r} served{apart}"
    )
