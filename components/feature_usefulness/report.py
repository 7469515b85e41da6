"""The findings as TFDV's statistics, as JSON, and as tables in Markdown and HTML."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlops_tfx.components.feature_usefulness.lift import LiftSeries

AMI = "adjusted_mutual_information"  # TFDV's key
HELPS, DEAD_WEIGHT = "helps", "dead weight"
_COLUMNS = ("feature", "bits", "of the label", "rows with a value", "verdict", "kind", "highest lift")


@dataclass(frozen=True)
class Usefulness:
    """What one feature says about the label.

    Attributes:
        feature: its name.
        kind: ``categorical`` or ``numeric``.
        bits: adjusted mutual information with the label.
        share: bits by the bits that the label has; None for a numeric label.
        present: share of rows with a value.
        verdict: ``helps`` or ``dead weight``.
        series: lifts per label; empty for numeric features.
    """

    feature: str
    kind: str
    bits: float
    share: float | None
    present: float
    verdict: str
    series: tuple[LiftSeries, ...] = ()


def as_json(found: Sequence[Usefulness], about: dict[str, Any]) -> dict[str, Any]:
    """Everything as plain data; ``about`` goes first."""
    return {
        **about,
        "features": [
            {
                "feature": item.feature,
                "kind": item.kind,
                AMI: item.bits,
                "share_of_label": item.share,
                "present": item.present,
                "verdict": item.verdict,
                "lift": [
                    {"label": readable(series.label), "value": readable(lift.value), "lift": lift.lift,
                     "x_count": lift.x_count, "x_and_y_count": lift.xy_count}
                    for series in item.series
                    for lift in series.lifts
                ],
            }
            for item in found
        ],
    }  # fmt: skip


def readable(value: Any) -> Any:
    """A value or a label as JSON data."""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    if isinstance(value, tuple):
        return f"[{value[0]:g}, {value[1]:g})"
    return value


def _cells(item: Usefulness) -> list[str]:
    share = "" if item.share is None else f"{item.share:.1%}"
    highest = max(
        ((lift.lift, readable(lift.value), readable(series.label)) for series in item.series for lift in series.lifts),
        key=lambda entry: entry[0],
        default=None,
    )
    lift = "" if highest is None else f"{highest[0]:.2f} ({highest[1]} -> {highest[2]})"
    return [item.feature, f"{item.bits:.4f}", share, f"{item.present:.1%}", item.verdict, item.kind, lift]


def as_markdown(found: Sequence[Usefulness], title: str) -> str:
    """A table, the most useful feature first."""
    rows = [_COLUMNS, ["---"] * len(_COLUMNS), *(_cells(item) for item in found)]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([f"# {title}", "", *lines, ""])


def as_html(found: Sequence[Usefulness], title: str) -> str:
    """The same table as a page of its own, dead weight in grey."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in _COLUMNS)
    body = "\n".join(
        f'<tr class="{item.verdict.split()[0]}">'
        + "".join(f"<td>{html.escape(c)}</td>" for c in _cells(item))
        + "</tr>"
        for item in found
    )
    style = "body{font-family:sans-serif}td,th{padding:2px 12px;text-align:left}.dead{color:#888}"
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>\n'
        f"<style>{style}</style></head><body><h1>{html.escape(title)}</h1>\n<table><tr>{head}</tr>\n{body}\n</table>\n"
        "</body></html>\n"
    )


def as_statistics(found: Sequence[Usefulness], label: str, rows: int, weighted: bool) -> Any:
    """TFDV's DatasetFeatureStatisticsList: mutual information and lift as its generators write them."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    statistics = statistics_pb2.DatasetFeatureStatisticsList()
    dataset = statistics.datasets.add(num_examples=rows)
    for item in found:
        feature = dataset.features.add()
        feature.path.step.append(item.feature)
        feature.custom_stats.add(name=AMI, num=item.bits)
        for series in item.series:
            histogram = feature.custom_stats.add(name=f"Lift (Y={readable(series.label)})").rank_histogram
            for lift in series.lifts:
                histogram.buckets.add(label=str(readable(lift.value)), sample_count=lift.lift)
        if item.series:
            _add_cross_feature(dataset, item, label, weighted)
    return statistics


def _add_cross_feature(dataset: Any, item: Usefulness, label: str, weighted: bool) -> None:
    cross = dataset.cross_features.add()
    cross.path_x.step.append(item.feature)
    cross.path_y.step.append(label)
    prefix, number = ("weighted_", float) if weighted else ("", round)
    for series in item.series:
        target = cross.categorical_cross_stats.lift.lift_series.add(**{f"{prefix}y_count": number(series.y_count)})
        _set_label(target, series.label)
        for lift in series.lifts:
            counts = {
                f"{prefix}x_count": number(lift.x_count),
                f"{prefix}x_and_y_count": number(lift.xy_count),
            }
            text = {"x_int": lift.value} if isinstance(lift.value, int) else {"x_string": readable(lift.value)}
            target.lift_values.add(lift=lift.lift, **counts, **text)


def _set_label(target: Any, label: Any) -> None:
    if isinstance(label, tuple):
        target.y_bucket.low_value, target.y_bucket.high_value = (float(edge) for edge in label)
    elif isinstance(label, int):
        target.y_int = label
    else:
        target.y_string = str(readable(label))
