"""Container components in TFX's idiom."""

import os
import sys

from tfx.dsl.component.experimental import container_component, placeholders
from tfx.dsl.component.experimental.annotations import OutputArtifact, OutputDict
from tfx.dsl.component.experimental.decorators import component
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.types import standard_artifacts


@component
def Write(lines: OutputArtifact[standard_artifacts.Bytes]) -> OutputDict(pattern=str):
    """Writes what the container reads."""
    lines.value = b"first a\nsecond b\nthird a\n"
    return {"pattern": "a"}


Grep = container_component.create_container_component(
    name="Grep",
    image="busybox",
    command=[
        "sh",
        "-c",
        'echo "looking for $1"; grep -m "$3" "$1" "$0" > "$2"',
        placeholders.InputUriPlaceholder("lines"),
        placeholders.ConcatPlaceholder([placeholders.InputValuePlaceholder("pattern"), "$"]),
        placeholders.OutputUriPlaceholder("found"),
        placeholders.InputValuePlaceholder("most"),
    ],
    inputs={"lines": standard_artifacts.Bytes, "pattern": standard_artifacts.String},
    outputs={"found": standard_artifacts.Bytes},
    parameters={"most": int},
)


def create_pipeline(root: str) -> pipeline.Pipeline:
    write = Write()
    grep = Grep(lines=write.outputs["lines"], pattern=write.outputs["pattern"], most=5)
    return pipeline.Pipeline(
        pipeline_name="containers",
        pipeline_root=os.path.join(root, "pipeline"),
        components=[write, grep],
        metadata_connection_config=metadata.sqlite_metadata_connection_config(os.path.join(root, "metadata.db")),
    )


if __name__ == "__main__":
    LocalDagRunner().run(create_pipeline(sys.argv[1]))
