"""Writes metadata.sqlite.gz with TFX's LocalDagRunner: a run of a small pipeline, the same again (cached), and a run
in which a node fails.

Run it in this folder with a Python 3.10 that has tfx==1.16.0 and dill:  python write_with_tfx.py
Paths in the store are relative, so it is the same wherever it is made (but for times, run ids and random names).
"""

import gzip
import os
import sys
import tempfile
from typing import Dict, List  # noqa: UP035 - as TFX 1.16 documents parameters

from tfx import v1 as tfx
from tfx.dsl.components.common.importer import Importer
from tfx.dsl.components.common.resolver import Resolver
from tfx.types import standard_artifacts
from tfx.types.channel import Channel


@tfx.dsl.components.component
def MakeExamples(
    examples: tfx.dsl.components.OutputArtifact[standard_artifacts.Examples],
    rows: tfx.dsl.components.Parameter[int] = 3,
    rate: tfx.dsl.components.Parameter[float] = 0.5,
    shuffle: tfx.dsl.components.Parameter[bool] = True,
    names: tfx.dsl.components.Parameter[List[str]] = None,  # noqa: UP006
    buckets: tfx.dsl.components.Parameter[Dict[str, int]] = None,  # noqa: UP006
):
    """Writes one file per split."""
    for split in ("train", "eval"):
        folder = os.path.join(examples.uri, f"Split-{split}")
        os.makedirs(folder)
        with open(os.path.join(folder, "data"), "w") as file:
            file.write("x" * rows)
    examples.splits = ["train", "eval"]
    examples.span = 4
    examples.set_int_custom_property("rows", rows)
    examples.set_float_custom_property("rate", rate)


@tfx.dsl.components.component
def Train(
    examples: tfx.dsl.components.InputArtifact[standard_artifacts.Examples],
    schema: tfx.dsl.components.InputArtifact[standard_artifacts.Schema],
    model: tfx.dsl.components.OutputArtifact[standard_artifacts.Model],
    fail: tfx.dsl.components.Parameter[bool] = False,
) -> tfx.dsl.components.OutputDict(accuracy=float):
    """Writes a model, or raises."""
    if fail:
        raise RuntimeError("training failed on purpose")
    os.makedirs(os.path.join(model.uri, "Format-Serving"))
    return {"accuracy": 0.75}


def pipeline(fail: bool) -> tfx.dsl.Pipeline:
    """The pipeline under test."""
    make = MakeExamples(rows=3, rate=0.25, shuffle=True, names=["a", "b"], buckets={"train": 2, "eval": 1})
    schema = Importer(source_uri="schema", artifact_type=standard_artifacts.Schema).with_id("schema")
    latest = Resolver(
        strategy_class=tfx.dsl.experimental.LatestArtifactStrategy,
        examples=Channel(type=standard_artifacts.Examples),
    ).with_id("latest")
    latest.add_upstream_node(make)
    train = Train(examples=latest.outputs["examples"], schema=schema.outputs["result"], fail=fail)
    return tfx.dsl.Pipeline(
        pipeline_name="golden",
        pipeline_root="pipeline_root",
        components=[make, schema, latest, train],
        enable_cache=True,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config("out/metadata.sqlite"),
    )


def main() -> None:
    """Runs the pipeline three times and keeps the store."""
    here = os.path.dirname(os.path.abspath(__file__))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.makedirs("schema")
        for fail in (False, False, True):
            try:
                tfx.orchestration.LocalDagRunner().run(pipeline(fail))
            except RuntimeError as error:
                sys.stderr.write(f"{error}\n")
        with open("out/metadata.sqlite", "rb") as file:
            packed = gzip.compress(file.read(), mtime=0)
        os.chdir(here)
    with open("metadata.sqlite.gz", "wb") as file:
        file.write(packed)


if __name__ == "__main__":
    main()
