"""Where a pushed version came from, in files beside it: TF Serving's ``mlmd_uuid``, and a model card."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import CONTENT_DIGEST, Artifact
from mlops_tfx.errors import ArtifactError

UUID_FILE = "assets.extra/mlmd_uuid"
CARD_FILE = "assets.extra/model_card.json"
LINEAGE_FILES = (UUID_FILE, CARD_FILE)
TRAINED_ON = "trained_on"
"""Custom property of a Model: what it was trained on, as JSON; see ``describe_inputs``."""


def describe_artifact(artifact: Artifact) -> dict[str, Any]:
    """Returns what tells an artifact from others: type, id, place, digest, and span and version if it has them."""
    described: dict[str, Any] = {
        "type": artifact.TYPE_NAME,
        "id": artifact.id,
        "uri": artifact.recorded_uri,
        "content_digest": artifact.custom_properties.get(CONTENT_DIGEST),
    }
    for name in ("span", "version"):
        if name in artifact.properties:
            described[name] = artifact.properties[name]
    return described


def describe_inputs(inputs: Mapping[str, Sequence[Artifact]]) -> str:
    """Returns what went into a model, by input name, as JSON."""
    return json.dumps({name: [describe_artifact(artifact) for artifact in inputs[name]] for name in sorted(inputs)})


def read_inputs(model: Artifact) -> dict[str, Any]:
    """Returns what a model was trained on, by input name, as its Trainer noted it; empty if none did."""
    inputs: dict[str, Any] = json.loads(str(model.custom_properties.get(TRAINED_ON, "{}")))
    return inputs


def write_lineage(folder: str, card: Mapping[str, Any]) -> None:
    """Writes both files into a model's folder. The uuid is always the same for the same artifact."""
    model = card["model"]
    identity = uuid.uuid5(uuid.NAMESPACE_URL, f"{model['uri']}#{model['id']}")
    filesystem.write_bytes(filesystem.join(folder, UUID_FILE), str(identity).encode())
    text = json.dumps({"mlmd_uuid": str(identity), **card}, indent=2, sort_keys=True)
    filesystem.write_bytes(filesystem.join(folder, CARD_FILE), text.encode())


def copy_lineage(source: str, folder: str) -> None:
    """Gives ``folder`` the files that ``source`` has; those that it has not are removed."""
    for name in LINEAGE_FILES:
        path = filesystem.join(source, name)
        filesystem.remove_tree(filesystem.join(folder, name))
        if filesystem.exists(path):
            filesystem.write_bytes(filesystem.join(folder, name), filesystem.read_bytes(path))


def read_card(folder: str) -> dict[str, Any] | None:
    """Returns the model card of a version, None if it has none. Raises ArtifactError if it cannot be read."""
    path = filesystem.join(folder, CARD_FILE)
    if not filesystem.exists(path):
        return None
    try:
        card: dict[str, Any] = json.loads(filesystem.read_bytes(path))
    except ValueError as error:
        raise ArtifactError(f"{path}: expected a model card in JSON: {error}; remove it, or push again") from error
    return card
