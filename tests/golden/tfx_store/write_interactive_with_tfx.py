"""Writes interactive.sqlite.gz with TFX's InteractiveContext: a node that makes Examples, and one that takes them.

Its contexts, and where it keeps names of nodes, are others than those of TFX's runners. Run it in this folder with a
Python 3.10 that has tfx==1.16.0 and dill:  python write_interactive_with_tfx.py
"""

import builtins
import gzip
import os
import tempfile

from tfx import v1 as tfx
from tfx.orchestration.experimental.interactive.interactive_context import InteractiveContext
from tfx.types import standard_artifacts

# Outside of IPython its methods do nothing.
builtins.__IPYTHON__ = True


@tfx.dsl.components.component
def MakeExamples(
    examples: tfx.dsl.components.OutputArtifact[standard_artifacts.Examples], rows: tfx.dsl.components.Parameter[int]
):
    """Writes one file."""
    os.makedirs(os.path.join(examples.uri, "Split-train"))
    with open(os.path.join(examples.uri, "Split-train", "data"), "w") as file:
        file.write("x" * rows)
    examples.splits = ["train"]


@tfx.dsl.components.component
def Train(
    examples: tfx.dsl.components.InputArtifact[standard_artifacts.Examples],
    model: tfx.dsl.components.OutputArtifact[standard_artifacts.Model],
):
    """Writes an empty model."""
    os.makedirs(os.path.join(model.uri, "Format-Serving"))


def main() -> None:
    """Runs both nodes and keeps the store."""
    here = os.path.dirname(os.path.abspath(__file__))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        config = tfx.orchestration.metadata.sqlite_metadata_connection_config("metadata.sqlite")
        context = InteractiveContext("interactive", "pipeline_root", config)
        make = MakeExamples(rows=3)
        context.run(make)
        context.run(Train(examples=make.outputs["examples"]))
        with open("metadata.sqlite", "rb") as file:
            packed = gzip.compress(file.read(), mtime=0)
        os.chdir(here)
    with open("interactive.sqlite.gz", "wb") as file:
        file.write(packed)


if __name__ == "__main__":
    main()
