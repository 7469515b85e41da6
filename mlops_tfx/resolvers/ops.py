"""TFX's resolver operators: the pieces that resolver functions are made of, on lists of artifacts.

Names and settings are those of ``tfx.dsl.input_resolution.ops.ops``; what depends on spans is in `spans`, what looks at
lists alone in `selection`. The operators on lineage ask the metadata store, and so work only while inputs are chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from mlops_tfx.artifacts import Artifact, Examples, Model
from mlops_tfx.errors import ConfigError, ResolutionError, SkipSignal
from mlops_tfx.resolvers import lineage, selection, spans
from mlops_tfx.resolvers.decorator import history
from mlops_tfx.resolvers.policies import latest_policy_model
from mlops_tfx.resolvers.strategies import PastExecution

A = TypeVar("A", bound=Artifact)
Lists = Mapping[str, Sequence[Artifact]]
ROOT = "root_artifact"
_ENDED_WELL = ("COMPLETE", "CACHED")


def latest_create_time(artifacts: Iterable[A], n: int = 1) -> list[A]:
    """The ``n`` newest, the oldest of them first."""
    return spans.latest_created(artifacts, n)


def latest_version(artifacts: Iterable[A], n: int = 1) -> list[A]:
    """The ``n`` of the largest versions; see `spans.latest_version`."""
    return spans.latest_version(artifacts, n)


def latest_span(
    artifacts: Sequence[A],
    n: int = 1,
    keep_all_versions: bool = False,
    min_span: int = 0,
    skip_last_n: int = 0,
    version_sort_keys: Sequence[str] = (),
) -> list[A]:
    """Those of the ``n`` latest spans (all for ``n`` below 1), in order of span; see `spans.rolling_range`."""
    return spans.rolling_range(
        artifacts,
        start_span_number=min_span,
        num_spans=n if n > 0 else max(len(artifacts), 1),
        skip_num_recent_spans=skip_last_n,
        keep_all_versions=keep_all_versions,
        version_sort_keys=version_sort_keys,
    )


def all_spans(artifacts: Iterable[A], keep_all_versions: bool = False) -> list[A]:
    """Those of all spans, in order of span."""
    return spans.all_spans(artifacts, keep_all_versions=keep_all_versions)


def static_span_range(
    artifacts: Iterable[A], start_span: int = -1, end_span: int = -1, keep_all_versions: bool = False
) -> list[A]:
    """Those of the spans from start to end, in order of span; see `spans.static_range`."""
    return spans.static_range(
        artifacts, start_span_number=start_span, end_span_number=end_span, keep_all_versions=keep_all_versions
    )


def consecutive_spans(
    artifacts: Iterable[A],
    first_span: int = -1,
    skip_last_n: int = 0,
    keep_all_versions: bool = False,
    denylist: Sequence[int] = (),
) -> list[A]:
    """Those of the oldest spans that follow each other without a gap; see `selection.sequential_rolling_range`."""
    windows = selection.sequential_rolling_range(
        artifacts,
        start_span_number=first_span,
        skip_num_recent_spans=skip_last_n,
        keep_all_versions=keep_all_versions,
        exclude_span_numbers=denylist,
    )
    return [artifact for window in windows for artifact in window]


def exclude_spans(artifacts: Iterable[A], denylist: Sequence[int] = ()) -> list[A]:
    """Those whose span is not among ``denylist``."""
    return [artifact for artifact in artifacts if spans.span_of(artifact) not in set(denylist)]


def equal_property_values(
    artifacts: Iterable[A], property_key: str, property_value: Any, is_custom_property: bool = True
) -> list[A]:
    """Those whose property has this value."""
    choose = selection.filter_custom_property_equal if is_custom_property else selection.filter_property_equal
    return choose(artifacts, key=property_key, value=property_value)


def slice_(
    artifacts: Sequence[A],
    start: int | None = None,
    stop: int | None = None,
    step: int | None = None,
    min_count: int = 0,
) -> list[A]:
    """``artifacts[start:stop:step]``; ResolutionError if these are fewer than ``min_count``."""
    return selection.slice(list(artifacts)[start:stop:step], min_count=min_count)


def sliding_window(
    artifacts: Sequence[A], window_size: int = 1, stride: int = 1, output_key: str = "window"
) -> list[dict[str, list[A]]]:
    """All full windows of neighbours; see `selection.sliding_window`."""
    return [{output_key: window} for window in selection.sliding_window(artifacts, window_size, stride=stride)]


def paired_spans(
    artifacts: Mapping[str, Iterable[A]], match_version: bool = True, keep_all_versions: bool = False
) -> list[dict[str, list[A]]]:
    """Artifacts of two or more lists that have one span; see `selection.paired_spans`."""
    return selection.paired_spans(artifacts, match_version=match_version, keep_all_versions=keep_all_versions)


def unnest(artifacts: Mapping[str, Sequence[A]], key: str) -> list[dict[str, list[A]]]:
    """A dict for every artifact of one list, with all of the others."""
    if key not in artifacts:
        raise ResolutionError(f"expected a list named {key!r}, received {sorted(artifacts)}")
    rest = {name: list(found) for name, found in artifacts.items() if name != key}
    return [{key: [artifact], **rest} for artifact in artifacts[key]]


def skip_if_empty(found: Sequence[A]) -> Sequence[A]:
    """The same; SkipSignal if it is empty."""
    if not found:
        raise SkipSignal("there is nothing to choose from")
    return found


def skip_if_less_than_n_spans(artifacts: Sequence[A], n: int = 0) -> Sequence[A]:
    """The same; SkipSignal if they have fewer than ``n`` spans."""
    count = len({spans.span_of(artifact) for artifact in artifacts})
    if count < n:
        raise SkipSignal(f"expected at least {n} spans to choose, there are {count}")
    return artifacts


def training_range(models: Sequence[Artifact], use_transformed_examples: bool = False) -> list[Artifact]:
    """The Examples that one model was trained on: those that came in, or those that Transform made of them."""
    if len(models) > 1 or any(not isinstance(model, Model) for model in models):
        raise ResolutionError(f"expected one Model, received {list(models)!r}")
    # Two steps: a Trainer, and a Transform before it.
    found = [r for r in lineage.relatives(models, upstream=True, max_steps=2) if isinstance(r.artifact, Examples)]
    return [r.artifact for r in found if (r.output_key == "transformed_examples") == use_transformed_examples]


def span_driven_evaluator_inputs(
    artifacts: Lists,
    wait_spans_before_eval: int = 0,
    evaluation_training_offset: int = 0,
    additional_spans_per_eval: int = 0,
    start_span_number: int = 0,
    use_transformed_examples: bool = False,
) -> dict[str, list[Artifact]]:
    """The Examples of the latest span (or of several), and the newest model that was trained on earlier spans alone.

    Raises:
        SkipSignal: spans are missing, or no model is old enough.
    """
    if set(artifacts) != {"model", "examples"}:
        raise ConfigError(f"expected the keys 'model' and 'examples', received {sorted(artifacts)}")
    for name, value in (("wait_spans_before_eval", wait_spans_before_eval), ("start_span_number", start_span_number)):
        spans.check_at_least(name, value, 0)
    spans.check_at_least("additional_spans_per_eval", additional_spans_per_eval, 0)
    examples = static_span_range(artifacts["examples"], start_span_number)
    if not examples or not artifacts["model"]:
        raise SkipSignal("there are no examples to evaluate on, or no models")
    end = spans.span_of(examples[-1]) - wait_spans_before_eval
    start = end - additional_spans_per_eval
    if start < spans.span_of(examples[0]):
        raise SkipSignal(
            f"expected examples from span {start} on, the first there are have {spans.span_of(examples[0])}"
        )
    limit = start - evaluation_training_offset
    for model in sorted(artifacts["model"], key=lambda model: model.id, reverse=True):
        trained = [spans.span_of(found) for found in training_range([model], use_transformed_examples)]
        if trained and max(trained) < limit:
            return {"model": [model], "examples": static_span_range(examples, start, end)}
    raise SkipSignal(f"there is no model that was trained on spans before {limit} alone")


def graph_traversal(
    artifacts: Sequence[Artifact],
    traverse_upstream: bool,
    artifact_type_names: Sequence[str],
    node_ids: Sequence[str] = (),
    output_keys: Sequence[str] = (),
) -> dict[str, list[Artifact]]:
    """What one artifact was made from, or what was made from it, by type name; itself as ``root_artifact``."""
    if not artifacts:
        return {}
    if len(artifacts) != 1 or not artifact_type_names:
        raise ResolutionError(
            f"expected one artifact and names of types, received {list(artifacts)!r} and {list(artifact_type_names)!r}"
        )
    found: dict[str, list[Artifact]] = {ROOT: list(artifacts), **{name: [] for name in artifact_type_names}}
    for relative in lineage.relatives(artifacts, upstream=traverse_upstream):
        suits = (not node_ids or relative.node_id in node_ids) and (
            not output_keys or relative.output_key in output_keys
        )
        if suits and relative.artifact.TYPE_NAME in found:
            found[relative.artifact.TYPE_NAME].append(relative.artifact)
    return found


def siblings(artifacts: Sequence[Artifact], output_keys: Sequence[str] = ()) -> dict[str, list[Artifact]]:
    """What the execution that put out one artifact put out besides, by output name; itself as ``root_artifact``."""
    if not artifacts:
        return {}
    if len(artifacts) != 1:
        raise ResolutionError(f"expected one artifact, received {list(artifacts)!r}")
    found: dict[str, list[Artifact]] = {ROOT: list(artifacts), **{key: [] for key in output_keys}}
    for execution in history().executions_with_outputs(artifacts)[:1]:
        for key, others in execution.outputs.items():
            others = [other for other in others if other.id != artifacts[0].id]
            if others and (key in output_keys or not output_keys):
                found[key] = others
    return found


def group_by_disjoint_lineage(artifacts: Lists, require_all: bool = False) -> list[dict[str, list[Artifact]]]:
    """Groups of artifacts that executions connect, directly or through others of them."""
    by_id = {artifact.id: artifact for found in artifacts.values() for artifact in found}
    near = lineage.neighbours(list(by_id.values()))
    groups: list[set[int]] = []
    for artifact_id in sorted(by_id):
        if not any(artifact_id in group for group in groups):
            groups.append(_connected(artifact_id, near))
    return _grouped(artifacts, groups, require_all)


def _connected(start: int, near: Mapping[int, set[int]]) -> set[int]:
    group, waiting = {start}, [start]
    while waiting:
        new = near[waiting.pop()] - group
        group |= new
        waiting.extend(new)
    return group


def group_by_pivot(artifacts: Lists, pivot_key: str, require_all: bool = False) -> list[dict[str, list[Artifact]]]:
    """For every artifact of one list, those of the others that one execution connects with it."""
    if pivot_key not in artifacts:
        raise ResolutionError(f"expected a list named {pivot_key!r}, received {sorted(artifacts)}")
    near = lineage.neighbours([artifact for found in artifacts.values() for artifact in found])
    pivots = artifacts[pivot_key]
    others = {pivot.id: near[pivot.id] - {other.id for other in pivots} for pivot in pivots}
    return _grouped(artifacts, [{pivot.id} | others[pivot.id] for pivot in pivots], require_all)


def _grouped(artifacts: Lists, groups: Iterable[set[int]], require_all: bool) -> list[dict[str, list[Artifact]]]:
    def members(found: Sequence[Artifact], group: set[int]) -> list[Artifact]:
        return sorted((artifact for artifact in found if artifact.id in group), key=lambda artifact: artifact.id)

    made = [{key: members(found, group) for key, found in artifacts.items()} for group in groups]
    return [group for group in made if all(group.values()) or not require_all]


def latest_pipeline_run_outputs(
    pipeline_name: str, output_keys: Mapping[str, tuple[str, str]]
) -> dict[str, list[Artifact]]:
    """What the latest run of a pipeline that ended well put out.

    Args:
        pipeline_name: the pipeline.
        output_keys: node and output of that pipeline, by the name under which they are wanted.

    Raises:
        SkipSignal: no run of it ended well yet.
    """
    for run_id in history().runs(pipeline_name):
        records = history().executions(pipeline_name=pipeline_name, run_id=run_id)
        # The last attempt of each node, or of each element in a loop.
        last = {(record.node_id, record.index): record for record in records}
        ended = all(record.state.name in _ENDED_WELL or record.skipped_because for record in last.values())
        if ended and {node_id for node_id, _ in output_keys.values()} <= {node_id for node_id, _ in last}:
            return {name: _outputs(last, *place) for name, place in output_keys.items()}
    raise SkipSignal(f"no run of pipeline {pipeline_name!r} has ended well yet")


def _outputs(records: Mapping[tuple[str, tuple[int, ...]], PastExecution], node_id: str, key: str) -> list[Artifact]:
    own = [place for place in sorted(records) if place[0] == node_id]
    return [artifact for place in own for artifact in records[place].outputs.get(key, ())]


# TFX's names.
AllSpans = all_spans
ConsecutiveSpans = consecutive_spans
EqualPropertyValues = equal_property_values
ExcludeSpans = exclude_spans
GraphTraversal = graph_traversal
GroupByDisjointLineage = group_by_disjoint_lineage
GroupByPivot = group_by_pivot
LatestCreateTime = latest_create_time
LatestPolicyModel = latest_policy_model
LatestSpan = latest_span
LatestVersion = latest_version
PairedSpans = paired_spans
Shuffle = selection.shuffle
Siblings = siblings
SkipIfEmpty = skip_if_empty
SkipIfLessThanNSpans = skip_if_less_than_n_spans
Slice = slice_
SlidingWindow = sliding_window
SpanDrivenEvaluatorInputs = span_driven_evaluator_inputs
StaticSpanRange = static_span_range
TrainingRange = training_range
Unnest = unnest
