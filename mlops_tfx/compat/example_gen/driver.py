"""``tfx.components.example_gen.driver``: drivers of ExampleGens, which find the span before a node runs."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from mlops_tfx.compat import messages
from mlops_tfx.compat.drivers import BaseDriver, DriverOutput, ExecutionInfo, PortableDriver, set_metadata_value
from mlops_tfx.compat.example_gen import configuration as names
from mlops_tfx.compat.example_gen.input_processor import (
    FileBasedInputProcessor,
    InputProcessor,
    QueryBasedInputProcessor,
)
from mlops_tfx.protos import example_gen_pb2, range_config_pb2


def update_output_artifact(exec_properties: dict[str, Any], output_artifact: Any) -> None:
    """Sets span, version and fingerprint of an artifact, or of ML Metadata's message of one."""
    keys = (names.FINGERPRINT_PROPERTY_NAME, names.SPAN_PROPERTY_NAME, names.VERSION_PROPERTY_NAME)
    for key in keys:
        value = exec_properties.get(key)
        if value is None:
            continue
        if isinstance(output_artifact.custom_properties, dict):
            output_artifact.custom_properties[key] = value
        else:
            set_metadata_value(output_artifact.custom_properties[key], value)


class Driver(BaseDriver, PortableDriver):
    """Finds the span with an input processor: subclasses define ``get_input_processor``.

    Args:
        metadata_handle: TFX's connection to the metadata store; here None.
    """

    def __init__(self, metadata_handle: Any = None) -> None:
        BaseDriver.__init__(self, metadata_handle)
        PortableDriver.__init__(self, metadata_handle)

    def get_input_processor(
        self, splits: Iterable[Any], range_config: Any = None, input_base_uri: str | None = None
    ) -> InputProcessor:
        """Returns what decides on the span; subclasses define it."""
        raise NotImplementedError(f"{type(self).__name__} must define get_input_processor()")

    def resolve_exec_properties(
        self, exec_properties: dict[str, Any], pipeline_info: Any, component_info: Any
    ) -> dict[str, Any]:
        """Fills span and version into the patterns, and adds them and the fingerprint to the parameters."""
        input_config = messages.json_to_proto(exec_properties["input_config"], example_gen_pb2.Input())
        wanted = exec_properties.get("range_config")
        range_config = messages.json_to_proto(wanted, range_config_pb2.RangeConfig()) if wanted else None
        processor = self.get_input_processor(
            splits=input_config.splits, range_config=range_config, input_base_uri=exec_properties.get("input_base")
        )
        span, version = processor.resolve_span_and_version()
        fingerprint = processor.get_input_fingerprint(span, version)
        for split in input_config.splits:
            split.pattern = processor.get_pattern_for_span_version(split.pattern, span, version)
        exec_properties["input_config"] = messages.proto_to_json(input_config)
        exec_properties[names.SPAN_PROPERTY_NAME] = span
        exec_properties[names.VERSION_PROPERTY_NAME] = version
        exec_properties[names.FINGERPRINT_PROPERTY_NAME] = fingerprint
        return exec_properties

    def run(self, execution_info: ExecutionInfo) -> Any:
        """Returns the parameters, and the properties of the artifact."""
        resolved = self.resolve_exec_properties(execution_info.exec_properties, None, None)
        output = DriverOutput()
        for key, value in resolved.items():
            if value is not None:
                set_metadata_value(output.exec_properties[key], value)
        artifact = copy.deepcopy(execution_info.output_dict["examples"][0])
        update_output_artifact(resolved, artifact)
        output.output_artifacts["examples"].artifacts.append(artifact)
        return output


class FileBasedDriver(Driver):
    """Finds the span among files."""

    def get_input_processor(
        self, splits: Iterable[Any], range_config: Any = None, input_base_uri: str | None = None
    ) -> InputProcessor:
        """Returns a FileBasedInputProcessor."""
        return FileBasedInputProcessor(input_base_uri or "", splits, range_config)


class QueryBasedDriver(Driver):
    """Takes the span of the range."""

    def get_input_processor(
        self, splits: Iterable[Any], range_config: Any = None, input_base_uri: str | None = None
    ) -> InputProcessor:
        """Returns a QueryBasedInputProcessor."""
        return QueryBasedInputProcessor(splits, range_config)
