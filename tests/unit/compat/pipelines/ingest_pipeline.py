"""ExampleGens in TFX's idiom: custom executors, one that divides rows itself, a driver, a packed configuration."""

import json
import os
import sys
from typing import Any, Dict, Iterable, List, Optional

import apache_beam as beam
import tensorflow as tf
from google.protobuf import wrappers_pb2
from tfx.components.example_gen import base_example_gen_executor, component, driver, utils
from tfx.components.example_gen.csv_example_gen.executor import Executor as CsvExecutor
from tfx.components.example_gen.input_processor import FileBasedInputProcessor
from tfx.dsl.components.base import executor_spec
from tfx.dsl.io import fileio
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.utils import proto_utils


def _to_example(line: str) -> tf.train.Example:
    return utils.dict_to_example(json.loads(line))


@beam.ptransform_fn
@beam.typehints.with_input_types(beam.Pipeline)
@beam.typehints.with_output_types(tf.train.Example)
def _JsonToExample(pipeline: beam.Pipeline, exec_properties: Dict[str, Any], split_pattern: str) -> beam.PCollection:
    pattern = os.path.join(exec_properties["input_base"], split_pattern)
    return pipeline | "Read" >> beam.io.ReadFromText(pattern) | "ToExample" >> beam.Map(_to_example)


class JsonExecutor(base_example_gen_executor.BaseExampleGenExecutor):
    def GetInputSourceToExamplePTransform(self) -> beam.PTransform:
        return _JsonToExample


class OddAndEvenExecutor(JsonExecutor):
    """Divides rows by a rule of its own."""

    def GenerateExamplesByBeam(self, pipeline: beam.Pipeline, exec_properties: Dict[str, Any]) -> Dict[str, Any]:
        input_config = proto_utils.json_to_proto(exec_properties["input_config"], example_gen_pb2.Input())
        output_config = proto_utils.json_to_proto(exec_properties["output_config"], example_gen_pb2.Output())
        names = utils.generate_output_split_names(input_config, output_config)
        rows = pipeline | _JsonToExample(exec_properties, input_config.splits[0].pattern)
        odd, even = rows | beam.Partition(_odd_first, 2)
        return dict(zip(names, [odd, even], strict=True))


def _odd_first(example: tf.train.Example, _: int) -> int:
    return 0 if example.features.feature["x"].int64_list.value[0] % 2 else 1


class DoublingExecutor(CsvExecutor):
    """Works on what the standard executor makes."""

    def GetInputSourceToExamplePTransform(self) -> beam.PTransform:
        read = super().GetInputSourceToExamplePTransform()

        @beam.ptransform_fn
        def _Doubled(pipeline: beam.Pipeline, exec_properties: Dict[str, Any], split_pattern: str) -> beam.PCollection:
            return pipeline | "Csv" >> read(exec_properties, split_pattern) | "Double" >> beam.Map(_double)

        return _Doubled


def _double(example: tf.train.Example) -> tf.train.Example:
    values = example.features.feature["x"].int64_list.value
    values[0] *= 2
    return example


class LowestSpanProcessor(FileBasedInputProcessor):
    def resolve_span_and_version(self) -> Any:
        spans = [int(name.rstrip("/").split("-")[1]) for name in fileio.listdir(self._input_base_uri)]
        self._fingerprint = "lowest"
        return min(spans), None


class LowestSpanDriver(driver.FileBasedDriver):
    def get_input_processor(
        self,
        splits: Iterable[example_gen_pb2.Input.Split],
        range_config: Optional[range_config_pb2.RangeConfig] = None,
        input_base_uri: Optional[str] = None,
    ) -> LowestSpanProcessor:
        return LowestSpanProcessor(input_base_uri, splits, range_config)


class LowestSpanExampleGen(component.FileBasedExampleGen):
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(JsonExecutor)
    DRIVER_CLASS = LowestSpanDriver


@beam.ptransform_fn
def _NumbersToExample(pipeline: beam.Pipeline, exec_properties: Dict[str, Any], split_pattern: str) -> beam.PCollection:
    custom_config = example_gen_pb2.CustomConfig()
    proto_utils.json_to_proto(exec_properties["custom_config"], custom_config)
    factor = wrappers_pb2.Int64Value()
    custom_config.custom_config.Unpack(factor)
    numbers = [{"x": number * factor.value} for number in range(1, int(split_pattern) + 1)]
    return pipeline | beam.Create(numbers) | beam.Map(utils.dict_to_example)


class NumbersExecutor(base_example_gen_executor.BaseExampleGenExecutor):
    def GetInputSourceToExamplePTransform(self) -> beam.PTransform:
        return _NumbersToExample


class NumbersExampleGen(component.QueryBasedExampleGen):
    """A query is how many numbers there are to be."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(NumbersExecutor)

    def __init__(
        self, factor: int, query: Optional[str] = None, output_config: Optional[example_gen_pb2.Output] = None
    ) -> None:
        input_config = utils.make_default_input_config(query)
        packed = example_gen_pb2.CustomConfig()
        packed.custom_config.Pack(wrappers_pb2.Int64Value(value=factor))
        super().__init__(
            input_config=input_config,
            output_config=output_config or utils.make_default_output_config(input_config),
            custom_config=packed,
        )


def create_pipeline(data: str, root: str) -> pipeline.Pipeline:
    spans = example_gen_pb2.Input(splits=[example_gen_pb2.Input.Split(name="all", pattern="span-{SPAN}/*")])
    shares = example_gen_pb2.SplitConfig(
        splits=[
            example_gen_pb2.SplitConfig.Split(name="a", hash_buckets=3),
            example_gen_pb2.SplitConfig.Split(name="b", hash_buckets=2),
        ]
    )
    output = example_gen_pb2.Output(split_config=shares)
    json_spec = executor_spec.BeamExecutorSpec(JsonExecutor)
    own_spec = executor_spec.BeamExecutorSpec(OddAndEvenExecutor)
    csv_spec = executor_spec.BeamExecutorSpec(DoublingExecutor)
    base = os.path.join(data, "json")
    nodes = [
        component.FileBasedExampleGen(input_base=base, input_config=spans, custom_executor_spec=json_spec),
        component.FileBasedExampleGen(
            input_base=base, input_config=spans, output_config=output, custom_executor_spec=own_spec
        ).with_id("OddAndEven"),
        LowestSpanExampleGen(input_base=base, input_config=spans, output_config=output),
        component.FileBasedExampleGen(input_base=os.path.join(data, "csv"), custom_executor_spec=csv_spec).with_id(
            "Doubled"
        ),
        NumbersExampleGen(factor=3, query="50"),
    ]
    return pipeline.Pipeline(
        pipeline_name="ingest",
        pipeline_root=os.path.join(root, "pipeline"),
        components=nodes,
        metadata_connection_config=metadata.sqlite_metadata_connection_config(os.path.join(root, "metadata.db")),
    )


def main(argv: List[str]) -> None:
    LocalDagRunner().run(create_pipeline(argv[1], argv[2]))


if __name__ == "__main__":
    main(sys.argv)
