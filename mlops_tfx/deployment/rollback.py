"""Goes back to an earlier version of a pushed model, and says so in the store.

A server with TF Serving's default policy serves the highest number. So the earlier version is published once more, as a
copy under a new number that is higher than all: the server loads it before it unloads the other, both stay on the disk,
and going back once more is as safe. Removing the newest folder instead would leave nothing to serve until the server
has loaded the one before, and nothing to look at afterwards.
"""

from __future__ import annotations

import datetime
import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import PushedModel
from mlops_tfx.deployment.listing import PushedVersion, list_models
from mlops_tfx.deployment.versions import push
from mlops_tfx.errors import PushError
from mlops_tfx.metadata.records import NodeIdentity

if TYPE_CHECKING:
    from mlops_tfx.metadata import MetadataStore

NODE_ID = "rollback"


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
            f"{self.from_version}"
        )


def roll_back(
    store: MetadataStore, pipeline_name: str, *, to_version: int | None = None, destination: str | None = None
) -> Rollback:
    """Publishes an earlier version as the newest.

    Args:
        store: the metadata store, in which it becomes an execution of the node ``rollback``.
        pipeline_name: the pipeline.
        to_version: the version to go back to; None for the one before the newest.
        destination: the folder of versions, where the pipeline pushes to several.

    Raises:
        PushError: there is no such version or destination, or nothing to go back to.
    """
    versions = _of_destination(list_models(store, pipeline_name), pipeline_name, destination)
    there = [version for version in versions if version.present]
    if len(there) < 2:
        raise PushError(
            f"nothing to go back to: expected two versions in {versions[0].destination!r}, found {len(there)}"
        )
    newest, earlier = there[0], _earlier(there, to_version)
    source = filesystem.join(earlier.destination, str(earlier.version))
    published = int(push(source, earlier.destination, lambda text: None))
    if published == newest.version:
        others = [version.version for version in there[1:]]
        raise PushError(
            f"version {earlier.version} in {earlier.destination!r} is the same model as {newest.version}, the newest; "
            f"choose another one of {others!r} (--to)"
        )
    execution_id = _record(store, pipeline_name, newest, earlier, published)
    return Rollback(earlier.destination, newest.version, earlier.version, published, execution_id)


def _of_destination(versions: list[PushedVersion], pipeline_name: str, destination: str | None) -> list[PushedVersion]:
    known = list(dict.fromkeys(version.destination for version in versions))
    if not known:
        raise PushError(f"pipeline {pipeline_name!r} has pushed no model yet")
    if destination is None and len(known) > 1:
        raise PushError(f"pipeline {pipeline_name!r} pushes to several folders; choose one of {known!r}")
    chosen = known[0] if destination is None else destination.rstrip("/")
    if chosen not in known:
        raise PushError(f"expected one of {known!r}, received destination={destination!r}")
    return [version for version in versions if version.destination == chosen]


def _earlier(there: list[PushedVersion], to_version: int | None) -> PushedVersion:
    if to_version is None:
        return there[1]
    for version in there[1:]:
        if version.version == to_version:
            return version
    choices = [version.version for version in there[1:]]
    raise PushError(f"expected an earlier version of {choices!r}, received to_version={to_version!r}")


def _record(
    store: MetadataStore, pipeline_name: str, newest: PushedVersion, earlier: PushedVersion, published: int
) -> int:
    place = filesystem.join(earlier.destination, str(published))
    made = PushedModel(place)
    made.custom_properties.update(
        pushed=1, pushed_destination=place, pushed_version=str(published), rolled_back_to=earlier.version
    )
    known = [artifact for artifact in store.artifacts_of_type(PushedModel) if artifact.id == earlier.artifact_id]
    now = datetime.datetime.now(tz=datetime.timezone.utc)
    run_id = f"rollback-{now:%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"
    return store.publish(
        NodeIdentity(pipeline_name, run_id, NODE_ID, "mlops_tfx.deployment.rollback.Rollback", "Deploy"),
        inputs={"pushed_model": known} if known else {},
        outputs={"pushed_model": [made]},
        properties={"from_version": newest.version, "to_version": earlier.version, "new_version": published},
    )
