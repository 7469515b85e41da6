"""Artifacts and events as rows of the store, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from mlops_tfx.artifacts import Artifact, ArtifactState
from mlops_tfx.errors import MetadataError
from mlops_tfx.metadata.values import read_declared, read_values, write_artifact_value

if TYPE_CHECKING:
    from ml_metadata.proto import metadata_store_pb2 as pb

    Pair = tuple[pb.Artifact | None, pb.Event]

TFX_VERSION = "1.16.0"
"""The release of TFX whose layout we write. TFX reads artifacts without a version as older than 0.29."""


class ArtifactTypeNames(Protocol):
    """Knows the names of artifact types."""

    def artifact_type_names(self, type_ids: Iterable[int]) -> Mapping[int, str]:
        """Returns the name of each id."""


def published_properties(artifact: Artifact) -> dict[str, int | float | str]:
    """Returns the custom properties with those that TFX gives every published artifact."""
    return {"tfx_version": TFX_VERSION, "is_external": 0, **artifact.custom_properties}


def artifact_row(artifact: Artifact, type_id: int) -> pb.Artifact:
    """Returns a new LIVE row for an artifact."""
    from ml_metadata.proto import metadata_store_pb2 as pb

    row = pb.Artifact(type_id=type_id, uri=artifact.uri, state=pb.Artifact.LIVE)
    for name, value in artifact.properties.items():
        write_artifact_value(row.properties, row.custom_properties, name, value)
    for name, value in published_properties(artifact).items():
        write_artifact_value(row.custom_properties, row.custom_properties, name, value)
    return row


def annotate(row: pb.Artifact, properties: Mapping[str, int | float | str | None]) -> None:
    """Gives a row custom properties; None takes one away."""
    for name, value in properties.items():
        row.custom_properties.pop(name, None)
        if value is not None:
            write_artifact_value(row.custom_properties, row.custom_properties, name, value)


def read_artifacts(rows: Iterable[pb.Artifact], types: ArtifactTypeNames) -> list[Artifact]:
    """Returns artifacts for rows, each of the class with the row's type name."""
    rows = list(rows)
    names = types.artifact_type_names(row.type_id for row in rows)
    classes = _classes_by_name()
    return [_read_artifact(row, names[row.type_id], classes) for row in rows]


def event_pairs(
    artifacts: Mapping[str, Sequence[Artifact]], event_type: int, rows: Mapping[int, pb.Artifact]
) -> list[Pair]:
    """Returns an event per artifact, with a path ``[key, index]`` per place where it stands.

    ``rows`` holds the rows of artifacts that are new, by Python's ``id`` of the artifact. The others are named by their
    id in the store and left as they are.
    """
    from ml_metadata.proto import metadata_store_pb2 as pb

    pairs: dict[int, Pair] = {}
    for key, index, artifact in _places(artifacts):
        identity = artifact.id or -id(artifact)
        if identity not in pairs:
            event = pb.Event(type=event_type, artifact_id=artifact.id or None)
            pairs[identity] = (rows.get(id(artifact)), event)
        steps = pairs[identity][1].path.steps
        steps.add().key = key
        steps.add().index = index
    return list(pairs.values())


def check_published(node_id: str, inputs: Mapping[str, Sequence[Artifact]]) -> None:
    """Raises MetadataError when an input has no id."""
    for key, index, artifact in _places(inputs):
        if not artifact.id:
            raise MetadataError(
                f"node {node_id!r}: expected inputs that are in the store, received {key}[{index}]={artifact!r}; "
                "publish it first (an Importer does that for files from elsewhere)"
            )


def distinct(artifacts: Mapping[str, Sequence[Artifact]]) -> list[Artifact]:
    """Returns every artifact once, in order."""
    return list({id(artifact): artifact for _, _, artifact in _places(artifacts)}.values())


def event_places(event: pb.Event) -> list[tuple[str, int]]:
    """Returns the ``(key, index)`` pairs of an event's path; none for a path of another shape."""
    steps = list(event.path.steps)
    fits = len(steps) % 2 == 0 and all(
        step.WhichOneof("value") == ("index" if number % 2 else "key") for number, step in enumerate(steps)
    )
    return [(steps[i].key, steps[i + 1].index) for i in range(0, len(steps), 2)] if fits else []


def _places(artifacts: Mapping[str, Sequence[Artifact]]) -> Iterator[tuple[str, int, Artifact]]:
    for key, group in artifacts.items():
        for index, artifact in enumerate(group):
            yield key, index, artifact


def _classes_by_name() -> dict[str, type[Artifact]]:
    classes: dict[str, type[Artifact]] = {}
    waiting: list[type[Artifact]] = [Artifact]
    for cls in waiting:
        # The first class of a name wins: a standard type cannot be replaced by a subclass that keeps its name.
        classes.setdefault(cls.TYPE_NAME, cls)
        waiting.extend(cls.__subclasses__())
    return classes


def _read_artifact(row: pb.Artifact, type_name: str, classes: Mapping[str, type[Artifact]]) -> Artifact:
    artifact = classes.get(type_name, Artifact)()
    if artifact.TYPE_NAME != type_name:
        # A type that this process has no class for: only this object bears the name.
        artifact.__dict__["TYPE_NAME"] = type_name
    artifact.uri, artifact.id = row.uri, row.id
    artifact.state = ArtifactState(row.state) if row.state in set(ArtifactState) else ArtifactState.UNKNOWN
    # Not through set_property: the stored type may have more properties than the class.
    artifact.properties.update(read_declared(row.properties, row.custom_properties))
    artifact.custom_properties.update(read_values(row.custom_properties))
    return artifact
