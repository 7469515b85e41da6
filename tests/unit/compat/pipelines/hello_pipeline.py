"""A pipeline in TFX's idiom: component classes with plain, Beam and driver-led executors, run as a script."""

import os
from typing import Any, Dict, List, Optional

import apache_beam as beam
from absl import app, flags, logging
from tfx import types
from tfx.components import CsvExampleGen
from tfx.dsl.components.base import (
    base_beam_component,
    base_beam_executor,
    base_component,
    base_executor,
    executor_spec,
)
from tfx.dsl.io import fileio
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.types import artifact, artifact_utils, channel_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.utils import io_utils

FLAGS = flags.FLAGS
flags.DEFINE_string("data_root", None, "folder with CSV files")
flags.DEFINE_string("root", None, "folder for everything that is written")


class LineCount(types.Artifact):
    TYPE_NAME = "LineCount"
    PROPERTIES = {"lines": artifact.Property(type=artifact.PropertyType.INT)}


class HelloExecutor(base_executor.BaseExecutor):
    """Copies all splits."""

    def Do(
        self,
        input_dict: Dict[str, List[types.Artifact]],
        output_dict: Dict[str, List[types.Artifact]],
        exec_properties: Dict[str, Any],
    ) -> None:
        self._log_startup(input_dict, output_dict, exec_properties)
        source = artifact_utils.get_single_instance(input_dict["input_data"])
        copied = artifact_utils.get_single_instance(output_dict["output_data"])
        copied.split_names = source.split_names
        scratch = os.path.join(self._get_tmp_dir(), "greeting")
        io_utils.write_string_file(scratch, exec_properties["name"])
        for split in artifact_utils.decode_split_names(source.split_names):
            folder = artifact_utils.get_split_uri(output_dict["output_data"], split)
            io_utils.copy_dir(artifact_utils.get_split_uri(input_dict["input_data"], split), folder)
        assert io_utils.read_string_file(scratch) == exec_properties["name"]


class HelloSpec(types.ComponentSpec):
    PARAMETERS = {"name": ExecutionParameter(type=str)}
    INPUTS = {"input_data": ChannelParameter(type=standard_artifacts.Examples)}
    OUTPUTS = {"output_data": ChannelParameter(type=standard_artifacts.Examples)}


class HelloComponent(base_component.BaseComponent):
    SPEC_CLASS = HelloSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(HelloExecutor)

    def __init__(self, input_data: types.Channel, output_data: Optional[types.Channel] = None, name: str = "") -> None:
        if not output_data:
            output_data = channel_utils.as_channel([standard_artifacts.Examples()])
        super().__init__(spec=HelloSpec(input_data=input_data, output_data=output_data, name=name))


class CountExecutor(base_beam_executor.BaseBeamExecutor):
    """Counts records with Beam."""

    def Do(
        self,
        input_dict: Dict[str, List[types.Artifact]],
        output_dict: Dict[str, List[types.Artifact]],
        exec_properties: Dict[str, Any],
    ) -> None:
        count = artifact_utils.get_single_instance(output_dict["count"])
        folder = artifact_utils.get_split_uri(input_dict["examples"], exec_properties["split"])
        result = os.path.join(count.uri, "count.txt")
        with self._make_beam_pipeline() as p:
            _ = (
                p
                | beam.io.ReadFromTFRecord(io_utils.all_files_pattern(folder))
                | beam.combiners.Count.Globally()
                | beam.Map(str)
                | beam.io.WriteToText(result, shard_name_template="")
            )
        with fileio.open(result) as file:
            count.lines = int(file.read())


class CountSpec(types.ComponentSpec):
    PARAMETERS = {
        "split": ExecutionParameter(type=str),
        "weights": ExecutionParameter(type=List[float], optional=True),
    }
    INPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "schema": ChannelParameter(type=standard_artifacts.Schema, optional=True),
    }
    OUTPUTS = {"count": ChannelParameter(type=LineCount)}


class CountComponent(base_beam_component.BaseBeamComponent):
    SPEC_CLASS = CountSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(CountExecutor)

    def __init__(self, examples: types.BaseChannel, split: str = "train") -> None:
        spec = CountSpec(examples=examples, split=split, weights=[1.0, 2.0], count=types.Channel(type=LineCount))
        super().__init__(spec=spec)


def create_pipeline(data_root: str, root: str) -> pipeline.Pipeline:
    example_gen = CsvExampleGen(input_base=data_root)
    hello = HelloComponent(input_data=example_gen.outputs["examples"], name="hello").with_id("Hello")
    count = CountComponent(examples=hello.outputs["output_data"]).with_beam_pipeline_args(["--direct_num_workers=1"])
    return pipeline.Pipeline(
        pipeline_name="hello",
        pipeline_root=os.path.join(root, "pipeline"),
        components=[example_gen, hello, count],
        enable_cache=True,
        metadata_connection_config=metadata.sqlite_metadata_connection_config(os.path.join(root, "metadata.db")),
    )


def main(argv: List[str]) -> None:
    logging.set_verbosity(logging.WARNING)
    LocalDagRunner().run(create_pipeline(FLAGS.data_root, FLAGS.root))


if __name__ == "__main__":
    app.run(main)
