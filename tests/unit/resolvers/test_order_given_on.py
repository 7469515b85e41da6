"""In which order the nodes after a Resolver get what it chose: oldest first, as under TFX, or as its strategy says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from mlops_tfx import Channel, LocalRunner, Pipeline, Resolver, RollingRangeStrategy, SpanRangeStrategy
from mlops_tfx.artifacts import Artifact, Examples
from mlops_tfx.config import RangeConfig, RollingRange
from mlops_tfx.function_component import InputArtifact, OutputArtifact, Parameter, component
from mlops_tfx.metadata import MetadataStore
from mlops_tfx.resolvers import LatestArtifactStrategy, ResolverStrategy, functions
from mlops_tfx.run_options import RunOptions


@component
def Write(examples: OutputArtifact[Examples], span: Parameter[int]) -> None:
    examples.set_int_custom_property("span", span)
    examples.split_names = "[]"


@component
def Read(examples: InputArtifact[list[Examples]], seen: OutputArtifact[Examples]) -> None:
    seen.set_string_custom_property("spans", ",".join(str(found.custom_properties["span"]) for found in examples))


class Reversed(ResolverStrategy):
    """All, the newest first."""

    def resolve_artifacts(self, store: Any, input_dict: Mapping[str, Sequence[Artifact]]) -> Any:
        return {key: sorted(found, key=lambda artifact: -artifact.id) for key, found in input_dict.items()}


class ReversedAndKept(Reversed):
    """The same, and nodes get them so."""

    KEEPS_ORDER = True


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the spans 5, 7, 6 of examples, in this order."""
    root = tmp_path_factory.mktemp("root")
    for span in (5, 7, 6):
        LocalRunner(observer=None).run(Pipeline("p", root, components=[Write(span=span)]))
    return root


TWO = RangeConfig(rolling_range=RollingRange(num_spans=2))


@pytest.mark.parametrize(
    ("strategy", "config", "expected", "chosen"),
    [
        (LatestArtifactStrategy, {"desired_num_of_artifacts": 3}, "5,7,6", [6, 7, 5]),
        (SpanRangeStrategy, {"range_config": TWO}, "7,6", [7, 6]),
        (Reversed, {}, "5,7,6", [6, 7, 5]),
        (ReversedAndKept, {}, "6,7,5", [6, 7, 5]),
        (RollingRangeStrategy, {"num_spans": 2}, "6,7", [6, 7]),
        (functions.all_spans, {}, "5,6,7", [5, 6, 7]),
    ],
)
def test_the_order_of_a_resolver_s_artifacts(
    root: Path, strategy: Any, config: dict[str, Any], expected: str, chosen: list[int]
) -> None:
    resolver = Resolver(strategy, config, examples=Channel(Examples, producer_component_id="Write"))
    read = Read(examples=resolver.outputs["examples"])
    pipeline = Pipeline("p", root, components=[resolver, read])
    first = LocalRunner(observer=None).run(pipeline)
    assert spans_seen(first) == expected

    # A part of a run takes what the Resolver chose from the store: in the same order, so it is cached.
    part = LocalRunner(observer=None).run(pipeline, run_options=RunOptions(["Read"], ["Read"], first.run_id))
    assert spans_seen(part) == expected
    assert part.reports[-1].state.value == "cached"

    with MetadataStore(pipeline.metadata_connection_config) as store:
        (record,) = store.executions("p", first.run_id, "Resolver")
    assert [artifact.custom_properties["span"] for artifact in record.outputs["examples"]] == chosen


def spans_seen(result: Any) -> str:
    (seen,) = result.outputs["Read"]["seen"]
    return str(seen.custom_properties["spans"])
