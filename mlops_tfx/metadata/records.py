"""What the store is told about a node, and what it tells about an execution."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import datetime

    from mlops_tfx.artifacts import Artifact


LOOP_INDEX = "loop_index"
"""Custom property of an execution in a loop: which element, from 0, of each loop around it; the outermost first."""

SKIPPED = "skipped_because"
"""Custom property of an execution that says why its node was skipped."""


class ExecutionState(enum.IntEnum):
    """The states of ML Metadata's Execution."""

    UNKNOWN = 0
    NEW = 1
    RUNNING = 2
    COMPLETE = 3
    FAILED = 4
    CACHED = 5
    CANCELED = 6


@dataclass(frozen=True)
class NodeIdentity:
    """Which node of which run of which pipeline.

    Attributes:
        pipeline_name: the name of the pipeline.
        run_id: the id of the run; unique in the whole store, as TFX's contexts of runs carry no pipeline name.
        node_id: the id of the node in the pipeline.
        type_name: the execution type: the fully qualified name of the component's class.
        base_type: ``Train``, ``Transform``, ``Process``, ``Evaluate``, ``Deploy`` or None.
        index: which element of each loop around the node it ran for, the outermost first, from 0.
        element: ids of the artifacts of these elements, by name.
        within: for a node of a pipeline within a pipeline: the nodes that these pipelines are, the outermost first.
    """

    pipeline_name: str
    run_id: str
    node_id: str
    type_name: str
    base_type: str | None = None
    index: tuple[int, ...] = ()
    element: Mapping[str, Sequence[int]] = field(default_factory=dict)
    within: tuple[NodeIdentity, ...] = ()

    @property
    def label(self) -> str:
        """The name for people: ``Trainer``, ``Trainer[0]`` in a loop, ``training.Trainer`` in a pipeline within."""
        return label_of([*self.within, self])


@dataclass(frozen=True)
class ExecutionRecord:
    """One execution as the store has it.

    Attributes:
        id: the id of the execution in the store.
        node_id: the id of its node.
        run_id: the id of its run.
        pipeline_name: the name of its pipeline.
        type_name: the fully qualified name of the component's class.
        state: its last known state.
        properties: parameters and whatever else the runner noted, as Python values.
        created: when it began (UTC).
        updated: when it was last changed (UTC).
        error: the text of the error; empty if there was none.
        inputs: the artifacts that went in, by input name.
        outputs: the artifacts that came out, by output name.
        label: the name of the node for people, with elements of loops and pipelines around: ``training.Trainer[0]``.
        within: for a node of a pipeline within a pipeline: the ids of these pipelines, the outermost first.
        is_foreign: whether somebody else wrote it, such as TFX: then it keeps less (neither code nor who runs it).
    """

    id: int
    node_id: str
    run_id: str
    pipeline_name: str
    type_name: str
    state: ExecutionState
    properties: Mapping[str, Any]
    created: datetime.datetime
    updated: datetime.datetime
    error: str = ""
    inputs: Mapping[str, list[Artifact]] = field(default_factory=dict)
    outputs: Mapping[str, list[Artifact]] = field(default_factory=dict)
    label: str = ""
    within: tuple[str, ...] = ()
    is_foreign: bool = False

    @property
    def index(self) -> tuple[int, ...]:
        """Which elements of the loops around it, the outermost first; none outside of loops."""
        return tuple(self.properties.get(LOOP_INDEX, ()))

    @property
    def skipped_because(self) -> str:
        """Why its node was skipped; "" if it was not."""
        return str(self.properties.get(SKIPPED, ""))


class _Place(Protocol):
    @property
    def node_id(self) -> str: ...

    @property
    def index(self) -> tuple[int, ...]: ...


def label_of(places: Iterable[_Place]) -> str:
    """Joins the names of pipelines and node, the outermost first: ``training[1].Trainer[0]``."""
    return ".".join(place.node_id + "".join(f"[{i}]" for i in place.index) for place in places)
