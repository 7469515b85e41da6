"""Lets TFX resolve the newest Examples of a node in a store that somebody else wrote, and says what it found.

Usage, with a Python 3.10 that has tfx==1.16.0 and dill:
    python resolve_with_tfx.py METADATA_SQLITE PIPELINE_NAME NODE_ID OUTPUT_KEY RESULT_JSON
The run is recorded in the store: a Resolver, then a component that takes its result.
"""

import json
import os
import sys

from tfx import v1 as tfx
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.channel import Channel


@tfx.dsl.components.component
def Show(
    examples: tfx.dsl.components.InputArtifact[standard_artifacts.Examples],
    result_file: tfx.dsl.components.Parameter[str],
):
    """Writes down what TFX makes of the artifact."""
    found = {
        "id": examples.id,
        "uri": examples.uri,
        "span": examples.span,
        "splits": examples.splits,
        "train": artifact_utils.get_split_uri([examples], "train"),
        "digest": examples.get_string_custom_property("content_digest"),
    }
    with open(result_file, "w") as file:
        json.dump(found, file)


def main(store: str, pipeline_name: str, node_id: str, output_key: str, result_file: str) -> None:
    """Runs a Resolver and a component in the pipeline that wrote the store."""
    channel = Channel(type=standard_artifacts.Examples, producer_component_id=node_id, output_key=output_key)
    latest = tfx.dsl.Resolver(strategy_class=tfx.dsl.experimental.LatestArtifactStrategy, examples=channel).with_id(
        "latest"
    )
    show = Show(examples=latest.outputs["examples"], result_file=os.path.abspath(result_file))
    tfx.orchestration.LocalDagRunner().run(
        tfx.dsl.Pipeline(
            pipeline_name=pipeline_name,
            pipeline_root=os.path.join(os.path.dirname(os.path.abspath(store)), "root"),
            components=[latest, show],
            metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(store),
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
