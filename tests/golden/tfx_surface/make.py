"""Writes ``tests/golden/tfx_surface.json``: all of ``tfx.v1``, looked at in TFX itself. Run it with TFX's interpreter.

    python3.10 -m venv .venv-tfx
    .venv-tfx/bin/pip install -r requirements/constraints-tfx-py310.txt
    .venv-tfx/bin/python tests/golden/tfx_surface/make.py

With ``--check`` it compares, and fails where the file is not what TFX offers. Nothing of mlops_tfx is imported.
"""

import importlib
import json
import sys
import tempfile
from pathlib import Path

from describe import describe, methods
from file_operations import perform

TABLE = Path(__file__).resolve().parents[1] / "tfx_surface.json"

# Modules of tfx.v1, and the names that its documentation lists but ``__all__`` does not.
MODULES = {
    "tfx.v1": ["components", "dsl", "extensions", "orchestration", "proto", "testing", "types", "utils"],
    "tfx.v1.components": [],
    "tfx.v1.dsl": [],
    "tfx.v1.dsl.components": [],
    "tfx.v1.dsl.experimental": [],
    "tfx.v1.dsl.io": [],
    "tfx.v1.dsl.io.fileio": [],
    "tfx.v1.dsl.placeholders": [],
    "tfx.v1.dsl.standard_annotations": [],
    "tfx.v1.extensions": [],
    "tfx.v1.extensions.google_cloud_ai_platform": ["experimental"],
    "tfx.v1.extensions.google_cloud_ai_platform.experimental": [],
    "tfx.v1.extensions.google_cloud_big_query": [],
    "tfx.v1.orchestration": [],
    "tfx.v1.orchestration.experimental": [],
    "tfx.v1.orchestration.metadata": [],
    "tfx.v1.proto": ["PayloadFormat", "Versioning"],
    "tfx.v1.proto.orchestration": [],
    "tfx.v1.testing": [],
    "tfx.v1.types": [],
    "tfx.v1.types.standard_artifacts": [],
    "tfx.v1.utils": [],
}

# Classes that are used by their methods.
METHODS = {
    "tfx.v1.dsl.Artifact": [
        "artifact_type", "copy_from", "external_id", "get_bool_custom_property", "get_custom_property",
        "get_float_custom_property", "get_int_custom_property", "get_json_value_custom_property",
        "get_proto_custom_property", "get_string_custom_property", "has_custom_property", "has_property", "id",
        "is_external", "mlmd_artifact", "name", "pipeline_name", "producer_component", "set_bool_custom_property",
        "set_float_custom_property", "set_int_custom_property", "set_json_value_custom_property",
        "set_proto_custom_property", "set_string_custom_property", "state", "type", "type_id", "type_name", "uri",
    ],
    "tfx.v1.types.standard_artifacts.Examples": ["path", "splits"],
    "tfx.v1.types.standard_artifacts.String": ["annotate_as", "read", "value", "write"],
    "tfx.v1.dsl.Channel": ["as_optional", "future", "get", "no_trigger", "set_artifacts", "trigger_by_property"],
    "tfx.v1.dsl.Pipeline": [
        "beam_pipeline_args", "components", "enable_cache", "execution_mode", "id", "inputs", "outputs",
        "platform_config", "with_id",
    ],
    "tfx.v1.orchestration.LocalDagRunner": ["run", "run_with_ir"],
    "tfx.v1.types.BaseBeamComponent": ["with_beam_pipeline_args"],
    "tfx.v1.types.BaseChannel": ["future", "is_optional", "type", "type_name"],
    "tfx.v1.types.BaseComponent": ["exec_properties", "inputs", "outputs", "with_platform_config"],
    "tfx.v1.types.BaseNode": [
        "add_downstream_node", "add_downstream_nodes", "add_upstream_node", "add_upstream_nodes", "downstream_nodes",
        "exec_properties", "id", "inputs", "outputs", "upstream_nodes", "with_id", "with_node_execution_options",
    ],
    "tfx.v1.dsl.experimental.ResolverStrategy": ["resolve_artifacts"],
}  # fmt: skip

# The files of the messages.
FILES = [
    "bulk_inferrer", "distribution_validator", "evaluator", "example_diff", "example_gen", "infra_validator",
    "orchestration.run_state", "pusher", "range_config", "trainer", "transform", "tuner",
]  # fmt: skip


def look():
    """Returns the whole table."""
    import tfx

    table = {"tfx": tfx.__version__, "modules": {}, "methods": {}, "artifacts": {}, "files": {}}
    for name, further in MODULES.items():
        module = importlib.import_module(name)
        listed = getattr(module, "__all__", [])
        table["modules"][name] = {
            offered: describe(getattr(module, offered)) if hasattr(module, offered) else {"kind": "listed only"}
            for offered in sorted({*listed, *further})
        }
    for name, wanted in METHODS.items():
        module, _, cls = name.rpartition(".")
        table["methods"][name] = methods(getattr(importlib.import_module(module), cls), wanted)
    artifacts = importlib.import_module("tfx.v1.types.standard_artifacts")
    table["artifacts"] = {name: artifact(getattr(artifacts, name)) for name in sorted(artifacts.__all__)}
    table["files"] = {name: message_file(name) for name in FILES}
    with tempfile.TemporaryDirectory() as folder:
        table["fileio"] = perform(importlib.import_module("tfx.v1.dsl.io.fileio"), folder)
    return table


def artifact(cls):
    """Names and types that a store holds of an artifact type."""
    base = cls.TYPE_ANNOTATION.__name__ if cls.TYPE_ANNOTATION else None
    properties = {name: declared.type.name for name, declared in (cls.PROPERTIES or {}).items()}
    return {"type_name": cls.TYPE_NAME, "base_type": base, "properties": properties}


def message_file(name):
    """The descriptor of a file of messages, as JSON."""
    from google.protobuf import descriptor_pb2, json_format

    file = descriptor_pb2.FileDescriptorProto()
    importlib.import_module(f"tfx.proto.{name}_pb2").DESCRIPTOR.CopyToProto(file)
    return json_format.MessageToDict(file, preserving_proto_field_name=True)


def written(table, depth=0):
    """JSON of which every name of the table has a line of its own."""
    if depth == 3 or not isinstance(table, dict):
        return json.dumps(table, sort_keys=True)
    lines = [f"{json.dumps(name)}: {written(value, depth + 1)}" for name, value in sorted(table.items())]
    return "{\n" + ",\n".join(lines) + "\n}" if lines else "{}"


if __name__ == "__main__":
    text = written(look()) + "\n"
    if "--check" in sys.argv:
        sys.exit(0 if TABLE.read_text(encoding="utf-8") == text else f"{TABLE} is not what TFX offers; run me again")
    TABLE.write_text(text, encoding="utf-8")
