"""``tfx.types.channel_utils``: channels made of artifacts, as older component classes do for their outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mlops_tfx.artifacts import Artifact
from mlops_tfx.channel import BaseChannel, Channel


def as_channel(artifacts: Iterable[Artifact]) -> Channel[Any]:
    """Returns a channel of the type of some artifacts. Raises ValueError for none, or for several types."""
    found = list(artifacts)
    if len({type(artifact) for artifact in found}) != 1:
        raise ValueError(f"expected one or more artifacts of one type, received {found!r}")
    return Channel(type(found[0])).set_artifacts(found)


def get_individual_channels(input_channel: BaseChannel[Any]) -> list[BaseChannel[Any]]:
    """Returns the channels that a channel draws from: itself, or the members of a union."""
    return list(input_channel.sources())


def unwrap_channel_dict(channel_dict: Mapping[str, Any]) -> dict[str, list[Artifact]]:
    """Returns the artifacts that channels were given, by name."""
    return {key: list(channel.get()) for key, channel in channel_dict.items()}
