"""Recordings: outputs of a real run in a folder, to be kept with the tests and put in place of the nodes.

{folder}/recording.json                         what there is: nodes, outputs, properties
{folder}/{node}/{output}/{index}/...            payloads
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import CONTENT_DIGEST, Artifact, ValueArtifact
from mlops_tfx.errors import ArtifactError, ConfigError, did_you_mean
from mlops_tfx.execution.reports import reports_of_run
from mlops_tfx.metadata import MetadataStore
from mlops_tfx.ports import OutputArtifacts

if TYPE_CHECKING:
    from mlops_tfx.component import Component
    from mlops_tfx.execution import RunResult
    from mlops_tfx.execution.stand_ins import StandIn
    from mlops_tfx.pipeline import Pipeline

_INDEX = "recording.json"
_VERSION = 1
Outputs = Mapping[str, Mapping[str, Sequence[Artifact]]]


def record(result: RunResult, folder: str | os.PathLike[str], nodes: Collection[str] | None = None) -> Recording:
    """Copies the outputs of a run to a folder; what was there of the same nodes is replaced.

    Args:
        result: of `LocalRunner.run`.
        folder: where to put them.
        nodes: ids of the nodes to record; all by default.

    Raises:
        ConfigError: a node has no outputs in the run; near names are shown.
    """
    return _record(result.outputs, os.fspath(folder), nodes)


def record_run(
    pipeline: Pipeline,
    folder: str | os.PathLike[str],
    run_id: str | None = None,
    nodes: Collection[str] | None = None,
) -> Recording:
    """Copies the outputs of an earlier run of a pipeline to a folder; ``run_id``: the latest by default.

    Raises:
        MetadataError: there is no such run.
        ConfigError: as `record`.
    """
    name = pipeline.pipeline_name
    with MetadataStore(pipeline.metadata_connection_config, read_only=True) as store:
        run_id, _ = reports_of_run(store, name, run_id)
        records = store.executions(pipeline_name=name, run_id=run_id)
    done = [found for found in records if found.state.name in ("COMPLETE", "CACHED") and found.outputs]
    return _record({found.node_id: found.outputs for found in done}, os.fspath(folder), nodes)


def _record(outputs: Outputs, folder: str, nodes: Collection[str] | None) -> Recording:
    for node_id in nodes or ():
        if node_id not in outputs:
            raise ConfigError(f"nodes: the run has no outputs of {node_id!r}{did_you_mean(node_id, outputs)}")
    index = _read_index(folder) if os.path.exists(os.path.join(folder, _INDEX)) else {}
    for node_id in outputs if nodes is None else nodes:
        filesystem.remove_tree(os.path.join(folder, node_id))
        index[node_id] = {key: _copied(found, folder, node_id, key) for key, found in outputs[node_id].items()}
    filesystem.makedirs(folder)
    text = json.dumps({"version": _VERSION, "nodes": index}, indent=2, sort_keys=True)
    filesystem.write_bytes(os.path.join(folder, _INDEX), text.encode() + b"\n")
    return Recording(folder)


def _copied(artifacts: Sequence[Artifact], folder: str, node_id: str, key: str) -> list[dict[str, Any]]:
    entries = []
    for number, artifact in enumerate(artifacts):
        place = os.path.join(folder, node_id, key, str(number))
        filesystem.copy_tree(_payload(artifact), place)
        custom = {name: value for name, value in artifact.custom_properties.items() if name != CONTENT_DIGEST}
        entries.append({"type": artifact.TYPE_NAME, "properties": artifact.properties, "custom_properties": custom})
    return entries


def _payload(artifact: Artifact) -> str:
    # A value is a file; what belongs to the output is the folder it lies in.
    return filesystem.dirname(artifact.uri) if isinstance(artifact, ValueArtifact) else artifact.uri


def _read_index(folder: str) -> dict[str, Any]:
    path = os.path.join(folder, _INDEX)
    try:
        data = json.loads(filesystem.read_bytes(path))
    except FileNotFoundError:
        raise ConfigError(
            f"{folder!r} is no recording: it has no {_INDEX}; make one with record(result, ...)"
        ) from None
    except ValueError as error:
        raise ConfigError(f"{path} is damaged: {error}; record again") from error
    if not isinstance(data, dict) or data.get("version") != _VERSION:
        raise ConfigError(f"{path} is of another version than {_VERSION}; record again")
    return dict(data["nodes"])


class Recording:
    """A folder of recorded outputs.

    Raises:
        ConfigError: the folder is no recording.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = os.fspath(folder)
        self._index = _read_index(self.folder)

    @property
    def node_ids(self) -> list[str]:
        """The nodes of which there are outputs."""
        return list(self._index)

    def stand_in(self, node_id: str) -> StandIn:
        """Returns what puts a node's recorded outputs in the place of those it would write.

        Raises:
            ConfigError: nothing is recorded of the node; near names are shown.
        """
        if node_id not in self._index:
            hint = did_you_mean(node_id, self._index)
            raise ConfigError(f"{self.folder!r} has no outputs of {node_id!r}{hint}; record them, or let it run (only)")
        return lambda component: self._replay(node_id, component)

    def _replay(self, node_id: str, component: Component) -> None:
        recorded = self._index[node_id]
        if set(recorded) != set(component.outputs):
            raise ArtifactError(
                f"{node_id}: expected recorded outputs {sorted(component.outputs)}, received {sorted(recorded)} "
                f"in {self.folder!r}; record again"
            )
        for key, entries in recorded.items():
            port = component.OUTPUTS[key]
            output = component.port_value(port)
            made = output.make(len(entries)) if isinstance(output, OutputArtifacts) else [output]
            for number, (artifact, entry) in enumerate(zip(made, entries, strict=True)):
                _restore(artifact, entry, os.path.join(self.folder, node_id, key, str(number)))


def _restore(artifact: Artifact, entry: Mapping[str, Any], place: str) -> None:
    if entry["type"] != artifact.TYPE_NAME:
        raise ArtifactError(
            f"{place}: expected {artifact.TYPE_NAME}, received a recorded {entry['type']}; record again"
        )
    target = _payload(artifact)
    filesystem.remove_tree(target)
    filesystem.copy_tree(place, target)
    artifact.properties.update(entry["properties"])
    artifact.custom_properties.update(entry["custom_properties"])
