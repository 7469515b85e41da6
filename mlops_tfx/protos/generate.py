"""Compiles the .proto files of this folder into ``descriptors.binpb`` and type stubs; run it after changing one.

Needs grpcio-tools (for protoc) before 1.63 and tensorflow-metadata: ``python mlops_tfx/protos/generate.py``.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf import descriptor_pb2

FOLDER = Path(__file__).resolve().parent
SUBFOLDERS = {"run_state": "orchestration"}  # the others lie in tfx/proto itself
IMPORTED = (  # each after those that it imports
    "google.protobuf.any_pb2",
    "google.protobuf.struct_pb2",
    "tensorflow_metadata.proto.v0.path_pb2",
    "tensorflow_metadata.proto.v0.derived_feature_pb2",
    "tensorflow_metadata.proto.v0.schema_pb2",
)


def place(path: Path) -> str:
    """Returns the name that TFX registers a .proto file under."""
    return os.path.join("tfx/proto", SUBFOLDERS.get(path.stem, ""), path.name)


def generate(folder: Path) -> None:
    """Writes descriptors and stubs of all .proto files."""
    sources = sorted(FOLDER.glob("*.proto"))
    with tempfile.TemporaryDirectory() as scratch:
        names = [_staged(Path(scratch), path) for path in sources]
        imported = Path(scratch, "imported.binpb")
        imported.write_bytes(_imported().SerializeToString())
        written = Path(scratch, "written.binpb")
        _protoc(f"-I{scratch}", f"--descriptor_set_in={imported}", f"--descriptor_set_out={written}", *names)
        _protoc(f"-I{scratch}", f"--descriptor_set_in={imported}", f"--pyi_out={scratch}", *names)
        for path, name in zip(sources, names, strict=True):
            stub = Path(scratch, name.replace(".proto", "_pb2.pyi")).read_text(encoding="utf-8")
            (folder / f"{path.stem}_pb2.pyi").write_text(stub, encoding="utf-8")
        files = descriptor_pb2.FileDescriptorSet.FromString(written.read_bytes())
    for file in files.file:
        _as_registered(file)
    (folder / "descriptors.binpb").write_bytes(files.SerializeToString(deterministic=True))


def _staged(folder: Path, source: Path) -> str:
    target = folder / place(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())
    return place(source)


def _imported() -> descriptor_pb2.FileDescriptorSet:
    files = descriptor_pb2.FileDescriptorSet()
    for module in IMPORTED:
        importlib.import_module(module).DESCRIPTOR.CopyToProto(files.file.add())
    return files


def _protoc(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *arguments], check=True)


def _as_registered(file: descriptor_pb2.FileDescriptorProto) -> None:
    """Leaves out what generated modules leave out, so that a file registered twice is one and the same."""
    waiting = list(file.message_type)
    while waiting:
        message = waiting.pop()
        waiting.extend(message.nested_type)
        for field in message.field:
            field.ClearField("json_name")


if __name__ == "__main__":
    generate(FOLDER)
