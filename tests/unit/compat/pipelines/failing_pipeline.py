"""A script for TFX whose second node fails unless a file is there."""

import os
import sys

from tfx import v1 as tfx


@tfx.dsl.components.component
def First() -> tfx.dsl.components.OutputDict(number=int):
    return {"number": 1}


@tfx.dsl.components.component
def Second(number: int, path: tfx.dsl.components.Parameter[str]):
    if not os.path.exists(path):
        raise FileNotFoundError(path)


def create_pipeline(root: str) -> tfx.dsl.Pipeline:
    first = First()
    second = Second(number=first.outputs["number"], path=os.path.join(root, "wanted"))
    return tfx.dsl.Pipeline(
        pipeline_name="failing",
        pipeline_root=os.path.join(root, "pipeline"),
        components=[first, second],
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            os.path.join(root, "metadata.db")
        ),
    )


if __name__ == "__main__":
    tfx.orchestration.LocalDagRunner().run(create_pipeline(sys.argv[1]))
