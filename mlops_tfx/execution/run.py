"""Run: what all nodes of one run share, as it looks from where a node stands."""

from __future__ import annotations

import threading
from collections import ChainMap
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from mlops_tfx.execution.observer import Observer, labelled
from mlops_tfx.execution.resolve import Artifacts, RunArtifacts
from mlops_tfx.execution.stand_ins import StandIn, stand_ins_within
from mlops_tfx.metadata import NodeIdentity, run_id_of_part
from mlops_tfx.placeholders import Known

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Artifact
    from mlops_tfx.channel import BaseChannel, Element
    from mlops_tfx.execution.attempt import Attempt
    from mlops_tfx.execution.partial import PartialRun
    from mlops_tfx.metadata import MetadataStore
    from mlops_tfx.node import Node
    from mlops_tfx.pipeline import Pipeline
    from mlops_tfx.scope import Scope


@dataclass
class Run:
    """What all nodes of one run share.

    Attributes:
        pipeline: the pipeline.
        run_id: names the run in the store.
        store: the metadata store.
        observer: hears about every step.
        parameters: values of runtime parameters by name.
        produced: output artifacts of the nodes that have ended, by node id and output name.
        skipped: why nodes gave nothing, by node id: a condition was false, they need what was skipped, or they failed
            and their success is optional.
        elements: what the loops around are at, by loop: artifacts by name.
        closed: loops that are not gone through: why, or what went wrong when their elements were asked for.
        given: inputs of the pipeline by name, where it is one within a pipeline.
        index: the numbers of ``elements`` in their loops, the outermost first.
        within: the nodes that the pipelines around are, the outermost first.
        before_work: called when a node turns out to need running; a run in which all is cached never calls it.
        stopping: set when the run is interrupted.
        attempts: those that have begun and not ended.
        home: the root of the outermost pipeline; "" where that is ``pipeline``.
        stand_ins: what runs in place of components, by node id.
        partial: which nodes run, and what stands for the others; None if all do.
    """

    pipeline: Pipeline
    run_id: str
    store: MetadataStore
    observer: Observer
    parameters: Mapping[str, Any] = field(default_factory=dict)
    produced: MutableMapping[str, Artifacts] = field(default_factory=dict)
    skipped: MutableMapping[str, str] = field(default_factory=dict)
    elements: Mapping[Scope, Element] = field(default_factory=dict)
    closed: dict[Scope, str | BaseException] = field(default_factory=dict)
    given: Artifacts = field(default_factory=dict)
    index: tuple[int, ...] = ()
    within: tuple[NodeIdentity, ...] = ()
    before_work: Callable[[], None] = lambda: None
    stopping: threading.Event = field(default_factory=threading.Event)
    attempts: set[Attempt] = field(default_factory=set)
    partial: PartialRun | None = None
    stand_ins: Mapping[str, StandIn] = field(default_factory=dict)
    home: str = ""

    def identity(self, node: Node) -> NodeIdentity:
        """How the store knows a node of this run."""
        element: dict[str, list[int]] = {}
        for key, artifacts in (item for found in self.elements.values() for item in found.items()):
            element.setdefault(key or "element", []).extend(artifact.id for artifact in artifacts)
        return NodeIdentity(
            self.pipeline.pipeline_name,
            self.run_id,
            node.id,
            node.type_name,
            node.BASE_TYPE,
            self.index,
            element,
            self.within,
        )

    def label(self, node_id: str) -> str:
        """The name of a node for people: ``Trainer``, ``Trainer[0]`` in a loop, ``training.Trainer``."""
        own = NodeIdentity(self.pipeline.pipeline_name, self.run_id, node_id, "", index=self.index, within=self.within)
        return own.label

    def for_element(self, loop: Scope, index: int, element: Element) -> Run:
        """The run as nodes in the block of a loop see it, for one element."""
        run = replace(
            self,
            produced=ChainMap({}, cast("dict[str, Artifacts]", self.produced)),
            skipped=ChainMap({}, cast("dict[str, str]", self.skipped)),
            elements={**self.elements, loop: element},
            closed={},
            index=(*self.index, index),
        )
        run.observer = labelled(self.observer, run.label)
        return run

    def for_part(self, node: Pipeline, given: Artifacts) -> Run:
        """The run as nodes of a pipeline within the pipeline see it. ``given``: its inputs by name."""
        run_id = run_id_of_part(node.id, self.run_id, self.index)
        invocation = {"pipeline_run_id": run_id, "pipeline_info": {"id": node.id}}
        run = replace(
            self,
            pipeline=node.within(self.pipeline, Known(parameters=self.parameters, invocation=invocation)),
            run_id=run_id,
            produced={},
            skipped={},
            elements={},
            closed={},
            given=given,
            partial=self.partial.parts.get(node.id) if self.partial else None,
            stand_ins=stand_ins_within(node, self.stand_ins),
            home=self.home or self.pipeline.pipeline_root,
            index=(),
            within=(*self.within, self.identity(node)),
        )
        run.observer = labelled(self.observer, run.label)
        return run

    @property
    def source(self) -> RunArtifacts:
        """What channels ask."""
        return RunArtifacts(self.produced, self.store, self.pipeline.pipeline_name, self.elements, self.given)

    def artifacts_of(self, channel: BaseChannel[Any]) -> list[Artifact]:
        """The artifacts that a channel has by now."""
        return channel.find(self.source)
