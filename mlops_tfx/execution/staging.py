"""Where the outputs of a node are written, and how they become visible all at once.

{pipeline_root}/{node}/{output}/{execution id}             published, TFX's layout
{pipeline_root}/{node}/.system/staging/{execution id}/     while the node runs
{pipeline_root}/{node}/.system/tmp/{execution id}/         ``context.temp_dir``
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Artifact, ValueArtifact
from mlops_tfx.execution.cache import CONTENT_DIGEST

_VALUE_FILE = "value"


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

    def prepare(self, types: Mapping[str, type[Artifact]]) -> dict[str, Artifact]:
        """Makes the folders and returns output artifacts that point into them."""
        filesystem.makedirs(self.temp_dir)
        outputs = {}
        for key, artifact_type in types.items():
            folder = os.path.join(self._staging_folder, key)
            filesystem.makedirs(folder)
            is_value = issubclass(artifact_type, ValueArtifact)
            outputs[key] = artifact_type(os.path.join(folder, _VALUE_FILE) if is_value else folder)
        return outputs

    def publish(self, outputs: Mapping[str, Artifact]) -> None:
        """Digests the outputs, moves them to their place and lets the artifacts point there."""
        for key, artifact in outputs.items():
            staged = os.path.join(self._staging_folder, key)
            artifact.custom_properties[CONTENT_DIGEST] = filesystem.digest(staged)
        for key, artifact in outputs.items():
            staged, published = os.path.join(self._staging_folder, key), self._published_folder(key)
            filesystem.rename(staged, published)
            artifact.uri = os.path.join(published, _VALUE_FILE) if isinstance(artifact, ValueArtifact) else published
        self._remove_own_folders()

    def discard(self, output_keys: list[str]) -> None:
        """Removes whatever this execution wrote, staged or moved."""
        for key in output_keys:
            filesystem.remove_tree(self._published_folder(key))
        self._remove_own_folders()

    def _remove_own_folders(self) -> None:
        filesystem.remove_tree(self._staging_folder)
        filesystem.remove_tree(self.temp_dir)
