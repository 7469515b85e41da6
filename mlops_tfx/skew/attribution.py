"""Which feature is skewed: seen inside the graph, or found out by replacing features one at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from mlops_tfx.errors import DataError, UserCodeError
from mlops_tfx.io import wire
from mlops_tfx.skew.checking import observed_and_unused
from mlops_tfx.skew.comparison import differing_rows
from mlops_tfx.skew.rows import RowSet
from mlops_tfx.skew.training import Reference, RejectedError, predict
from mlops_tfx.skew.values import NOT_IN_ANY_VOCABULARY

if TYPE_CHECKING:
    from mlops_tfx.skew.checking import Tolerances
    from mlops_tfx.skew.observation import Observer
    from mlops_tfx.skew.paths import RequestPath
    from mlops_tfx.skew.signatures import Signature

_TRIED_ROWS = 64
_DONORS = 4


@dataclass(frozen=True)
class Suspect:
    """A feature that explains differences.

    Attributes:
        feature: a transformed feature, or a raw one where the graph could not be looked into.
        raw: whether it is a raw one.
        text: what was found, in words.
    """

    feature: str
    raw: bool
    text: str


def by_substitution(
    observer: Observer,
    path: RequestPath,
    signature: Signature,
    reference: Reference,
    rows: RowSet,
    differing: Sequence[str],
    tolerances: Tolerances,
) -> list[Suspect]:
    """Gives the model training's value in place of each served feature that differs.

    Args:
        observer: looks into the signature.
        path: this process.
        signature: the signature.
        reference: training's path.
        rows: the same rows as they are sent.
        differing: features that differ.
        tolerances: what counts as equal.
    """
    try:
        served = observed_and_unused(observer, path.inputs(rows, signature), reference)
        wrong = _wrong_rows(predict(reference.written.model, served), reference, signature, tolerances)
    except (tf.errors.OpError, RejectedError):
        return [Suspect(name, False, f"{name} differs") for name in differing]
    if not wrong.any():
        return [Suspect(name, False, f"{name} differs; predictions do not")
                for name in differing]  # fmt: skip
    found, count = [], int(wrong.sum())
    together = not _left_by(served, differing, reference, signature, tolerances)
    for name in differing:
        left = _left_by(served, [name], reference, signature, tolerances)
        effect = _effect("replacing it by training's value", left, count)
        if left >= count and together:
            effect = _effect(f"replacing all {len(differing)} features that differ by training's values", 0, count)
        found.append(Suspect(name, False, f"{name} differs; {effect}"))
    return found


def _left_by(
    served: Mapping[str, Any], names: Sequence[str], reference: Reference, signature: Signature, tolerances: Tolerances
) -> int:
    """The number of rows whose predictions differ still if the model gets training's values of some features."""
    repaired = {**served, **{name: reference.written.tensors[name] for name in names}}
    return int(_wrong_rows(predict(reference.written.model, repaired), reference, signature, tolerances).sum())


def _effect(replacing: str, left: int, wrong: int) -> str:
    if not left:
        return f"{replacing} removes the difference in all {wrong} rows whose predictions differ"
    if left >= wrong:
        return f"{replacing} alone removes no difference of predictions"
    return f"{replacing} removes the difference in {wrong - left} of {wrong} rows whose predictions differ"


def _wrong_rows(answers: Mapping[str, Any], reference: Reference, signature: Signature, tolerances: Tolerances) -> Any:
    wrong = np.zeros(len(reference), bool)
    for name in set(signature.predictions.values()):
        wrong |= differing_rows(reference.written.predictions[name], answers[name], tolerances.written)
    return wrong


def by_replacing_raw_features(
    path: RequestPath,
    signature: Signature,
    reference: Reference,
    not_sent: Sequence[str],
    features: Sequence[str],
    tolerances: Tolerances,
) -> list[Suspect]:
    """Replaces raw features one at a time, for training's path and the signature alike, where only answers are known.

    A feature is replaced by nothing, by what it is in some other rows, and text by what no vocabulary has. Where this
    makes both agree, the feature has to do with the difference. Real rows only: extreme values hide what others do.

    Args:
        path: this process.
        signature: the signature.
        reference: training's path.
        not_sent: features that requests do not have.
        features: the raw features to replace.
        tolerances: what counts as equal.
    """
    wrong = _differing(path, signature, reference, not_sent, tolerances)
    if wrong is None or not wrong.any():
        return []
    tried = reference.take(np.flatnonzero(wrong)[:_TRIED_ROWS].tolist())
    # Rows on which both agree are the best to take values from.
    donors = [*np.flatnonzero(~wrong)[:_DONORS], *np.flatnonzero(wrong)[:_DONORS]][:_DONORS]
    found: list[tuple[int, Suspect]] = []
    for name in features:
        column = _column(reference.rows, name)
        values = [pa.nulls(1, column.type)] + [column.take(pa.array([row])) for row in donors]
        if pa.types.is_large_list(column.type) and wire.is_bytes(column.type.value_type):
            values.append(pa.array([[NOT_IN_ANY_VOCABULARY]], column.type))
        left = [_left(path, signature, _replaced(tried, name, value), not_sent, tolerances) for value in values]
        known = [count for count in left if count is not None]
        if known and min(known) < len(tried):
            text = f"predictions differ; for {name}, {_effect('replacing it', min(known), len(tried))} (on both sides)"
            found.append((min(known), Suspect(name, True, text)))
    return [suspect for _, suspect in sorted(found, key=lambda entry: entry[0])]


def _column(rows: RowSet, name: str) -> Any:
    place = rows.batch.schema.get_field_index(name)
    return rows.batch.column(place) if place >= 0 else pa.nulls(len(rows))


def _replaced(reference: Reference, name: str, value: Any) -> Reference | None:
    """The rows with one feature replaced, and what training makes of them; None if it refuses them."""
    names = reference.rows.batch.schema.names
    if name not in names:
        return None
    places = pa.array(np.zeros(len(reference), np.int64))
    columns = [value.take(places) if n == name else c for n, c in zip(names, reference.rows.batch.columns, strict=True)]
    batch = pa.RecordBatch.from_arrays(columns, names)
    rows = RowSet(reference.rows.origin, batch, reference.rows.names)
    try:
        return reference.written.preprocessing.apply(rows, reference.written.model)
    except (DataError, UserCodeError):
        return None


def _left(
    path: RequestPath, signature: Signature, replaced: Reference | None, not_sent: Sequence[str], tolerances: Tolerances
) -> int | None:
    if replaced is None:
        return None
    wrong = _differing(path, signature, replaced, not_sent, tolerances)
    return None if wrong is None else int(wrong.sum())


def _differing(
    path: RequestPath, signature: Signature, reference: Reference, not_sent: Sequence[str], tolerances: Tolerances
) -> Any | None:
    """Whether the predictions for each row differ; None if one side refuses the rows."""
    try:
        served = path.answer(reference.rows.without(not_sent), signature)
        answers = {name: served[output] for output, name in signature.predictions.items()}
        return _wrong_rows(answers, reference, signature, tolerances)
    except RejectedError:
        return None
