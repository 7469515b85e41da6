"""From a DistributionValidatorConfig to TFDV's schema, and from TFDV's answer to what is about the comparison only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tfx.config import DistributionValidatorConfig
from mlops_tfx.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import BaseModel
    from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

_ABOUT_COMPARISON = (
    "COMPARATOR_CONTROL_DATA_MISSING",
    "COMPARATOR_TREATMENT_DATA_MISSING",
    "COMPARATOR_L_INFTY_HIGH",
    "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH",
    "COMPARATOR_NORMALIZED_ABSOLUTE_DIFFERENCE_HIGH",
    "COMPARATOR_LOW_NUM_EXAMPLES",
    "COMPARATOR_HIGH_NUM_EXAMPLES",
    "CUSTOM_VALIDATION",
)
_NOT_COMPARED = (
    "Validation could not be done, which could be due to missing data, use of a comparator that is not suitable for "
    "the feature type, or some other reason."
)


def comparison_schema(
    config: DistributionValidatorConfig, baseline: statistics_pb2.DatasetFeatureStatisticsList
) -> schema_pb2.Schema:
    """The schema of the baseline, with the comparators of the config. Features without statistics are left out."""
    import tensorflow_data_validation as tfdv

    schema: schema_pb2.Schema = tfdv.infer_schema(baseline)
    declared = {feature.name: feature for feature in schema.feature}
    for comparator in config.default_slice_config.feature:
        feature = declared.get(comparator.path.step[0]) if len(comparator.path.step) == 1 else None
        if feature is not None:
            _copy(comparator.distribution_comparator, feature.drift_comparator)
    rows = config.default_slice_config.num_examples_comparator
    if rows is not None:
        _copy(rows, schema.dataset_constraints.num_examples_drift_comparator)
    return schema


def _copy(model: BaseModel, message: object) -> None:
    from google.protobuf import json_format

    fields = model.model_dump(exclude_none=True)
    try:
        json_format.ParseDict(fields, message)  # type: ignore[type-var]
        message.SetInParent()  # type: ignore[attr-defined]  # a comparator without thresholds still compares
    except json_format.ParseError as error:
        raise ConfigError(f"config: {fields!r} does not fit this release of TFDV: {error}") from error


def only_comparison(found: anomalies_pb2.Anomalies, config: DistributionValidatorConfig) -> anomalies_pb2.Anomalies:
    """What TFDV found about the comparison, and an anomaly for every feature that it should compare and could not."""
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    kept = anomalies_pb2.Anomalies()
    kept.CopyFrom(found)
    kept.ClearField("data_missing")
    for name in list(kept.anomaly_info):
        if not _keep_reasons(kept.anomaly_info[name]):
            del kept.anomaly_info[name]
    if not _keep_reasons(kept.dataset_anomaly_info):
        kept.ClearField("dataset_anomaly_info")
    kept.anomaly_name_format = anomalies_pb2.Anomalies.SERIALIZED_PATH
    compared = {".".join(info.path.step) for info in kept.drift_skew_info}
    for comparator in config.default_slice_config.feature:
        name = ".".join(comparator.path.step)
        if name not in compared:
            _add_not_compared(kept.anomaly_info[name], comparator.path.step)
    return kept


def _keep_reasons(info: anomalies_pb2.AnomalyInfo) -> bool:
    """Leaves only the reasons that are about the comparison; whether there are any. As TFX, without a summary."""
    for field in ("description", "short_description", "diff_regions"):
        info.ClearField(field)
    kept = [reason for reason in info.reason if info.Type.Name(reason.type) in _ABOUT_COMPARISON]
    del info.reason[:]
    info.reason.extend(kept)
    return bool(kept)


def _add_not_compared(info: anomalies_pb2.AnomalyInfo, step: list[str]) -> None:
    reason = info.reason.add(type=info.STATS_NOT_AVAILABLE, description=_NOT_COMPARED)
    reason.short_description = "Comparison could not be done."
    del info.path.step[:]
    info.path.step.extend(step)
    info.severity = info.ERROR
