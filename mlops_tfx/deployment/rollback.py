"""Goes back to an earlier version of a pushed model, and says so in the store.

A server with TF Serving's default policy serves the highest number. So the earlier version is published once more, as a
copy under a new number that is higher than all: the server loads it before it unloads the other, both stay on the disk,
and going back once more is as safe. Removing the newest folder instead would leave nothing to serve until the server
has loaded the one before, and nothing to look at afterwards.

The model that was the newest is marked in the store, so that the next run of the pipeline, which still has it, does not
push it again.
"""

from __future__ import annotations

import datetime
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import PushedModel
from mlops_tfx.deployment.listing import ROLLED_BACK_TO, PushedVersion, list_models
from mlops_tfx.deployment.marks import ROLLBACK_NODE, hold_back, let_go, pushes_by_place, sources
from mlops_tfx.deployment.recording import new_identity, pushed_artifacts
from mlops_tfx.deployment.versions import push
from mlops_tfx.errors import PushError

if TYPE_CHECKING:
    from mlops_tfx.metadata import MetadataStore


@dataclass(frozen=True)
class Rollback:
    """What was done: the version that was the newest, the earlier one, and the number that this has now."""

    destination: str
    from_version: int
    to_version: int
    new_version: int
    execution_id: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"{self.destination}: version {self.to_version} is published again as {self.new_version}, in place of "
            f"{self.from_version}, whose model is not pushed again unless --allow-again {self.from_version} allows it"
        )


def roll_back(
    store: MetadataStore, pipeline_name: str, *, to_version: int | None = None, destination: str | None = None
) -> Rollback:
    """Publishes an earlier version as the newest.

    Args:
        store: the metadata store, in which it becomes an execution of the node ``rollback``.
        pipeline_name: the pipeline.
        to_version: the version to go back to; None for the newest before that has another model,
            which is not held back.
        destination: the folder of versions, where the pipeline pushes to several.

    Raises:
        PushError: there is no such version or destination, or nothing to go back to.
    """
    versions = _of_destination(list_models(store, pipeline_name), pipeline_name, destination)
    there = [version for version in versions if version.present]
    gone = [version.number for version in versions if not version.present]
    if to_version in gone:
        raise PushError(
            f"version {to_version} is no longer in {versions[0].destination!r}: its folder was removed; choose one of "
            f"{[version.number for version in there[1:]]!r} (--to), or run the pipeline that trains this model again"
        )
    if len(there) < 2:
        raise PushError(
            f"nothing to go back to: expected two versions in {versions[0].destination!r}, found {len(there)}"
        )
    newest, earlier = there[0], _earlier(there, to_version)
    source = _folder(earlier)
    published = int(push(source, earlier.destination, lambda text: None))
    if published == newest.version:
        others = [version.number for version in there[1:]]
        raise PushError(
            f"version {earlier.version} in {earlier.destination!r} is the same model as {newest.version}, the newest; "
            f"choose another one of {others!r} (--to)"
        )
    execution_id = _record(store, pipeline_name, newest, earlier, published)
    _mark(store, pipeline_name, newest, earlier)
    return Rollback(earlier.destination, newest.number, earlier.number, published, execution_id)


def _folder(version: PushedVersion) -> str:
    return filesystem.join(version.destination, str(version.version))


def _of_destination(versions: list[PushedVersion], pipeline_name: str, destination: str | None) -> list[PushedVersion]:
    known = list(dict.fromkeys(version.destination for version in versions if version.version is not None))
    if not known:
        elsewhere = f" to a folder of versions, only to {versions[0].destination!r}: go back there" if versions else ""
        raise PushError(f"pipeline {pipeline_name!r} has pushed no model yet{elsewhere}")
    if destination is None and len(known) > 1:
        raise PushError(f"pipeline {pipeline_name!r} pushes to several folders; choose one of {known!r}")
    chosen = known[0] if destination is None else destination.rstrip("/")
    if chosen not in known:
        raise PushError(f"expected one of {known!r}, received destination={destination!r}")
    return [version for version in versions if version.destination == chosen]


def _earlier(there: list[PushedVersion], to_version: int | None) -> PushedVersion:
    choices = [version.number for version in there[1:]]
    if to_version is None:
        model = there[0].model_uri
        others = [version for version in there[1:] if model is None or version.model_uri != model]
        for version in others:
            if not version.held_back and _has_files(version):
                return version
        raise PushError(
            f"nothing to go back to: the models of {choices!r} are held back or the one of {there[0].version}, the "
            "newest, or have no files; choose one of them (--to)"
        )
    for version in there[1:]:
        if version.version == to_version and not _has_files(version):
            raise PushError(f"expected a model in {_folder(version)!r}, found an empty folder; choose another (--to)")
        if version.version == to_version:
            return version
    raise PushError(f"expected an earlier version of {choices!r}, received to_version={to_version!r}")


def _has_files(version: PushedVersion) -> bool:
    return next(iter(filesystem.walk_files(_folder(version))), None) is not None


def _record(
    store: MetadataStore, pipeline_name: str, newest: PushedVersion, earlier: PushedVersion, published: int
) -> int:
    place = filesystem.join(earlier.destination, str(published))
    made = PushedModel(place)
    made.custom_properties.update(
        {"pushed": 1, "pushed_destination": place, "pushed_version": str(published), ROLLED_BACK_TO: earlier.version}
    )
    known = [artifact for artifact in store.artifacts_of_type(PushedModel) if artifact.id == earlier.artifact_id]
    return store.publish(
        new_identity(pipeline_name, ROLLBACK_NODE),
        inputs={"pushed_model": known} if known else {},
        outputs={"pushed_model": [made]},
        properties={"from_version": newest.version, "to_version": earlier.version, "new_version": published},
    )


def _mark(store: MetadataStore, pipeline_name: str, newest: PushedVersion, earlier: PushedVersion) -> None:
    """What was gone back from is held back; what was gone back to is wanted, whatever was said of it before."""
    pushes = pushes_by_place(store.executions(pipeline_name))
    wanted = sources(pushes, earlier.destination, earlier.number)
    ids = {model.id for model in wanted}
    unwanted = [model for model in sources(pushes, newest.destination, newest.number) if model.id not in ids]
    today = datetime.datetime.now(tz=datetime.timezone.utc)
    reason = f"version {newest.version} was rolled back to {earlier.version} on {today:%Y-%m-%d}"
    hold_back(store, unwanted, reason)
    let_go(store, wanted)


@dataclass(frozen=True)
class Allowance:
    """What was done: the version whose model may be pushed again."""

    destination: str
    version: int
    execution_id: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.destination}: the model of version {self.version} may be pushed again"


def allow_again(store: MetadataStore, pipeline_name: str, version: int, *, destination: str | None = None) -> Allowance:
    """Lets the model of a version be pushed again, which a rollback had held back.

    Args:
        store: the metadata store, in which it becomes an execution of the node ``rollback``.
        pipeline_name: the pipeline.
        version: the version that was gone back from.
        destination: the folder of versions, where the pipeline pushes to several.

    Raises:
        PushError: there is no such version or destination, or its model is not held back.
    """
    versions = _of_destination(list_models(store, pipeline_name), pipeline_name, destination)
    held_back = [entry for entry in versions if entry.held_back]
    chosen = [entry for entry in held_back if entry.version == version]
    if not chosen:
        raise PushError(
            f"expected a version whose model is held back, one of {[entry.version for entry in held_back]!r}, received "
            f"{version=!r}"
        )
    folder = chosen[0].destination
    known = pushed_artifacts(store, filesystem.join(folder, str(version)))
    let_go(store, sources(pushes_by_place(store.executions(pipeline_name)), folder, version))
    execution_id = store.publish(
        new_identity(pipeline_name, ROLLBACK_NODE),
        inputs={"pushed_model": known[:1]} if known else {},
        outputs={},
        properties={"allowed_again": version},
    )
    return Allowance(folder, version, execution_id)
