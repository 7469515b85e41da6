"""A plain component class: parameters of several kinds, an optional input, an own artifact type."""

import os
from typing import Any, Dict, List, Optional, Text

from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx import types
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.artifact import Property, PropertyType
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.utils import io_utils, proto_utils


class Report(types.Artifact):
    """A text file."""

    TYPE_NAME = "Report"
    PROPERTIES = {"lines": Property(type=PropertyType.INT), "title": Property(type=PropertyType.STRING)}


class ReportExecutor(base_executor.BaseExecutor):
    """Writes one line per split and feature."""

    def Do(
        self,
        input_dict: Dict[Text, List[types.Artifact]],
        output_dict: Dict[Text, List[types.Artifact]],
        exec_properties: Dict[Text, Any],
    ) -> None:
        statistics = artifact_utils.get_single_instance(input_dict["statistics"])
        config = example_gen_pb2.SplitConfig()
        proto_utils.json_to_proto(exec_properties["split_config"], config)
        lines = [exec_properties["title"]]
        for split in sorted(split.name for split in config.splits):
            path = os.path.join(artifact_utils.get_split_uri([statistics], split), "FeatureStats.pb")
            stats = statistics_pb2.DatasetFeatureStatisticsList()
            with fileio.open(path, "rb") as file:
                stats.ParseFromString(file.read())
            dataset = stats.datasets[0]
            names = sorted(feature.path.step[0] for feature in dataset.features)
            lines.append(f"{split}: {int(dataset.num_examples)} x {len(names)}")
            lines.extend(names[: exec_properties["most"]])
        if input_dict.get("schema"):
            lines.append("with schema")
        (report,) = output_dict["report"]
        io_utils.write_string_file(os.path.join(report.uri, "report.txt"), "\n".join(lines))
        report.lines = len(lines)
        report.title = exec_properties["title"]
        report.set_float_custom_property("weight", exec_properties.get("weight") or 0.25)


class ReportSpec(types.ComponentSpec):
    """Specification of WriteReport."""

    PARAMETERS = {
        "title": ExecutionParameter(type=Text),
        "most": ExecutionParameter(type=int),
        "weight": ExecutionParameter(type=float, optional=True),
        "split_config": ExecutionParameter(type=example_gen_pb2.SplitConfig),
    }
    INPUTS = {
        "statistics": ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "schema": ChannelParameter(type=standard_artifacts.Schema, optional=True),
    }
    OUTPUTS = {"report": ChannelParameter(type=Report)}


class WriteReport(base_component.BaseComponent):
    """Writes a report about statistics."""

    SPEC_CLASS = ReportSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ReportExecutor)

    def __init__(
        self,
        statistics: types.Channel,
        split_config: example_gen_pb2.SplitConfig,
        schema: Optional[types.Channel] = None,
        title: Text = "report",
        most: int = 2,
        weight: Optional[float] = None,
    ):
        super().__init__(
            ReportSpec(
                statistics=statistics,
                schema=schema,
                split_config=split_config,
                title=title,
                most=most,
                weight=weight,
                report=types.Channel(type=Report),
            )
        )
