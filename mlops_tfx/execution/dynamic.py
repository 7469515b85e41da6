"""What is only known when a node runs: its conditions, and parameters made of what other nodes wrote."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlops_tfx.artifacts import Artifact
from mlops_tfx.channel import BaseChannel, PipelineInputChannel
from mlops_tfx.component import Component
from mlops_tfx.control_flow import Cond
from mlops_tfx.errors import ConfigError, ResolutionError, SkipSignal, WiringError
from mlops_tfx.placeholders import Known, NodeArtifacts, Predicate, known_at_start, resolve

if TYPE_CHECKING:
    from mlops_tfx.execution.run import Run
    from mlops_tfx.node import Node
    from mlops_tfx.pipeline import Pipeline
    from mlops_tfx.scope import Scope

OPTIONAL_FAILURE = "it failed, and its success is optional"
"""Why there is nothing from a node with ``success_optional`` that failed."""

_LONG = 80  # characters of a value that are shown

Artifacts = Mapping[str, Sequence[Artifact]]


def check_before_run(pipeline: Pipeline, parameters: Mapping[str, Any]) -> None:
    """Checks all parameters of nodes that are made of runtime parameters and the environment alone.

    Raises:
        WiringError: lists everything that is wrong with them.
    """
    problems = list(_problems_of(pipeline, Known(parameters=parameters)))
    if problems:
        raise WiringError(problems)


def _problems_of(nodes: Iterable[Node], known: Known) -> Iterator[str]:
    for node in nodes:
        yield from (f"{node.id} ({node.made_at}): {problem}" for problem in _early_problems(node, known))
        yield from _problems_of(node.inner_nodes(), known)


def _early_problems(node: Node, known: Known) -> Iterator[str]:
    values = {}
    for name, template in node.unresolved.items():
        if not known_at_start(template):
            continue
        try:
            values[name] = resolve(template, known)
        except (ResolutionError, ConfigError) as error:
            yield f"parameter {name!r}: {error}"
    try:
        if values:
            node.with_values(values)
    except ConfigError as error:
        yield str(error)


def known_to(node: Node, inputs: Artifacts, run: Run) -> Known:
    """Returns what placeholders of a node may ask for before it begins."""
    return Known(
        channels=run.artifacts_of,
        inputs=inputs,
        exec_properties={key: value for key, value in node.exec_properties.items() if key not in node.unresolved},
        parameters=run.parameters,
        invocation={
            "pipeline_run_id": run.run_id,
            "top_level_pipeline_run_id": run.within[0].run_id if run.within else run.run_id,
            "pipeline_info": {"id": run.pipeline.pipeline_name},
            "pipeline_node": {"node_info": {"id": node.id, "type": {"name": node.type_name}}},
        },
    )


def closed_by(node: Node, scopes: Sequence[Scope], run: Run) -> str | None:
    """Returns which of the blocks around a node keeps it from running: a condition, or a loop that has no elements.

    Args:
        node: the node.
        scopes: the blocks to look at, the outermost first.
        run: as seen from the node.

    Raises:
        ResolutionError: a condition cannot be decided, or the elements of a loop cannot be had.
    """
    for scope in scopes:
        reason = _unmet(scope, node, run) if isinstance(scope, Cond) else run.closed.get(scope)
        if isinstance(reason, BaseException):
            raise reason
        if reason is not None:
            return reason
    return None


def _unmet(scope: Cond, node: Node, run: Run) -> str | None:
    predicate = scope.predicate
    skipped = _skipped(predicate.channels(), run)
    if skipped:
        return f"its condition {predicate!r} needs {skipped}"
    # Inputs are looked for only if the condition asks: what is skipped need not have any.
    asks_inputs = any(isinstance(part, NodeArtifacts) for part in predicate.traverse())
    inputs = inputs_of(node, run) if asks_inputs else {}
    known = known_to(node, inputs, run)
    return None if predicate.resolve(known) else _falsehood(predicate, known)


def _falsehood(predicate: Predicate, known: Known) -> str:
    compared = predicate.compared(known)
    values = (textwrap.shorten(repr(value), _LONG, placeholder=" ...") for value in compared.values())
    return f"its condition is false: {predicate!r} ({', '.join(values)})"


def inputs_of(node: Node, run: Run) -> dict[str, list[Artifact]]:
    """Returns the input artifacts of a node by input name; whether they suffice, ``check_counts`` says.

    Raises:
        SkipSignal: a resolver function says that the node is not to run.
    """
    return {key: [] if _skipped([channel], run) else run.artifacts_of(channel) for key, channel in node.inputs.items()}


def missing(node: Node, inputs: Artifacts, run: Run) -> str | None:
    """Returns what a node needs and does not get because its producer was skipped; None if it has all."""
    asked = [channel for placeholder in node.placeholders() for channel in placeholder.channels()]
    skipped = _skipped(asked, run)
    if skipped:
        return f"its parameters need {skipped}"
    lost = {
        key: skipped
        for key, channel in node.inputs.items()
        if not channel.is_optional and (skipped := _skipped([channel], run))
    }
    if isinstance(node, Component):
        lost = {key: skipped for key, skipped in lost.items() if not node.INPUTS[key].optional}
    elif not node.inner_nodes() and any(inputs.values()):
        # A resolver chooses among what there is.
        return None
    return next((f"its input {key!r} needs {skipped}" for key, skipped in lost.items()), None)


def _skipped(channels: Iterable[BaseChannel[Any]], run: Run) -> str:
    """The first producer that was skipped (or may fail, and did), for channels without any artifact."""
    for channel in channels:
        given = [source for source in channel.sources() if isinstance(source, PipelineInputChannel)]
        if given and not _there(channel, run):
            return f"{given[0]!r}, for which nothing came"
        producers = [node.id for node in channel.producers() if node.id in run.skipped]
        if producers and not _there(channel, run):
            how = "failed" if run.skipped[producers[0]] == OPTIONAL_FAILURE else "was skipped"
            return f"{producers[0]}, which {how}"
    return ""


def _there(channel: BaseChannel[Any], run: Run) -> Sequence[Artifact]:
    try:
        return run.artifacts_of(channel)
    except (ResolutionError, SkipSignal):
        # A resolver function misses what its channel would have had.
        return []


def implicit_inputs(node: Node, run: Run) -> dict[str, list[Artifact]]:
    """Returns the artifacts that conditions and parameters look at, under TFX's keys ``_<producer>.<output>``."""
    predicates = [scope.predicate for scope in node.scopes if isinstance(scope, Cond)]
    asked = [channel for placeholder in [*predicates, *node.placeholders()] for channel in placeholder.channels()]
    sources = [source for channel in asked for source in channel.sources()]
    return {_key(source): list(_there(source, run)) for source in sources}


def _key(channel: BaseChannel[Any]) -> str:
    producer, output_key = (getattr(channel, name, None) for name in ("producer_component_id", "output_key"))
    return f"_{producer}.{output_key}" if producer and output_key else f"_{channel.type_name}"


def settled(node: Node, inputs: Artifacts, run: Run) -> Node:
    """Returns the node with values in place of placeholders.

    Raises:
        ResolutionError: values cannot be had, or are not of the declared type; lists them all.
    """
    if not any(True for _ in node.placeholders()):
        return node
    known = known_to(node, inputs, run)
    values: dict[str, Any] = {}
    problems = []
    for name, template in {**node.unresolved, _FLAGS: node.beam_pipeline_args}.items():
        try:
            values[name] = resolve(template, known)
        except (ResolutionError, ConfigError) as error:
            problems.append(f"parameter {name!r}: {error}")
    if problems:
        raise ResolutionError("; ".join(problems))
    flags = tuple(str(flag) for flag in values.pop(_FLAGS))
    try:
        made = node.with_values(values)
    except ConfigError as error:
        raise ResolutionError(str(error)) from error
    made.beam_pipeline_args = flags
    return made


_FLAGS = "beam_pipeline_args"
