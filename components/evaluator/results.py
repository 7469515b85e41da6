"""The files of an evaluation: TFMA's own, and a small ``metrics.json`` that is read without TFMA."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlops_tfx import filesystem
from mlops_tfx.components.evaluator.report import METRICS_JSON
from mlops_tfx.components.evaluator.slices import SliceKey
from mlops_tfx.components.evaluator.tfma_rows import metrics_rows

_SHARD = "-00000-of-00001.tfrecord"

SliceMetrics = tuple[SliceKey, Mapping[Any, Any]]


def write_results(uri: str, slices: Sequence[SliceMetrics], eval_config: Any, locations: EvalLocations) -> Any:
    """Writes metrics, plots, attributions, validations and configuration as TFMA does; returns the ValidationResult."""
    from tensorflow_model_analysis.metrics.metric_types import PlotKey
    from tensorflow_model_analysis.writers import metrics_plots_and_validations_writer as writer

    metrics = [
        (key, {name: v for name, v in values.items() if not isinstance(name, PlotKey)}) for key, values in slices
    ]
    plots = [(key, {name: v for name, v in values.items() if isinstance(name, PlotKey)}) for key, values in slices]
    write_records(uri, "metrics", [writer.convert_slice_metrics_to_proto(item, None) for item in metrics])
    write_records(uri, "plots", [writer.convert_slice_plots_to_proto(item, None) for item in plots])
    write_records(uri, "attributions", [writer.convert_slice_attributions_to_proto((key, {})) for key, _ in slices])
    validation = _validate(metrics, eval_config)
    write_records(uri, "validations", [validation], suffix=".tfrecord")
    locations.write(uri, eval_config)
    return validation


class EvalLocations:
    """Where examples and models lay, for ``eval_config.json``; TFMA only shows them."""

    def __init__(self, data_location: str, file_format: str, models: Mapping[str, str]) -> None:
        self.data_location, self.file_format, self.models = data_location, file_format, dict(models)

    def write(self, uri: str, eval_config: Any) -> None:
        """Writes ``eval_config.json``, unless the configuration says not to."""
        from google.protobuf import json_format
        from tensorflow_model_analysis import version
        from tensorflow_model_analysis.proto import config_pb2

        if "eval_config" in eval_config.options.disabled_outputs.values:
            return
        run = config_pb2.EvalRun(
            eval_config=eval_config,
            version=version.VERSION,
            data_location=self.data_location,
            file_format=self.file_format,
            model_locations=self.models or {"": "<unknown>"},
        )
        filesystem.write_bytes(os.path.join(uri, "eval_config.json"), (json_format.MessageToJson(run) + "\n").encode())


def write_records(uri: str, name: str, messages: Iterable[Any], suffix: str = _SHARD) -> None:
    """Writes protos as one TFRecord file."""
    import tensorflow as tf

    filesystem.makedirs(uri)
    with tf.io.TFRecordWriter(os.path.join(uri, name + suffix)) as records:
        for message in messages:
            records.write(message.SerializeToString(deterministic=True))


def _validate(metrics: Sequence[SliceMetrics], eval_config: Any) -> Any:
    """TFMA's verdict on all slices, by TFMA's own code."""
    from tensorflow_model_analysis.evaluators import metrics_validator
    from tensorflow_model_analysis.writers.metrics_plots_and_validations_writer import CombineValidations

    combine = CombineValidations(eval_config)
    verdict = combine.create_accumulator()
    for item in metrics:
        verdict = combine.add_input(verdict, metrics_validator.validate_metrics(item, eval_config))
    return combine.extract_output(verdict)


def write_metrics_json(uri: str, report: Mapping[str, Any]) -> None:
    """Writes ``metrics.json`` beside TFMA's files, from the metrics that lie there."""
    text = json.dumps({**report, "rows": metrics_rows(uri)}, indent=1, ensure_ascii=False)
    filesystem.write_bytes(os.path.join(uri, METRICS_JSON), text.encode())
