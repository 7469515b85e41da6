"""Channel with TFX's arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from mlops_tfx import channel
from mlops_tfx.artifacts import Artifact, Property

A = TypeVar("A", bound=Artifact)


class Channel(channel.Channel[A]):
    """A query over the history of the same pipeline.

    Args:
        type: artifact class to look for.
        additional_properties: declarations of properties; they narrow nothing down, as in TFX.
        additional_custom_properties: the same for custom properties.
        artifacts: ignored, as in TFX.
        producer_component_id: only artifacts that the node of this id wrote.
        output_key: only artifacts that were written under this key.
    """

    def __init__(
        self,
        type: type[A],
        additional_properties: Mapping[str, Property] | None = None,
        additional_custom_properties: Mapping[str, Property] | None = None,
        artifacts: Iterable[Artifact] | None = None,
        producer_component_id: str | None = None,
        output_key: str | None = None,
    ) -> None:
        super().__init__(type, producer_component_id=producer_component_id, output_key=output_key)
        self.additional_properties = dict(additional_properties or {})
        self.additional_custom_properties = dict(additional_custom_properties or {})
