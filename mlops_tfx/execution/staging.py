"""Where the outputs of a node are written, and how they become visible all at once.

{pipeline_root}/{node}/{output}/{execution id}             published, TFX's layout
{pipeline_root}/{node}/{output}/{execution id}/{index}     the same, of several artifacts in one output
{pipeline_root}/{node}/.system/staging/{execution id}/     while the node runs
{pipeline_root}/{node}/.system/tmp/{execution id}/         ``context.temp_dir``
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Artifact, ValueArtifact
from mlops_tfx.execution.cache import CONTENT_DIGEST
from mlops_tfx.ports import OutputArtifacts, OutputPort, artifacts_of


class Staging:
    """The folders of one execution of one node."""

    def __init__(self, pipeline_root: str, node_id: str, execution_id: int) -> None:
        self._node_folder = os.path.join(pipeline_root, node_id)
        self._execution_id = str(execution_id)

    @property
    def _staging_folder(self) -> str:
        return os.path.join(self._node_folder, ".system", "staging", self._execution_id)

    @property
    def temp_dir(self) -> str:
        """A folder for the component's own use while it runs."""
        return os.path.join(self._node_folder, ".system", "tmp", self._execution_id)

    def _published_folder(self, output_key: str) -> str:
        return os.path.join(self._node_folder, output_key, self._execution_id)

    def prepare(self, ports: Mapping[str, OutputPort[Any]]) -> dict[str, Artifact | OutputArtifacts[Any]]:
        """Makes the folders and returns what ``run()`` writes to: artifacts, or places for several."""
        filesystem.makedirs(self.temp_dir)
        return {key: port.prepare(os.path.join(self._staging_folder, key)) for key, port in ports.items()}

    def publish(self, outputs: Mapping[str, Artifact | OutputArtifacts[Any]]) -> dict[str, list[Artifact]]:
        """Digests the outputs, moves them to their place and returns their artifacts, which then point there."""
        found = artifacts_of(outputs)
        for artifact in (artifact for artifacts in found.values() for artifact in artifacts):
            artifact.custom_properties[CONTENT_DIGEST] = filesystem.digest(_folder(artifact))
        for key, artifacts in found.items():
            staged, published = os.path.join(self._staging_folder, key), self._published_folder(key)
            filesystem.rename(staged, published)
            for artifact in artifacts:
                artifact.uri = published + artifact.uri.removeprefix(staged)
        self._remove_own_folders()
        return found

    def discard(self, output_keys: list[str]) -> None:
        """Removes whatever this execution wrote, staged or moved."""
        for key in output_keys:
            filesystem.remove_tree(self._published_folder(key))
        self._remove_own_folders()

    def _remove_own_folders(self) -> None:
        filesystem.remove_tree(self._staging_folder)
        filesystem.remove_tree(self.temp_dir)


def _folder(artifact: Artifact) -> str:
    return os.path.dirname(artifact.uri) if isinstance(artifact, ValueArtifact) else artifact.uri
