"""A component class with a Beam executor: keeps the records whose feature has one of some values."""

import json
import os
from typing import Any, Dict, List, Optional

import apache_beam as beam
import tensorflow as tf
from absl import logging
from tfx import types
from tfx.components.util import tfxio_utils  # noqa: F401 - as in the guide's template
from tfx.dsl.components.base import base_beam_component, base_beam_executor, executor_spec
from tfx.types import artifact_utils, channel_utils, component_spec, standard_artifacts
from tfx.utils import json_utils

_TELEMETRY = [("component", "filter")]


class FilterSpec(component_spec.ComponentSpec):
    """Specification of FilterExamples."""

    PARAMETERS = {
        "feature": component_spec.ExecutionParameter(type=str),
        "kept": component_spec.ExecutionParameter(type=List[str]),
        "splits": component_spec.ExecutionParameter(type=str, optional=True),
    }
    INPUTS = {"examples": component_spec.ChannelParameter(type=standard_artifacts.Examples)}
    OUTPUTS = {
        "filtered": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "counts": component_spec.ChannelParameter(type=standard_artifacts.JsonValue),
    }


class _Keep(beam.DoFn):
    def __init__(self, feature: str, kept: List[str]):
        self._feature = feature
        self._kept = {value.encode() for value in kept}
        self._passed = beam.metrics.Metrics.counter("filter", "passed")

    def process(self, record: bytes):
        example = tf.train.Example.FromString(record)
        if set(example.features.feature[self._feature].bytes_list.value) & self._kept:
            self._passed.inc()
            yield record


class Executor(base_beam_executor.BaseBeamExecutor):
    """Reads, filters and writes with Beam."""

    def Do(
        self,
        input_dict: Dict[str, List[types.Artifact]],
        output_dict: Dict[str, List[types.Artifact]],
        exec_properties: Dict[str, Any],
    ) -> None:
        self._log_startup(input_dict, output_dict, exec_properties)
        source = artifact_utils.get_single_instance(input_dict["examples"])
        target = artifact_utils.get_single_instance(output_dict["filtered"])
        known = artifact_utils.decode_split_names(source.split_names)
        chosen = json_utils.loads(exec_properties["splits"]) if exec_properties.get("splits") else known
        target.split_names = artifact_utils.encode_split_names(chosen)
        target.span = 0
        counts = {}
        for split in chosen:
            uri = artifact_utils.get_split_uri([source], split)
            out = artifact_utils.get_split_uri([target], split)
            with self._make_beam_pipeline() as pipeline:
                kept = (
                    pipeline
                    | "Read" >> beam.io.ReadFromTFRecord(os.path.join(uri, "*"))
                    | "Keep" >> beam.ParDo(_Keep(exec_properties["feature"], exec_properties["kept"]))
                )
                _ = kept | "Write" >> beam.io.WriteToTFRecord(
                    os.path.join(out, "data_tfrecord"), file_name_suffix=".gz"
                )
                _ = (
                    kept
                    | beam.combiners.Count.Globally()
                    | beam.Map(str)
                    | "Count" >> beam.io.WriteToText(os.path.join(self._get_tmp_dir(), split), shard_name_template="")
                )
            with open(os.path.join(self._get_tmp_dir(), split)) as file:
                counts[split] = int(file.read())
        logging.info("kept %s in %s", counts, self._context.get_tmp_path())
        artifact_utils.get_single_instance(output_dict["counts"]).value = json.loads(json.dumps(counts))


class FilterExamples(base_beam_component.BaseBeamComponent):
    """Keeps the records whose feature has one of the values."""

    SPEC_CLASS = FilterSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        feature: str,
        kept: List[str],
        splits: Optional[List[str]] = None,
        filtered: Optional[types.Channel] = None,
    ):
        if not filtered:
            artifact = standard_artifacts.Examples()
            artifact.split_names = artifact_utils.encode_split_names(splits or ["train", "eval"])
            filtered = channel_utils.as_channel([artifact])
        spec = FilterSpec(
            examples=examples,
            feature=feature,
            kept=kept,
            splits=json_utils.dumps(splits) if splits else None,
            filtered=filtered,
            counts=types.Channel(type=standard_artifacts.JsonValue),
        )
        super().__init__(spec=spec)
