"""The light twin of ``tfma.EvalConfig``: what to evaluate, sliced how, and what the model must reach to be blessed.

Classes and fields have the names and the shape of ``tensorflow_model_analysis/proto/config.proto`` (TFMA 0.47 to
0.52), so that a configuration moves between the two by changing the import; but importing this module costs no TFMA.

    EvalConfig(
        model_specs=[ModelSpec(label_key="late")],
        slicing_specs=[SlicingSpec(), SlicingSpec(feature_keys=["carrier"])],
        metrics_specs=[MetricsSpec(metrics=[
            MetricConfig(class_name="ExampleCount"),
            MetricConfig(class_name="AUC", threshold=MetricThreshold(
                value_threshold=GenericValueThreshold(lower_bound=0.7),
                change_threshold=GenericChangeThreshold(absolute=-0.01, direction="HIGHER_IS_BETTER"))),
        ])],
    )

Wrapper messages (DoubleValue, BoolValue, Int32Value) are plain values here; ``{"value": 0.7}`` is taken too, as in TFX
pipelines. Lists stand for RepeatedInt32Value and RepeatedStringValue; ``{"values": [...]}`` is taken too.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from mlops_tfx.config import Config

if TYPE_CHECKING:
    from typing_extensions import Self


def _unwrap(value: Any) -> Any:
    """``{"value": x}`` or ``{"values": xs}`` is how a wrapper message is written where TFMA's proto is used."""
    if isinstance(value, Mapping) and len(value) == 1:
        return value.get("value", value.get("values", value))
    return value


def _enum_name(value: Any) -> Any:
    """Enum members may be given by name, as in JSON."""
    return MetricDirection[value] if isinstance(value, str) and value in MetricDirection.__members__ else value


def _method_name(value: Any) -> Any:
    known = ConfidenceIntervalMethod.__members__
    return ConfidenceIntervalMethod[value] if isinstance(value, str) and value in known else value


Double = Annotated[float | None, BeforeValidator(_unwrap)]
Bool = Annotated[bool | None, BeforeValidator(_unwrap)]
Int32 = Annotated[int | None, BeforeValidator(_unwrap)]
Int32s = Annotated[list[int] | None, BeforeValidator(_unwrap)]
Strings = Annotated[list[str] | None, BeforeValidator(_unwrap)]


class MetricDirection(enum.IntEnum):
    """Which way a metric improves."""

    UNKNOWN = 0
    LOWER_IS_BETTER = 1
    HIGHER_IS_BETTER = 2


class ConfidenceIntervalMethod(enum.IntEnum):
    """How confidence intervals are computed."""

    UNKNOWN_CONFIDENCE_INTERVAL_METHOD = 0
    POISSON_BOOTSTRAP = 1
    JACKKNIFE = 2


class EvalMessage(Config):
    """Base of the messages below."""

    def to_dict(self) -> dict[str, Any]:
        """Returns the message as proto JSON with the proto's field names; unset and empty fields are left out."""
        return {
            name: _to_json(getattr(self, name), wrapped=name in _REPEATED_WRAPPERS)
            for name in type(self).model_fields
            if getattr(self, name) not in (None, "", [], {})
            or (name in _REPEATED_WRAPPERS and getattr(self, name) == [])
        }


# Fields that are messages with one repeated field ``values`` in the proto.
_REPEATED_WRAPPERS = frozenset({"class_ids", "k_list", "top_k_list", "disabled_outputs"})


def _to_json(value: Any, wrapped: bool = False) -> Any:
    if wrapped:
        return {"values": list(value)}
    if isinstance(value, EvalMessage):
        return value.to_dict()
    if isinstance(value, enum.IntEnum):
        return value.name
    if isinstance(value, Mapping):
        return {str(key): _to_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        # Proto JSON spells them as strings.
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


class PaddingOptions(EvalMessage):
    """Values that fill up labels and predictions of differing lengths."""

    ONEOFS = (("label_int_padding", "label_float_padding"), ("prediction_int_padding", "prediction_float_padding"))
    label_int_padding: int | None = None
    label_float_padding: float | None = None
    prediction_int_padding: int | None = None
    prediction_float_padding: float | None = None


class ModelSpec(EvalMessage):
    """How to call a model, and which columns hold its label and weight.

    Attributes:
        name: only for several models; one model's name is ignored.
        model_type: ``tf_generic``, ``tf_keras``, ``tf_lite``, ``tf_js``; found out when empty.
        signature_name: the signature to call; ``serving_default`` when empty.
        preprocessing_function_names: signatures (such as ``transform_features``) whose outputs are searched before the
            raw columns for labels, weights and slicing features.
        label_key: the label's column; ``label_keys`` by output name for a model of several outputs.
        prediction_key: which of several outputs is the prediction; the predictions' column when no model is given.
        example_weight_key: the column of row weights.
        is_baseline: marks the model that change thresholds compare with.
        inference_batch_size: rows per call of the model.
    """

    name: str = ""
    model_type: str = ""
    signature_name: str = ""
    preprocessing_function_names: list[str] = Field(default_factory=list)
    label_key: str = ""
    label_keys: dict[str, str] = Field(default_factory=dict)
    prediction_key: str = ""
    prediction_keys: dict[str, str] = Field(default_factory=dict)
    example_weight_key: str = ""
    example_weight_keys: dict[str, str] = Field(default_factory=dict)
    is_baseline: bool | None = None
    padding_options: PaddingOptions | None = None
    inference_batch_size: int | None = None


class SlicingSpec(EvalMessage):
    """One way to slice: by every value of ``feature_keys``, where ``feature_values`` hold. Empty: all rows together."""

    feature_keys: list[str] = Field(default_factory=list)
    feature_values: dict[str, str] = Field(default_factory=dict)
    slice_keys_sql: str = ""


class CrossSlicingSpec(EvalMessage):
    """Slices that are compared with a baseline slice."""

    baseline_spec: SlicingSpec | None = None
    slicing_specs: list[SlicingSpec] = Field(default_factory=list)


class BinarizationOptions(EvalMessage):
    """Computes binary metrics per class, for the k-th prediction, or for the best k."""

    class_ids: Int32s = None
    k_list: Int32s = None
    top_k_list: Int32s = None


class AggregationOptions(EvalMessage):
    """Averages binary metrics over classes."""

    ONEOFS = (("micro_average", "macro_average", "weighted_macro_average"),)
    micro_average: bool | None = None
    macro_average: bool | None = None
    weighted_macro_average: bool | None = None
    class_weights: dict[int, float] = Field(default_factory=dict)
    top_k_list: Int32s = None


class ExampleWeightOptions(EvalMessage):
    """Whether metrics are computed with row weights, without, or both."""

    weighted: bool | None = None
    unweighted: bool | None = None


class GenericValueThreshold(EvalMessage):
    """Bounds of the metric itself, both included."""

    lower_bound: Double = None
    upper_bound: Double = None


class GenericChangeThreshold(EvalMessage):
    """Bounds of candidate minus baseline (``absolute``), or of that divided by the baseline (``relative``)."""

    absolute: Double = None
    relative: Double = None
    direction: Annotated[MetricDirection | None, BeforeValidator(_enum_name)] = None


class MetricThreshold(EvalMessage):
    """What a metric must reach for the model to be blessed."""

    value_threshold: GenericValueThreshold | None = None
    change_threshold: GenericChangeThreshold | None = None


class PerSliceMetricThreshold(EvalMessage):
    """A threshold that holds in the slices of ``slicing_specs``."""

    slicing_specs: list[SlicingSpec] = Field(default_factory=list)
    threshold: MetricThreshold | None = None


class PerSliceMetricThresholds(EvalMessage):
    """Several thresholds per slice."""

    thresholds: list[PerSliceMetricThreshold] = Field(default_factory=list)


class CrossSliceMetricThreshold(EvalMessage):
    """A threshold for the difference between slices."""

    cross_slicing_specs: list[CrossSlicingSpec] = Field(default_factory=list)
    threshold: MetricThreshold | None = None


class CrossSliceMetricThresholds(EvalMessage):
    """Several thresholds for differences between slices."""

    thresholds: list[CrossSliceMetricThreshold] = Field(default_factory=list)


class MetricConfig(EvalMessage):
    """One metric: TFMA's, Keras', or a class of ``module``; ``config`` is JSON of its arguments."""

    class_name: str = ""
    module: str = ""
    config: str = ""
    threshold: MetricThreshold | None = None
    per_slice_thresholds: list[PerSliceMetricThreshold] = Field(default_factory=list)
    cross_slice_thresholds: list[CrossSliceMetricThreshold] = Field(default_factory=list)


class MetricsSpec(EvalMessage):
    """Metrics, and for which models, outputs, classes and weights they are computed."""

    metrics: list[MetricConfig] = Field(default_factory=list)
    model_names: list[str] = Field(default_factory=list)
    output_names: list[str] = Field(default_factory=list)
    output_weights: dict[str, float] = Field(default_factory=dict)
    binarize: BinarizationOptions | None = None
    aggregate: AggregationOptions | None = None
    example_weights: ExampleWeightOptions | None = None
    query_key: str = ""
    thresholds: dict[str, MetricThreshold] = Field(default_factory=dict)
    per_slice_thresholds: dict[str, PerSliceMetricThresholds] = Field(default_factory=dict)
    cross_slice_thresholds: dict[str, CrossSliceMetricThresholds] = Field(default_factory=dict)


class ConfidenceIntervalOptions(EvalMessage):
    """How confidence intervals are computed."""

    method: Annotated[ConfidenceIntervalMethod | None, BeforeValidator(_method_name)] = None


class Options(EvalMessage):
    """Options of the whole evaluation.

    Attributes:
        include_default_metrics: also compute the metrics that a Keras 2 model was compiled with; default true.
        compute_confidence_intervals: by ``confidence_intervals.method``, JACKKNIFE by default.
        min_slice_size: slices of fewer rows are not reported.
        disabled_outputs: files not to write, such as ``eval_config``.
    """

    include_default_metrics: Bool = None
    compute_confidence_intervals: Bool = None
    confidence_intervals: ConfidenceIntervalOptions | None = None
    min_slice_size: Int32 = None
    disabled_outputs: Strings = None


class EvalConfig(EvalMessage):
    """The whole configuration of an evaluation; see the module's docstring for an example."""

    model_specs: list[ModelSpec] = Field(default_factory=list)
    slicing_specs: list[SlicingSpec] = Field(default_factory=list)
    cross_slicing_specs: list[CrossSlicingSpec] = Field(default_factory=list)
    metrics_specs: list[MetricsSpec] = Field(default_factory=list)
    options: Options | None = None

    @classmethod
    def from_proto(cls, proto: Any) -> Self:
        """Returns the twin of a ``tfma.EvalConfig``."""
        from google.protobuf import json_format

        return cls(**json_format.MessageToDict(proto, preserving_proto_field_name=True))

    def to_proto(self) -> Any:
        """Returns this configuration as a ``tfma.EvalConfig``; imports TFMA."""
        from google.protobuf import json_format
        from tensorflow_model_analysis.proto import config_pb2

        return json_format.ParseDict(self.to_dict(), config_pb2.EvalConfig())
