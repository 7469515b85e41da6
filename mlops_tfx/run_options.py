"""RunOptions: which part of a pipeline to run. Name and arguments are those of ``tfx.orchestration.pipeline``."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from mlops_tfx.errors import ConfigError


@dataclass(frozen=True)
class RunOptions:
    """Which part of a pipeline to run, and which run gives the rest.

    Attributes:
        from_nodes: ids of nodes; they run, and what depends on them. None: from the beginning.
        to_nodes: ids of nodes; they run, and what they depend on. None: to the end.
        base_pipeline_run_id: the run whose outputs stand for those of nodes that do not run; the latest that has all of
            them by default.

    Raises:
        ConfigError: neither from_nodes nor to_nodes is given, or not as a collection of ids.
    """

    from_nodes: Collection[str] | None = None
    to_nodes: Collection[str] | None = None
    base_pipeline_run_id: str | None = None

    def __post_init__(self) -> None:
        for name in ("from_nodes", "to_nodes"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise ConfigError(f"{name}: expected a list of node ids, received {value!r}; write {name}=[{value!r}]")
            if value is not None and not all(isinstance(node_id, str) for node_id in value):
                raise ConfigError(f"{name}: expected ids of nodes (node.id), received {value!r}")
        if not self.from_nodes and not self.to_nodes:
            raise ConfigError("RunOptions: from_nodes and to_nodes are both empty; give one, or run without RunOptions")
