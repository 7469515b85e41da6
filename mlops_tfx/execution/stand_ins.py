"""Stand-ins: what runs in place of a component, in tests of pipelines.

Everything else of the node is as ever: its inputs are resolved, its outputs staged, published and recorded. Its result
is neither taken from the cache nor kept for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from mlops_tfx.component import Component
from mlops_tfx.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from mlops_tfx.node import Node
    from mlops_tfx.pipeline import Pipeline

StandIn = Callable[[Component], None]
"""Is called with the component as its ``run()`` sees it: inputs and outputs read as artifacts, ``context`` is there."""


def check_stand_ins(pipeline: Pipeline, stand_ins: Mapping[str, StandIn]) -> None:
    """Raises ConfigError for names that are no components of the pipeline, and for what cannot be called."""
    known = list(_components(pipeline))
    problems = []
    for node_id, stand_in in stand_ins.items():
        if node_id not in known:
            problems.append(f"the pipeline has no component {node_id!r}{did_you_mean(node_id, known)}")
        elif not callable(stand_in):
            problems.append(f"{node_id}: expected a function that takes the component, received {stand_in!r}")
    if problems:
        raise ConfigError(f"stand_ins: {'; '.join(problems)}")


def _components(nodes: Iterable[Node]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, Component):
            yield node.id
        yield from (f"{node.id}.{inner}" for inner in _components(node.inner_nodes()))


def stand_ins_within(node: Node, stand_ins: Mapping[str, StandIn]) -> dict[str, StandIn]:
    """Those for the nodes of a pipeline within the pipeline (``training.Trainer``), by their ids there."""
    prefix = f"{node.id}."
    return {name.removeprefix(prefix): given for name, given in stand_ins.items() if name.startswith(prefix)}
