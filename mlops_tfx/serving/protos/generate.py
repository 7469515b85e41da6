"""Compiles the .proto files of this folder into ``descriptors.binpb``; run it after changing one of them.

Needs grpcio-tools (for protoc), which nothing else does: ``python mlops_tfx/serving/protos/generate.py``.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def generate(destination: Path) -> None:
    """Writes the FileDescriptorSet of all .proto files here and of those they import."""
    # Loaded by name: no other code needs it, so type checkers need not know it either.
    protoc = importlib.import_module("grpc_tools.protoc")
    include = Path(str(protoc.__file__)).parent / "_proto"
    names = sorted(path.name for path in FOLDER.glob("*.proto"))
    code = protoc.main(
        ["protoc", f"-I{FOLDER}", f"-I{include}", "--include_imports", f"--descriptor_set_out={destination}", *names]
    )
    if code != 0:
        raise RuntimeError(f"protoc ended with code {code}; its messages are above")


if __name__ == "__main__":
    generate(FOLDER / "descriptors.binpb")
    sys.exit(0)
