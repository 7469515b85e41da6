"""Partial runs: some nodes run, and what an earlier run made stands for the others.

As in TFX, a node that does not run gets a CACHED execution in the new run, with the inputs and outputs it had in the
base run, so that lineage is whole and the new run can be the base of the next.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Artifact, ArtifactState
from mlops_tfx.channel import BaseChannel, OutputChannel
from mlops_tfx.component import Component
from mlops_tfx.control_flow import Cond, ForEach
from mlops_tfx.errors import ResolutionError, WiringError, did_you_mean
from mlops_tfx.execution import cache
from mlops_tfx.execution.attempt import is_failure
from mlops_tfx.execution.changes import ingredients_of
from mlops_tfx.execution.observer import NodeState
from mlops_tfx.metadata import SKIPPED, ExecutionRecord, ExecutionState, run_id_of_part
from mlops_tfx.pipeline import Pipeline
from mlops_tfx.resolvers import Resolver
from mlops_tfx.run_options import RunOptions

if TYPE_CHECKING:
    from mlops_tfx.execution.run import Run
    from mlops_tfx.metadata import MetadataStore
    from mlops_tfx.node import Node

OUTSIDE = "it is outside of this partial run"
"""Why a node gave nothing that neither runs nor has a result to reuse."""

_DONE = {ExecutionState.COMPLETE, ExecutionState.CACHED}
_REUSED_FROM = "reused_from_run"


@dataclass(frozen=True)
class PartialRun:
    """Which nodes run, and what the others give.

    Attributes:
        to_run: ids of the nodes that run.
        base_run_id: the run that gives the rest; "" if nothing is needed and there is none.
        reused: its executions of nodes that do not run, by node id.
        parts: which nodes run in the pipelines within the pipeline of which only a part runs, by their id.
    """

    to_run: frozenset[str]
    base_run_id: str
    reused: Mapping[str, Sequence[ExecutionRecord]]
    parts: Mapping[str, PartialRun] = field(default_factory=dict)

    def outcome(self, node: Node, run: Run) -> tuple[NodeState, Mapping[str, list[Artifact]], str] | None:
        """State, outputs and message of a node that does not run, which is put into the store; None if it runs."""
        if node.id in self.to_run:
            return None
        records = self.reused.get(node.id, ())
        # Of a node in a loop, those of the same element; or of all, if what the loop went through is gone.
        records = [record for record in records if record.index[: len(run.index)] == run.index]
        done = [record for record in _last(records) if record.state in _DONE]
        if not done:
            reasons = [record.skipped_because for record in records if record.skipped_because]
            run.skipped[node.id] = reasons[0] if reasons else OUTSIDE
            if reasons:
                # So that this run can be the base of the next.
                properties = {SKIPPED: reasons[0], _REUSED_FROM: self.base_run_id}
                identity, state = run.identity(node), ExecutionState.CANCELED
                run.store.publish(identity, inputs={}, outputs={}, properties=properties, state=state)
            return NodeState.SKIPPED, {}, run.skipped[node.id]
        for record in done:
            run.store.publish(
                run.identity(node),
                inputs=record.inputs,
                outputs=record.outputs,
                properties={**record.properties, _REUSED_FROM: self.base_run_id},
                state=ExecutionState.CACHED,
                internal_output=isinstance(node, Resolver | Pipeline),
            )
        return NodeState.CACHED, _merged(done), ""

    def changed_nodes(self, pipeline: Pipeline) -> Iterator[tuple[str, str]]:
        """Yields ids of reused nodes whose code or parameters have changed since, and what changed."""
        for node_id, records in self.reused.items():
            node, done = pipeline[node_id], [record for record in records if record.state in _DONE]
            if isinstance(node, Component) and done:
                changes = list(_changes(node, done[-1]))
                if changes:
                    yield node_id, ", ".join(changes)


def plan(pipeline: Pipeline, options: RunOptions, store: MetadataStore) -> PartialRun:
    """Decides which nodes run and what is reused.

    Raises:
        WiringError: ids that the pipeline does not have, or nothing lies between from_nodes and to_nodes.
        ResolutionError: there is no such base run, or it lacks what the nodes need; lists all that is missing.
    """
    options, inner = _without_parts(pipeline, options)
    to_run = _between(pipeline, options)
    downstream = {node_id for first in to_run for node_id in pipeline.downstream_of(first)}
    reusable = [node.id for node in pipeline if node.id not in to_run | downstream]
    runs = store.runs(pipeline.pipeline_name)
    wanted = options.base_pipeline_run_id
    if wanted is not None and wanted not in runs:
        hint = did_you_mean(wanted, runs)
        raise ResolutionError(f"base_pipeline_run_id: pipeline {pipeline.pipeline_name!r} has no run {wanted!r}{hint}")
    found: list[str] = []
    for run_id in runs if wanted is None else [wanted]:
        records = _records(store, pipeline.pipeline_name, run_id)
        problems = list(_missing(pipeline, to_run, records))
        if not problems:
            reused = {node_id: records[node_id] for node_id in reusable if _is_there(records.get(node_id, ()))}
            return PartialRun(to_run, run_id, reused, _plans_of_parts(pipeline, inner, run_id, store))
        found = found or [f"run {run_id}: {problem}" for problem in problems]
    needed = _missing(pipeline, to_run, {})
    problems = found or [f"there is no earlier run: {problem}" for problem in needed]
    if not problems:
        return PartialRun(to_run, "", {}, _plans_of_parts(pipeline, inner, None, store))
    raise ResolutionError(
        "a partial run takes what its nodes need from an earlier run, which lacks it:\n"
        + "\n".join(f"  - {problem}" for problem in problems)
        + "\nbegin with an earlier node, or name another run"
    )


def _without_parts(pipeline: Pipeline, options: RunOptions) -> tuple[RunOptions, dict[str, dict[str, list[str]]]]:
    """Options with ``training`` in place of ``training.Trainer``, and what is named in each pipeline within."""
    inner: dict[str, dict[str, list[str]]] = {}
    outer: dict[str, list[str]] = {"from_nodes": [], "to_nodes": []}
    for end, given in (("from_nodes", options.from_nodes), ("to_nodes", options.to_nodes)):
        for name in given or ():
            part = _part_of(pipeline, name)
            outer[end].append(part.id if part else name)
            if part is not None:
                inner.setdefault(part.id, {}).setdefault(end, []).append(name.removeprefix(f"{part.id}."))
    first, last = (list(dict.fromkeys(names)) or None for names in outer.values())
    return RunOptions(first, last, options.base_pipeline_run_id), inner


def _part_of(pipeline: Pipeline, name: str) -> Pipeline | None:
    """The pipeline within that a name such as ``training.Trainer`` leads into."""
    if any(node.id == name for node in pipeline):
        return None
    found = [node for node in pipeline if isinstance(node, Pipeline) and name.startswith(f"{node.id}.")]
    looped = [node.id for node in found if any(isinstance(scope, ForEach) for scope in node.scopes)]
    if looped:
        raise WiringError([f"{name!r}: {looped[0]!r} is in a loop and has no single {name!r}; name {looped[0]!r}"])
    return max(found, key=lambda node: len(node.id), default=None)


def _plans_of_parts(
    pipeline: Pipeline, inner: Mapping[str, Mapping[str, list[str]]], base_run_id: str | None, store: MetadataStore
) -> dict[str, PartialRun]:
    plans = {}
    for name, ends in inner.items():
        part = pipeline[name]
        if isinstance(part, Pipeline):
            base = run_id_of_part(name, base_run_id) if base_run_id else None
            plans[name] = plan(part, RunOptions(ends.get("from_nodes"), ends.get("to_nodes"), base), store)
    return plans


def _between(pipeline: Pipeline, options: RunOptions) -> frozenset[str]:
    ids = [node.id for node in pipeline]
    given = {"from_nodes": options.from_nodes, "to_nodes": options.to_nodes}
    problems = [
        f"{name}: pipeline {pipeline.pipeline_name!r} has no node {node_id!r}{did_you_mean(node_id, ids)}"
        for name, chosen in given.items()
        for node_id in chosen or ()
        if node_id not in ids
    ]
    if problems:
        raise WiringError(problems)
    first, last = options.from_nodes or ids, options.to_nodes or ids
    after = {*first, *(node_id for start in first for node_id in pipeline.downstream_of(start))}
    between = [i for i in ids if i in after and (i in last or set(pipeline.downstream_of(i)) & set(last))]
    if not between:
        raise WiringError([f"no node lies between from_nodes={list(first)} and to_nodes={list(last)}"])
    return frozenset(between)


def _records(store: MetadataStore, pipeline_name: str, run_id: str) -> dict[str, list[ExecutionRecord]]:
    found: dict[str, list[ExecutionRecord]] = defaultdict(list)
    for record in store.executions(pipeline_name=pipeline_name, run_id=run_id):
        if record.run_id == run_id:  # else it is of a pipeline within
            found[record.node_id].append(record)
    return found


def _missing(
    pipeline: Pipeline, to_run: frozenset[str], records: Mapping[str, Sequence[ExecutionRecord]]
) -> Iterator[str]:
    """What nodes need that the records do not give, each a sentence, once."""
    problems: dict[str, None] = {}
    for node in (node for node in pipeline if node.id in to_run):
        for source in _needs(node):
            producer = source.producer.id
            if producer not in to_run:
                problem = _lacking_element(source.producer, pipeline, records)
                problem = problem or _problem(source, records.get(producer, ()))
                problems.update({f"{node.id} needs {source!r}: {problem}": None} if problem else {})
    yield from problems


def _lacking_element(producer: Node, pipeline: Pipeline, records: Mapping[str, Sequence[ExecutionRecord]]) -> str:
    """An element of a loop for which the producer did not run, but another node of the loop did."""
    loops = _loops(producer)
    same = [node.id for node in pipeline if loops and _loops(node)[: len(loops)] == loops]
    wanted = {record.index[: len(loops)] for node_id in same for record in records.get(node_id, ()) if record.index}
    lacking = sorted(wanted - {record.index for record in records.get(producer.id, ())})
    numbers = "".join(f"[{i}]" for i in lacking[0]) if lacking else ""
    return f"{producer.id}{numbers} did not run there" if lacking else ""


def _loops(node: Node) -> list[ForEach]:
    return [scope for scope in node.scopes if isinstance(scope, ForEach)]


def _needs(node: Node) -> Iterator[OutputChannel[Any]]:
    """Outputs without which a node cannot run."""
    channels = list(node.inputs.values())
    if isinstance(node, Component):
        channels = [channel for key, channel in node.inputs.items() if not node.INPUTS[key].optional]
    conditions = [scope.predicate for scope in node.scopes if isinstance(scope, Cond)]
    asked = [channel for asked in [*node.placeholders(), *conditions] for channel in asked.channels()]
    loops = [scope.loopable for scope in node.scopes if isinstance(scope, ForEach)]
    asked.extend(loop for loop in loops if isinstance(loop, BaseChannel))
    for channel in (*channels, *asked):
        yield from () if channel.is_optional else _outputs_in(channel)


def _outputs_in(channel: BaseChannel[Any]) -> Iterator[OutputChannel[Any]]:
    yield from (source for source in channel.sources() if isinstance(source, OutputChannel))


def _problem(source: OutputChannel[Any], records: Sequence[ExecutionRecord]) -> str:
    producer = source.producer.id
    last = _last(records)
    done = [record for record in last if record.state in _DONE]
    failed = next((record for record in last if record.state not in _DONE and not record.skipped_because), None)
    if failed or not records:
        return f"{failed.label} ended as {failed.state.name} there" if failed else f"{producer} did not run there"
    if len(done) < len(last):
        return ""  # it was skipped: the node decides, as in the base run, whether it can do without
    artifacts = _merged(done).get(source.output_key, [])
    gone = [artifact.uri for artifact in artifacts if not _is_live(artifact)]
    if gone:
        return f"{', '.join(gone)} is gone"
    return "" if artifacts else f"{producer} put out no {source.output_key!r} there"


def _is_there(records: Sequence[ExecutionRecord]) -> bool:
    artifacts = [artifact for outputs in _merged(records).values() for artifact in outputs]
    return bool(records) and all(map(_is_live, artifacts))


def _is_live(artifact: Artifact) -> bool:
    return artifact.state is ArtifactState.LIVE and filesystem.exists(artifact.uri)


def _last(records: Sequence[ExecutionRecord]) -> list[ExecutionRecord]:
    """The last attempt of a node; in a loop, that of every element in order."""
    by_index = {record.index: record for record in sorted(records, key=lambda record: record.id)}
    return [by_index[index] for index in sorted(by_index)]


def _merged(records: Sequence[ExecutionRecord]) -> dict[str, list[Artifact]]:
    outputs: dict[str, list[Artifact]] = defaultdict(list)
    for record in records:
        for key, artifacts in record.outputs.items():
            outputs[key].extend(artifacts)
    return outputs


def _changes(node: Component, record: ExecutionRecord) -> Iterator[str]:
    """Names of ingredients other than inputs and libraries that differ; a parameter known later does not count."""
    before = ingredients_of(record)
    inputs = {key: artifacts for key, artifacts in record.inputs.items() if key in node.INPUTS}
    if not before or node.unresolved:
        return
    try:
        now = cache.ingredients(node.bind(inputs, {}, None), inputs)
    except BaseException as error:
        if not is_failure(error):
            raise
        yield f"its code or parameters cannot be read ({type(error).__name__}: {error})"
        return
    for name, _, _ in cache.differences(before, now):
        if not name.startswith(("input ", "library ")):
            yield name
