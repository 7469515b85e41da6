"""Where the outputs of a node are written, and how they become visible all at once.

{pipeline_root}/{node}/{output}/{execution id}                          published
{pipeline_root}/{node}/{output}/{execution id}/{index}                  the same, of several artifacts in one output
{pipeline_root}/{node}/.system/executor_execution/{execution id}/       stays, empty, of every execution that published
{pipeline_root}/{node}/.system/executor_execution/{execution id}/staging/  while the node runs
{pipeline_root}/{node}/.system/executor_execution/{execution id}/.temp/ ``context.temp_dir``
{pipeline_root}/{node}/.system/stateful_working_dir/{key}/              ``context.stateful_working_dir``, until the node
                                                                        is complete

The layout is TFX's; ``staging`` is our own. Where the root is on an object store, all but the published outputs is in a
folder of this machine. Outputs are sent when they are complete, and nobody sees them before the metadata store names
them; what was sent stays here as a local copy.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import CONTENT_DIGEST, Artifact, ValueArtifact
from mlops_tfx.errors import ArtifactError
from mlops_tfx.ports import OutputArtifacts, OutputPort, artifacts_of


class Staging:
    """The folders of one execution of one node."""

    def __init__(self, pipeline_root: str, node_id: str, execution_id: int) -> None:
        root = filesystem.absolute(pipeline_root)
        self._is_remote = not filesystem.is_local(root)
        self._node_folder = filesystem.join(root, node_id)
        self._work_folder = (
            filesystem.join(filesystem.work_folder(root), node_id) if self._is_remote else self._node_folder
        )
        self._execution_id = str(execution_id)
        self._sent: list[str] = []
        self._state_folder = ""

    @property
    def _own_folder(self) -> str:
        return filesystem.join(self._work_folder, ".system", "executor_execution", self._execution_id)

    @property
    def _staging_folder(self) -> str:
        return filesystem.join(self._own_folder, "staging")

    @property
    def temp_dir(self) -> str:
        """A folder for the component's own use while it runs."""
        return filesystem.join(self._own_folder, ".temp")

    def _published_folder(self, output_key: str) -> str:
        return filesystem.join(self._node_folder, output_key, self._execution_id)

    def prepare(self, ports: Mapping[str, OutputPort[Any]]) -> dict[str, Artifact | OutputArtifacts[Any]]:
        """Makes the folders and returns what ``run()`` writes to: artifacts, or places for several."""
        filesystem.makedirs(self.temp_dir)
        return {key: port.prepare(filesystem.join(self._staging_folder, key)) for key, port in ports.items()}

    def keep_state(self, cache_key: str, reset: bool) -> str:
        """Makes and returns the folder for what outlives a failed attempt; empty if ``reset``."""
        self._state_folder = filesystem.join(self._work_folder, ".system", "stateful_working_dir", cache_key[:16])
        if reset:
            filesystem.remove_tree(self._state_folder)
        filesystem.makedirs(self._state_folder)
        return self._state_folder

    def publish(self, outputs: Mapping[str, Artifact | OutputArtifacts[Any]]) -> dict[str, list[Artifact]]:
        """Digests the outputs, moves them to their place and returns their artifacts, which then point there."""
        found = artifacts_of(outputs)
        for artifact in (artifact for artifacts in found.values() for artifact in artifacts if self._is_own(artifact)):
            artifact.custom_properties[CONTENT_DIGEST] = filesystem.digest(_folder(artifact))
        for key, artifacts in found.items():
            staged, published = filesystem.join(self._staging_folder, key), self._published_folder(key)
            if self._is_remote:
                self._sent.append(key)
                filesystem.upload_tree(staged, published)
            else:
                filesystem.rename(staged, published)
                self._sent.append(key)
            for artifact in filter(self._is_own, artifacts):
                self._published(artifact, published + artifact.uri.removeprefix(staged))
        filesystem.remove_tree(self._own_folder if self._is_remote else self._staging_folder)
        filesystem.remove_tree(self.temp_dir)
        return found

    def _is_own(self, artifact: Artifact) -> bool:
        """Whether it lies in the staging folder; else it is another node's files under further properties."""
        return artifact.recorded_uri.startswith(f"{self._staging_folder}/")

    def drop_state(self) -> None:
        """Removes what ``keep_state`` made: the work is done."""
        filesystem.remove_tree(self._state_folder)

    def _published(self, artifact: Artifact, uri: str) -> None:
        staged, artifact.uri = artifact.uri, uri
        if self._is_remote:
            with filesystem.LocalCopy(uri, str(artifact.custom_properties[CONTENT_DIGEST])) as copy:
                copy.adopt(staged)

    def check_free(self, output_keys: Sequence[str]) -> None:
        """Raises ArtifactError if there is something where outputs are to be, on an object store."""
        taken = [self._published_folder(key) for key in output_keys if self._is_remote]
        taken = [folder for folder in taken if filesystem.exists(folder)]
        if taken:
            raise ArtifactError(
                f"expected nothing at {', '.join(taken)}, where execution {self._execution_id} is to put its outputs: "
                "another metadata store uses this pipeline_root, or the one that did is lost; use the store that "
                "belongs to the root, or another root"
            )

    def withdraw(self) -> None:
        """Removes what this object has written, staged or published."""
        self.discard(self._sent)

    def discard(self, output_keys: Sequence[str]) -> None:
        """Removes whatever this execution wrote, staged or published: by this process, or by one that is gone."""
        filesystem.remove_tree(self._own_folder)
        for key in output_keys:
            filesystem.remove_tree(self._published_folder(key))


def _folder(artifact: Artifact) -> str:
    return filesystem.dirname(artifact.uri) if isinstance(artifact, ValueArtifact) else artifact.uri


@contextlib.contextmanager
def inputs_here(inputs: Mapping[str, Sequence[Artifact]], *, streamed: bool) -> Iterator[Mapping[str, list[Artifact]]]:
    """Gives the inputs of a node as its ``run`` sees them: those far away are copied when a path is read.

    Args:
        inputs: artifacts by input name.
        streamed: rows are read from the object store, even if there is a copy here: readers are on other machines.
    """
    near = {key: [one.on_this_machine(streamed=streamed) for one in artifacts] for key, artifacts in inputs.items()}
    try:
        yield near
    finally:
        for artifact in (one for artifacts in near.values() for one in artifacts):
            artifact.release()
