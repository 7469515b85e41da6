"""Where a pushed version came from, in files beside it: TF Serving's ``mlmd_uuid``, and a model card."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from mlops_tfx import filesystem
from mlops_tfx.errors import ArtifactError

UUID_FILE = "assets.extra/mlmd_uuid"
CARD_FILE = "assets.extra/model_card.json"
LINEAGE_FILES = (UUID_FILE, CARD_FILE)


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
