"""What is pushed, blessed and served."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Artifact, PushedModel
from mlops_tfx.deployment.lineage import read_card
from mlops_tfx.deployment.marks import pushes_by_place, reason_not_to_push, sources
from mlops_tfx.deployment.versions import list_versions
from mlops_tfx.errors import ServingError

if TYPE_CHECKING:
    from mlops_tfx.metadata import ExecutionRecord, MetadataStore

    _Pushes = dict[tuple[str, int], tuple[PushedModel, ExecutionRecord]]

ROLLED_BACK_TO = "rolled_back_to"
"""The custom property of a PushedModel that a rollback published: the version that it is a copy of."""

_BLESSINGS = ("model_blessing", "infra_blessing", "skew_blessing")


@dataclass(frozen=True)
class PushedVersion:
    """A version in a destination, or one that the store knows and that is gone.

    Attributes:
        destination: the folder of all versions; a resource's name where a cloud service has the model.
        version: its number; None where models are not kept in numbered folders.
        present: whether it is there, as far as that can be known.
        newest: whether it has the highest number of those there, which is what a server serves by default.
        artifact_id: of the PushedModel; None if the store knows none.
        run_id: the run that pushed it first; None likewise.
        model_uri: the model that was pushed, from the store or the model card; None if neither says.
        blessings: which verdicts were asked for, and whether each was a blessing.
        served: the state that a server gives for it, such as ``AVAILABLE``; None without one.
        held_back: why its model is not to be pushed again; empty if it may be.
        copy_of: the version that a rollback published again under this number, and whose blessings these are.
    """

    destination: str
    version: int | None
    present: bool
    newest: bool
    artifact_id: int | None
    run_id: str | None
    model_uri: str | None
    blessings: Mapping[str, bool]
    served: str | None = None
    held_back: str = ""
    copy_of: int | None = None

    @property
    def number(self) -> int:
        """The number of a version that has one, as all in folders have."""
        assert self.version is not None, f"{self.destination} is no folder of versions"
        return self.version

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        place = self.destination if self.version is None else f"{self.destination}/{self.version}"
        words = [place, "newest" if self.newest else "" if self.present else "gone"]
        words.append(f"copy of {self.copy_of}" if self.copy_of is not None else "")
        words += [f"{name}={'yes' if blessed else 'no'}" for name, blessed in self.blessings.items()]
        words.append(f"run {self.run_id}" if self.run_id else "not in this store")
        words.append(f"served: {self.served}" if self.served else "")
        words.append(f"not to be pushed again: {self.held_back}" if self.held_back else "")
        return "  ".join(word for word in words if word)


def list_models(
    store: MetadataStore, pipeline_name: str, server: str | None = None, model_name: str | None = None
) -> list[PushedVersion]:
    """Returns all versions of a pipeline's destinations, newest first within each, then what was pushed elsewhere.

    Args:
        store: the metadata store.
        pipeline_name: the pipeline.
        server: ``host:port`` of a model server to ask what it serves.
        model_name: the name that the server has for the model; by default the last step of the destination.

    Raises:
        ServingError: the server does not answer, or does not know the model.
    """
    records = store.executions(pipeline_name)
    pushes, places = _pushes(records), pushes_by_place(records)
    found = []
    for destination in dict.fromkeys(folder for folder, _ in pushes):
        served = _served(server, model_name or filesystem.basename(destination)) if server else {}
        there = list_versions(destination)
        known = {version for folder, version in pushes if folder == destination}
        for version in sorted(known | set(there), reverse=True):
            entry = _describe(destination, version, there, pushes, served.get(version))
            reasons = filter(None, map(reason_not_to_push, sources(places, destination, version)))
            found.append(replace(entry, held_back=next(reasons, "")))
    return [*found, *_elsewhere(records)]


def _pushes(records: Iterable[ExecutionRecord]) -> _Pushes:
    """The first execution that pushed each version, by folder and version; the latest ones first."""
    found: _Pushes = {}
    for record in records:
        for artifact in (artifact for group in record.outputs.values() for artifact in group):
            place = _numbered_place(artifact)
            if isinstance(artifact, PushedModel) and place is not None:
                found.setdefault(place, (artifact, record))
    return dict(reversed(found.items()))


def _numbered_place(artifact: Artifact) -> tuple[str, int] | None:
    """Folder and number of a version; None for what was not pushed, or not to a folder of numbered versions."""
    version = str(artifact.custom_properties.get("pushed_version", ""))
    place = artifact.custom_properties.get("pushed_destination")
    if not isinstance(artifact, PushedModel) or artifact.custom_properties.get("pushed") != 1:
        return None
    return (filesystem.dirname(str(place)), int(version)) if place and version.isdecimal() else None


def _elsewhere(records: Iterable[ExecutionRecord]) -> list[PushedVersion]:
    """What was pushed to a cloud service, or by a custom executor: the newest push to each place."""
    found: dict[str, PushedVersion] = {}
    for record in records:
        for artifact in (artifact for group in record.outputs.values() for artifact in group):
            pushed = isinstance(artifact, PushedModel) and artifact.custom_properties.get("pushed") == 1
            if not pushed or _numbered_place(artifact) is not None:
                continue
            place = str(artifact.custom_properties.get("pushed_destination") or artifact.recorded_uri)
            model = record.inputs.get("model")
            found[place] = PushedVersion(
                destination=place,
                version=None,
                present=True,
                newest=False,
                artifact_id=artifact.id,
                run_id=record.run_id,
                model_uri=model[0].recorded_uri if model else None,
                blessings=_verdicts(record),
            )
    return list(found.values())


def _verdicts(record: ExecutionRecord) -> dict[str, bool]:
    return {
        name: record.inputs[name][0].custom_properties.get("blessed") == 1
        for name in _BLESSINGS
        if record.inputs.get(name)
    }


def _describe(
    destination: str,
    version: int,
    there: list[int],
    pushes: _Pushes,
    served: str | None,
) -> PushedVersion:
    artifact, record = pushes.get((destination, version)) or (None, None)
    card = read_card(filesystem.join(destination, str(version))) if version in there else None
    model = record.inputs.get("model") if record is not None else None
    uri = model[0].recorded_uri if model else (card or {}).get("model", {}).get("uri")
    copied = None if artifact is None else artifact.custom_properties.get(ROLLED_BACK_TO)
    return PushedVersion(
        destination=destination,
        version=version,
        present=version in there,
        newest=bool(there) and version == there[-1],
        artifact_id=None if artifact is None else artifact.id,
        run_id=None if record is None else record.run_id,
        model_uri=uri,
        blessings=_blessings(destination, version, pushes),
        served=served,
        copy_of=None if copied is None else int(str(copied)),
    )


def _blessings(destination: str, version: int, pushes: _Pushes) -> dict[str, bool]:
    """The verdicts that the push of a version asked for; of a copy, those of the version that was copied."""
    seen: set[int] = set()
    while version not in seen and (destination, version) in pushes:
        seen.add(version)
        artifact, record = pushes[(destination, version)]
        if ROLLED_BACK_TO not in artifact.custom_properties:
            return _verdicts(record)
        version = int(str(artifact.custom_properties[ROLLED_BACK_TO]))
    return {}


def _served(server: str, model_name: str) -> dict[int, str]:
    import grpc

    from mlops_tfx.serving.client import Client

    with Client(server, timeout=10.0) as client:
        try:
            return {status.version: status.state for status in client.status(model_name)}
        except ServingError as error:
            if error.code != grpc.StatusCode.NOT_FOUND:
                raise
            advice = "; --model-name says what the server calls the model, if not as the folder is called"
            raise ServingError(error.code, error.message + advice) from error
