"""How far apart two sets of statistics are, feature by feature, as TFDV defines it.

TFDV measures only what a comparator of the schema names, so it is given a schema of comparators that never object.
Measures: ``L_INFTY`` is the largest difference in the share of any one value, ``NORMALIZED_ABSOLUTE_DIFFERENCE`` the
largest difference in the count of any one value over the count of all values of both; both exist for categorical
features only.
``JENSEN_SHANNON_DIVERGENCE`` (base 2, from 0 to 1) exists for all features; for numeric ones it is that of the two
histograms, cut at the edges of both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
    from tensorflow_metadata.proto.v0.statistics_pb2 import (
        DatasetFeatureStatistics,
        DatasetFeatureStatisticsList,
        FeatureNameStatistics,
    )

RANKED_BY = "JENSEN_SHANNON_DIVERGENCE"
_CATEGORICAL = ("infinity_norm", "jensen_shannon_divergence", "normalized_abs_difference")
_NUMERIC = ("jensen_shannon_divergence",)
_ALL_ROWS = "All Examples"


@dataclass(frozen=True)
class Distance:
    """The distance of one feature's values from those it is compared with.

    Attributes:
        feature: the feature, with dots between the steps of its path.
        compared_with: with which statistics, such as ``previous_statistics``.
        measure: ``L_INFTY``, ``JENSEN_SHANNON_DIVERGENCE`` or ``NORMALIZED_ABSOLUTE_DIFFERENCE``.
        value: the distance; 0 for equal distributions.
        threshold: above which it is an anomaly; None if nobody has set one.
    """

    feature: str
    compared_with: str
    measure: str
    value: float
    threshold: float | None = None

    @property
    def exceeded(self) -> bool:
        """Whether there is a threshold and the value is above it."""
        return self.threshold is not None and self.value > self.threshold


def measure_distances(
    statistics: DatasetFeatureStatisticsList,
    control: DatasetFeatureStatisticsList,
    compared_with: str,
    judged: Sequence[Distance] = (),
) -> list[Distance]:
    """Measures every feature that both have; the farthest first, by Jensen-Shannon divergence.

    Args:
        statistics: of the data in question.
        control: of the data it is compared with.
        compared_with: what the control is called.
        judged: distances that have been held against thresholds; their thresholds are entered.
    """
    import tensorflow_data_validation as tfdv

    first, second = all_rows(statistics), all_rows(control)
    if not (first.num_examples and second.num_examples):
        return []
    found = tfdv.validate_statistics(statistics, _lenient_schema(first, second), previous_statistics=control)
    thresholds = {
        (item.feature, item.measure): item.threshold for item in judged if item.compared_with == compared_with
    }
    measured = {
        (item.feature, item.measure): Distance(
            item.feature, compared_with, item.measure, item.value, thresholds.get((item.feature, item.measure))
        )
        for item in judged_distances(found, {"drift": compared_with})
        if math.isfinite(item.value)
    }
    # A comparator that does not suit its feature (L_INFTY of numbers) is not measured here, but has been judged.
    extra = {(item.feature, item.measure): item for item in judged if item.compared_with == compared_with}
    return ranked({**extra, **measured}.values())


def ranked(distances: Iterable[Distance]) -> list[Distance]:
    """The features with the largest Jensen-Shannon divergence first, and the measures of each together."""
    items = list(distances)
    rank = {item.feature: item.value for item in items if item.measure == RANKED_BY}
    return sorted(items, key=lambda item: (-rank.get(item.feature, 0.0), item.feature, item.measure))


def largest(distances: Sequence[Distance]) -> Distance | None:
    """The feature farthest away, by Jensen-Shannon divergence; None if nothing was compared."""
    return max((item for item in distances if item.measure == RANKED_BY), key=lambda item: item.value, default=None)


def judged_distances(found: anomalies_pb2.Anomalies, controls: dict[str, str]) -> list[Distance]:
    """The distances in TFDV's Anomalies, within their thresholds or not.

    Args:
        found: TFDV's answer.
        controls: what the statistics behind ``drift`` and ``skew`` measurements are called.
    """
    return [
        Distance(
            ".".join(info.path.step), name, measurement.Type.Name(measurement.type), measurement.value,
            measurement.threshold if math.isfinite(measurement.threshold) else None,
        )
        for info in found.drift_skew_info
        for kind, name in controls.items()
        for measurement in getattr(info, f"{kind}_measurements")
    ]  # fmt: skip


def describe_distances(distances: Sequence[Distance], most: int | None = None) -> str:
    """A table with one line per feature and control: the farthest first, ``*`` where a threshold is exceeded.

    Args:
        distances: in the order of the lines.
        most: lines at most; how many are left out is said.
    """
    rows: dict[tuple[str, str], dict[str, Distance]] = {}
    for item in distances:
        rows.setdefault((item.compared_with, item.feature), {})[item.measure] = item
    shown = list(rows.items())[:most]
    width = max([7, *(len(feature) for (_, feature), _ in shown)])
    lines = [f"{'feature':{width}}  {'JS':>9}  {'L_inf':>9}  {'abs diff':>9}  compared with"]
    for (control, feature), cells in shown:
        values = "  ".join(_cell(cells.get(measure)) for measure in _COLUMNS)
        lines.append(f"{feature:{width}}  {values}  {control}")
    if len(rows) > len(shown):
        lines.append(f"and {len(rows) - len(shown)} more, nearer")
    return "\n".join(lines)


_COLUMNS = (RANKED_BY, "L_INFTY", "NORMALIZED_ABSOLUTE_DIFFERENCE")


def _cell(item: Distance | None) -> str:
    return f"{'-':>9}" if item is None else f"{item.value:8.4f}{'*' if item.exceeded else ' '}"


def all_rows(statistics: DatasetFeatureStatisticsList) -> DatasetFeatureStatistics:
    """The statistics of all rows among those of slices. Raises ValueError if there are none."""
    if len(statistics.datasets) == 1:
        return statistics.datasets[0]
    found = next((dataset for dataset in statistics.datasets if dataset.name == _ALL_ROWS), None)
    if found is None:
        raise ValueError(f"expected statistics of {_ALL_ROWS!r}, received {[d.name for d in statistics.datasets]}")
    return found


def _lenient_schema(first: DatasetFeatureStatistics, second: DatasetFeatureStatistics) -> schema_pb2.Schema:
    """A schema of the features that both have, in the same kind, with comparators that nothing exceeds."""
    from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

    schema = schema_pb2.Schema()
    others = {feature_name(feature): feature for feature in second.features}
    for feature in first.features:
        name, kind = feature_name(feature), feature.WhichOneof("stats")
        other = others.get(name)
        if other is None or kind not in ("num_stats", "string_stats") or other.WhichOneof("stats") != kind:
            continue
        if len(feature.path.step) > 1 or not (_has_values(feature) and _has_values(other)):
            continue
        type_name = statistics_pb2.FeatureNameStatistics.Type.Name(feature.type)
        declared = schema.feature.add(name=name, type=_SCHEMA_TYPES.get(type_name, "BYTES"))
        if type_name == "INT" and kind == "string_stats":
            declared.int_domain.is_categorical = True
        for measure in _NUMERIC if kind == "num_stats" else _CATEGORICAL:
            if hasattr(declared.drift_comparator, measure):  # older releases of the schema lack some
                getattr(declared.drift_comparator, measure).threshold = math.inf
    return schema


_SCHEMA_TYPES = {"INT": "INT", "FLOAT": "FLOAT"}


def _has_values(feature: FeatureNameStatistics) -> bool:
    kind = feature.WhichOneof("stats")
    return bool(getattr(feature, str(kind)).common_stats.num_non_missing)


def feature_name(feature: FeatureNameStatistics) -> str:
    """The name of a feature in statistics, with dots between the steps of its path."""
    return ".".join(feature.path.step) or str(feature.name)
