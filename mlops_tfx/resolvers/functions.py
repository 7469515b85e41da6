"""TFX's resolver functions (``canned_resolver_functions``): inputs chosen from channels when the pipeline runs.

    from mlops_tfx.resolvers import functions

    Trainer(examples=functions.rolling_range(Channel(type=Examples), num_spans=7, min_spans=1), ...)

Names and defaults are TFX's, also the hidden ones: ``rolling_range`` wants all of its spans and ``static_range`` all of
a closed range, unless ``min_spans`` says otherwise; the node that takes the result is skipped until they are there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlops_tfx.artifacts import Artifact, Examples, InfraBlessing, Model, ModelBlessing, PushedModel
from mlops_tfx.channel import BaseChannel
from mlops_tfx.errors import ConfigError, did_you_mean
from mlops_tfx.resolvers import ops, policies, selection, spans
from mlops_tfx.resolvers.decorator import ResolverFunction, resolver_function
from mlops_tfx.resolvers.policies import Policy

Found = Sequence[Artifact]


@resolver_function
def latest_created(artifacts: Found, n: int = 1) -> Any:
    """The ``n`` newest artifacts, oldest of them first."""
    return spans.latest_created(artifacts, n)


@resolver_function
def latest_version(artifacts: Found, n: int = 1) -> Any:
    """The ``n`` artifacts of the largest versions; where all have a span, it counts before."""
    return spans.latest_version(artifacts, n)


@resolver_function
def static_range(
    artifacts: Found,
    *,
    start_span_number: int = -1,
    end_span_number: int = -1,
    keep_all_versions: bool = False,
    exclude_span_numbers: Sequence[int] = (),
    min_spans: int | None = None,
) -> Any:
    """Those of the spans from start to end, in order of span; a negative end is open.

    Fewer than ``min_spans`` spans skip the node. By default it is the number of spans from start to end without the
    excluded ones, and 0 for an open range.
    """
    found = spans.static_range(
        artifacts,
        start_span_number=start_span_number,
        end_span_number=end_span_number,
        keep_all_versions=keep_all_versions,
        exclude_span_numbers=exclude_span_numbers,
    )
    if min_spans is None:
        closed = start_span_number >= 0 and end_span_number >= 0
        wanted = set(range(start_span_number, end_span_number + 1)) - set(exclude_span_numbers)
        min_spans = len(wanted) if closed else 0
    return ops.skip_if_less_than_n_spans(found, min_spans)


@resolver_function
def rolling_range(
    artifacts: Found,
    *,
    start_span_number: int = 0,
    num_spans: int = 1,
    skip_num_recent_spans: int = 0,
    keep_all_versions: bool = False,
    exclude_span_numbers: Sequence[int] = (),
    min_spans: int | None = None,
    version_sort_keys: Sequence[str] = (),
) -> Any:
    """Those of the latest ``num_spans`` spans (all for 0 or less), in order of span; see `spans.rolling_range`.

    Fewer than ``min_spans`` spans (by default ``num_spans``) skip the node.
    """
    found = ops.latest_span(
        artifacts, num_spans, keep_all_versions, start_span_number, skip_num_recent_spans, version_sort_keys
    )
    if exclude_span_numbers:
        found = ops.exclude_spans(found, exclude_span_numbers)
    return ops.skip_if_less_than_n_spans(found, num_spans if min_spans is None else min_spans)


@resolver_function
def all_spans(artifacts: Found) -> Any:
    """The latest version of every span, in order of span."""
    return spans.all_spans(artifacts)


@resolver_function
def shuffle(artifacts: Found, *, seed: int | None = None) -> Any:
    """All in a random order; the same one every time if ``seed`` is given, so that a result may be reused."""
    return selection.shuffle(artifacts, seed=seed)


@resolver_function
def filter_property_equal(artifacts: Found, *, key: str, value: Any) -> Any:
    """Those whose declared property ``key`` has this value."""
    return selection.filter_property_equal(artifacts, key=key, value=value)


@resolver_function
def filter_custom_property_equal(artifacts: Found, *, key: str, value: Any) -> Any:
    """Those whose custom property ``key`` has this value."""
    return selection.filter_custom_property_equal(artifacts, key=key, value=value)


@resolver_function
def pick(artifacts: Found, i: int, /) -> Any:
    """The one at a position, which may be negative. There must be one: ResolutionError fails the node."""
    return selection.pick(artifacts, i)


@resolver_function
def slice(artifacts: Found, /, start: int | None = None, stop: int | None = None, min_count: int | None = None) -> Any:
    """``artifacts[start:stop]``; fewer than ``min_count`` fail the node."""
    return selection.slice(artifacts, start, stop, min_count=min_count)


@resolver_function(unwrap_dict_key="window")
def sequential_rolling_range(
    artifacts: Found,
    *,
    start_span_number: int | None = None,
    num_spans: int = 1,
    skip_num_recent_spans: int = 0,
    keep_all_versions: bool = False,
    exclude_span_numbers: Sequence[int] = (),
    stride: int = 1,
) -> Any:
    """For a loop: windows over the oldest spans without a gap; see `selection.sequential_rolling_range`."""
    return selection.sequential_rolling_range(
        artifacts,
        start_span_number=start_span_number,
        num_spans=num_spans,
        skip_num_recent_spans=skip_num_recent_spans,
        keep_all_versions=keep_all_versions,
        exclude_span_numbers=exclude_span_numbers,
        stride=stride,
    )


@resolver_function(unwrap_dict_key="window")
def sliding_window(artifacts: Found, window_size: int = 1, stride: int = 1) -> Any:
    """For a loop: all full windows of neighbours, in the given order."""
    return selection.sliding_window(artifacts, window_size, stride=stride)


@resolver_function(loopable=True)
def paired_spans(artifacts: Mapping[str, Found], *, match_version: bool = True, keep_all_versions: bool = False) -> Any:
    """For a loop: artifacts of two or more channels that have one span (and version); see `selection.paired_spans`."""
    return selection.paired_spans(artifacts, match_version=match_version, keep_all_versions=keep_all_versions)


@resolver_function(loopable=True)
def unnest(artifacts: Mapping[str, Found], *, key: str) -> Any:
    """For a loop: each artifact of one channel, with all of the others."""
    return ops.unnest(artifacts, key)


@resolver_function
def latest_policy_model(
    artifacts: Mapping[str, Found], *, policy: int = Policy.LATEST_BLESSED, raise_skip_signal: bool = True
) -> Any:
    """The newest model that was exported, blessed or pushed, by key; see `policies.latest_policy_model`."""
    return policies.latest_policy_model(artifacts, policy, raise_skip_signal)


@latest_policy_model.output_type_inferrer
def _types_of_policy(
    artifacts: Mapping[str, BaseChannel[Any]], *, policy: int = Policy.LATEST_BLESSED, raise_skip_signal: bool = True
) -> dict[str, type[Artifact]]:
    types: dict[str, type[Artifact]] = {"model": Model}
    if policy in (Policy.LATEST_EVALUATOR_BLESSED, Policy.LATEST_BLESSED):
        types["model_blessing"] = ModelBlessing
    if policy in (Policy.LATEST_INFRA_VALIDATOR_BLESSED, Policy.LATEST_BLESSED):
        types["model_infra_blessing"] = InfraBlessing
    if policy == Policy.LATEST_PUSHED:
        types["model_push"] = PushedModel
    return types


@resolver_function(output_type=Examples)
def training_range(model: Found, *, use_transformed_examples: bool = False) -> Any:
    """The Examples that a model was trained on."""
    return ops.training_range(model, use_transformed_examples)


def latest_pipeline_run_outputs(pipeline: Any, output_keys: Sequence[str] = ()) -> dict[str, Any]:
    """What the latest run of another pipeline in the same store put out, of those that ended well, by output name.

    The node that takes one is skipped while there is no such run.

    Args:
        pipeline: a Pipeline with ``outputs``.
        output_keys: which of them; all by default.

    Raises:
        ConfigError: the pipeline has no such output, or none at all.
    """
    declared = getattr(pipeline, "inner_outputs", {})
    for key in output_keys:
        if key not in declared:
            raise ConfigError(f"pipeline {pipeline.pipeline_name!r} has no output {key!r}{did_you_mean(key, declared)}")
    chosen = {key: channel for key, channel in declared.items() if not output_keys or key in output_keys}
    if not chosen:
        raise ConfigError(
            f"expected a pipeline with outputs, received {pipeline!r}; say Pipeline(..., outputs={{...}})"
        )
    places = {key: (channel.producer.id, channel.output_key) for key, channel in chosen.items()}
    name = pipeline.pipeline_name

    def choose() -> dict[str, list[Artifact]]:
        return ops.latest_pipeline_run_outputs(name, places)

    choose.__name__ = f"latest_pipeline_run_outputs of {name}"
    types = {key: channel.type for key, channel in chosen.items()}
    made: dict[str, Any] = ResolverFunction(choose, output_type=types)()
    return made
