"""``tfx.types.artifact_utils``: what executors do with lists of artifacts."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Mapping, Sequence

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Artifact

DEFAULT_EXAMPLE_SPLITS = ["train", "eval"]
_SPLIT_NAME = re.compile(r"^([A-Za-z0-9][A-Za-z0-9_-]*)?$")


def get_single_instance(artifact_list: Sequence[Artifact]) -> Artifact:
    """Returns the one artifact of a list. Raises ValueError if there are none or several."""
    if len(artifact_list) != 1:
        raise ValueError(f"expected one artifact, received {len(artifact_list)}")
    return artifact_list[0]


def get_single_uri(artifact_list: Sequence[Artifact]) -> str:
    """Returns the uri of the one artifact of a list. Raises ValueError if there are none or several."""
    return get_single_instance(artifact_list).uri


def get_split_uri(artifact_list: Sequence[Artifact], split: str) -> str:
    """Returns the folder of a split of the one artifact that has it. Raises ValueError unless one has."""
    uris = get_split_uris(artifact_list, split)
    if len(uris) != 1:
        raise ValueError(f"expected one artifact with split {split!r}, received {len(uris)}")
    return uris[0]


def get_split_uris(artifact_list: Sequence[Artifact], split: str) -> list[str]:
    """Returns the folders of a split, of all artifacts. Raises ValueError for an artifact that lacks it."""
    for artifact in artifact_list:
        if split not in decode_split_names(artifact.split_names):
            raise ValueError(f"{artifact!r} has no split {split!r}, only {artifact.split_names}")
    return [os.path.join(artifact.uri, f"Split-{split}") for artifact in artifact_list]


def encode_split_names(splits: Sequence[str]) -> str:
    """Returns names of splits as an artifact has them. Raises ValueError for a name that cannot be."""
    for split in splits:
        if not _SPLIT_NAME.match(split):
            raise ValueError(f"expected names of splits of letters, digits, '-' and '_', received {split!r}")
    return json.dumps(list(splits))


def decode_split_names(split_names: str) -> list[str]:
    """Returns the names of splits that an artifact has."""
    return list(json.loads(split_names)) if split_names else []


def replicate_artifacts(source: Artifact, count: int) -> list[Artifact]:
    """Returns copies of an artifact, whose uris are the folders 0 to ``count - 1`` in its own."""
    copies = []
    for index in range(count):
        made = copy.copy(source)
        made.properties, made.custom_properties = dict(source.properties), dict(source.custom_properties)
        made.uri = os.path.join(source.uri, str(index))
        copies.append(made)
    return copies


def verify_artifacts(artifacts: Mapping[str, Sequence[Artifact]] | Sequence[Artifact] | Artifact) -> None:
    """Raises RuntimeError for an artifact without a uri, or with nothing there."""
    if isinstance(artifacts, Artifact):
        artifacts = [artifacts]
    if isinstance(artifacts, Mapping):
        artifacts = [artifact for several in artifacts.values() for artifact in several]
    for artifact in artifacts:
        if not artifact.uri:
            raise RuntimeError(f"{artifact!r} has no uri")
        if not filesystem.exists(artifact.uri):
            raise RuntimeError(f"{artifact!r}: there is nothing at its uri")
