"""``tfx.v1.dsl.experimental``: resolver strategies, runtime parameters, components made of containers."""

from __future__ import annotations

from mlops_tfx.compat.containers.component import create_container_component
from mlops_tfx.placeholders import RuntimeParameter
from mlops_tfx.resolvers import (
    LatestArtifactStrategy,
    LatestBlessedModelStrategy,
    ResolverStrategy,
    SpanRangeStrategy,
)

__all__ = [
    "LatestArtifactStrategy",
    "LatestBlessedModelStrategy",
    "ResolverStrategy",
    "RuntimeParameter",
    "SpanRangeStrategy",
    "create_container_component",
]
