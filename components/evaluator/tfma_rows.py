"""Metrics as rows for people, from the files that TFMA writes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def metrics_rows(uri: str) -> list[dict[str, Any]]:
    """The rows of ``read_metrics``, from TFMA's files."""
    from tensorflow_model_analysis.writers import metrics_plots_and_validations_writer as writer

    messages = writer.load_and_deserialize_metrics(uri)
    ordered = sorted(messages, key=lambda m: (len(m.slice_key.single_slice_keys), str(m)))
    return [row for message in ordered for row in _rows(message)]


def _rows(message: Any) -> list[dict[str, Any]]:
    from tensorflow_model_analysis.slicer import slicer_lib

    if message.HasField("cross_slice_key"):
        keys = slicer_lib.deserialize_cross_slice_key(message.cross_slice_key)
        name = " vs ".join(text_of(key) for key in keys)
    else:
        name = text_of(slicer_lib.deserialize_slice_key(message.slice_key))
    return [
        {"slice": name, **metric_name(item.key), "value": _number(item.value.double_value.value)}
        for item in message.metric_keys_and_values
        if item.value.WhichOneof("type") == "double_value"
    ]


def metric_name(key: Any) -> dict[str, Any]:
    """What names a metric, from its MetricKey proto: ``metric``, and what else distinguishes it."""
    name: dict[str, Any] = {"metric": key.name}
    if key.model_name:
        name["model"] = key.model_name
    if key.output_name:
        name["output"] = key.output_name
    for part in ("class_id", "k", "top_k"):
        if key.sub_key.HasField(part):
            name["sub_key"] = f"{part}={getattr(key.sub_key, part).value}"
    if key.aggregation_type.ByteSize():
        name["aggregation"] = key.aggregation_type.ListFields()[0][0].name
    if key.example_weighted.value:
        name["weighted"] = True
    if key.is_diff:
        name["is_diff"] = True
    return name


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def text_of(key: Sequence[tuple[str, Any]]) -> str:
    """The slice for people: ``carrier=AA, origin=JFK``, or ``Overall``."""
    return ", ".join(f"{name}={value}" for name, value in key) or "Overall"
