"""Executors derived from those of TFX's standard components: each changes one thing that the standard one does."""

import json
import os
import signal

import apache_beam as beam
from tfx.components.example_gen.csv_example_gen.executor import Executor as CsvExecutor
from tfx.components.pusher.executor import Executor as PusherExecutor
from tfx.components.schema_gen.executor import Executor as SchemaGenExecutor
from tfx.components.trainer.executor import GenericExecutor
from tfx.components.transform.executor import Executor as TransformExecutor
from tfx.types import artifact_utils


def _is_known(example):
    return example.features.feature["sex"].bytes_list.value[:] in ([b"male"], [b"female"])


class KnownSexExecutor(CsvExecutor):
    """Leaves out rows, after the standard executor has read them."""

    def GetInputSourceToExamplePTransform(self):
        read = super().GetInputSourceToExamplePTransform()

        @beam.ptransform_fn
        def _KnownSex(pipeline, exec_properties, split_pattern):
            return pipeline | "Read" >> read(exec_properties, split_pattern) | "Known" >> beam.Filter(_is_known)

        return _KnownSex


def _by_year(example, _):
    return 0 if example.features.feature["year"].int64_list.value[0] < 2009 else 1


class ByYearExecutor(CsvExecutor):
    """Divides rows by a feature: the documented way for splits of one's own."""

    def GenerateExamplesByBeam(self, pipeline, exec_properties):
        rows = pipeline | self.GetInputSourceToExamplePTransform()(exec_properties, "*")
        early, late = rows | beam.Partition(_by_year, 2)
        return {"train": early, "eval": late}


class NotingSchemaExecutor(SchemaGenExecutor):
    """Works on what the standard executor makes, with a handler of signals in place."""

    def Do(self, input_dict, output_dict, exec_properties):
        before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        super().Do(input_dict, output_dict, exec_properties)
        signal.signal(signal.SIGUSR1, before)
        schema = artifact_utils.get_single_instance(output_dict["schema"])
        schema.set_int_custom_property("features", _count(os.path.join(schema.uri, "schema.pbtxt"), "feature {"))
        schema.set_string_custom_property("excluded", str(json.loads(exec_properties["exclude_splits"])))


def _count(path, text):
    with open(path) as file:
        return sum(line.startswith(text) for line in file)


class DoublingTransformExecutor(TransformExecutor):
    """Changes the user's function."""

    def _GetPreprocessingFn(self, inputs, unused_outputs):
        function = super()._GetPreprocessingFn(inputs, unused_outputs)
        return lambda features: {name: 2.0 * value for name, value in function(features).items()}


class ToldTrainerExecutor(GenericExecutor):
    """Adds to what run_fn is told."""

    def _GetFnArgs(self, input_dict, output_dict, exec_properties):
        fn_args = super()._GetFnArgs(input_dict, output_dict, exec_properties)
        fn_args.custom_config = {**fn_args.custom_config, "inputs": sorted(input_dict)}
        return fn_args


class AnnouncingPusherExecutor(PusherExecutor):
    """Decides on the blessing itself, and says what it has done."""

    def CheckBlessing(self, input_dict):
        return artifact_utils.get_single_instance(input_dict["model"]).uri.find("/Trainer/") > 0

    def _MarkPushed(self, model_push, pushed_destination, pushed_version=None):
        super()._MarkPushed(model_push, pushed_destination=pushed_destination, pushed_version=pushed_version)
        model_push.set_int_custom_property("announced", int(pushed_destination.endswith(pushed_version)))

    def _MarkNotPushed(self, model_push):
        super()._MarkNotPushed(model_push)
        model_push.set_int_custom_property("announced", -1)
