"""How far training's own features and predictions vary, though nothing is wrong: with rounding, and no more.

Functions such as log1p round otherwise for the numbers at the end of a batch, the graph optimizer changes the order of
operations, and where two nearly equal numbers are subtracted (as in z-scores near zero) many units in the last place
come of it. How much that is depends on the graph, so it is measured: the same rows in another order, one by one, with
the optimizer and without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlops_tfx.skew.comparison import FEATURE, PREDICTION, farthest

if TYPE_CHECKING:
    from mlops_tfx.skew.checking import Tolerances
    from mlops_tfx.skew.training import Computed, Reference

_MARGIN = 4
"""Other machines and places in a batch vary somewhat more than those that were tried."""

Arrays = Mapping[str, Any]


def with_noise(tolerances: Tolerances, reference: Reference, alone: Reference, places: list[int]) -> Tolerances:
    """Returns tolerances that are as wide as training's path varies.

    Args:
        tolerances: those that were asked for.
        reference: training's path for the sampled rows; ``read`` is what the graph gives with the optimizer.
        alone: the same for some of them, each computed by itself.
        places: which those are.
    """
    turned = _turned(reference)
    features: list[tuple[Arrays, Arrays]] = [
        (reference.read.features, reference.written.features),
        (reference.read.features, {name: array[::-1] for name, array in turned.features.items()}),
        (_taken(reference.written.features, places), alone.written.features),
    ]
    predictions: list[tuple[Arrays, Arrays]] = [
        (reference.read.predictions, reference.written.predictions),
        (reference.read.predictions, {name: array[::-1] for name, array in turned.predictions.items()}),
    ]
    if places:
        together = _taken(reference.written.predictions, places)
        predictions.append((together, alone.written.predictions_one_by_one))
    return replace(
        tolerances,
        noise={name: _MARGIN * far for name, far in _farthest(FEATURE, features).items()},
        prediction_noise={name: _MARGIN * far for name, far in _farthest(PREDICTION, predictions).items()},
    )


def _turned(reference: Reference) -> Computed:
    """The rows in reverse order."""
    rows = reference.rows.take(np.arange(len(reference))[::-1])
    return reference.read.preprocessing.compute(rows, reference.read.model, True)


def _taken(arrays: Arrays, places: list[int]) -> Arrays:
    return {name: array[places] for name, array in arrays.items()}


def _farthest(kind: str, variants: list[tuple[Arrays, Arrays]]) -> dict[str, float]:
    """Name -> the largest difference of any two variants; those that do not differ are left out."""
    found: dict[str, float] = {}
    for first, second in variants:
        for name in first.keys() & second.keys():
            far = farthest(kind, first[name], second[name])
            if far:
                found[name] = max(far, found.get(name, 0.0))
    return dict(sorted(found.items()))
