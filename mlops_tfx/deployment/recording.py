"""How what is done to pushed models by hand is recorded in the store."""

from __future__ import annotations

import datetime
import uuid
from typing import TYPE_CHECKING

from mlops_tfx.artifacts import PushedModel
from mlops_tfx.metadata.records import NodeIdentity

if TYPE_CHECKING:
    from mlops_tfx.metadata import MetadataStore

_TYPE_NAME = "mlops_tfx.deployment.rollback.Rollback"


def new_identity(pipeline_name: str, node_id: str) -> NodeIdentity:
    """Returns a node of a run of its own, named after the time."""
    now = datetime.datetime.now(tz=datetime.timezone.utc)
    run_id = f"{node_id}-{now:%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"
    return NodeIdentity(pipeline_name, run_id, node_id, _TYPE_NAME, "Deploy")


def pushed_artifacts(store: MetadataStore, place: str) -> list[PushedModel]:
    """Returns the PushedModels of a version, by its folder; newest first."""
    artifacts = store.artifacts_of_type(PushedModel)
    return [
        artifact
        for artifact in artifacts
        if isinstance(artifact, PushedModel) and artifact.custom_properties.get("pushed_destination") == place
    ]
