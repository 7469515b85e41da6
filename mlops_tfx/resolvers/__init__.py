"""Nodes that bring artifacts in from outside, or from earlier runs, and the strategies by which they choose."""

from mlops_tfx.resolvers.decorator import resolver_function
from mlops_tfx.resolvers.nodes import Importer, Resolver
from mlops_tfx.resolvers.span_strategies import (
    AllSpansStrategy,
    RollingRangeStrategy,
    SpanRangeStrategy,
    StaticRangeStrategy,
)
from mlops_tfx.resolvers.strategies import (
    ArtifactHistory,
    LatestArtifactStrategy,
    LatestBlessedModelStrategy,
    ResolverStrategy,
)

__all__ = [
    "AllSpansStrategy",
    "ArtifactHistory",
    "Importer",
    "LatestArtifactStrategy",
    "LatestBlessedModelStrategy",
    "Resolver",
    "ResolverStrategy",
    "RollingRangeStrategy",
    "SpanRangeStrategy",
    "StaticRangeStrategy",
    "resolver_function",
]
