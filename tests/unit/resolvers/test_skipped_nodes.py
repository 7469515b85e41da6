"""A skipped node has an execution, which TFX has not: resolver functions look past it."""

from __future__ import annotations

from pathlib import Path

from mlops_tfx import Cond, LocalRunner, Pipeline
from mlops_tfx.artifacts import Examples
from mlops_tfx.component import Component, Output
from mlops_tfx.connection import SqliteConnection
from mlops_tfx.execution import Observer
from mlops_tfx.metadata import MetadataStore
from mlops_tfx.resolvers import lineage
from mlops_tfx.resolvers.decorator import using


class Gen(Component):
    """Writes Examples of a span."""

    examples = Output(Examples)
    span: int = 0

    def run(self) -> None:
        self.examples.span = self.span


def test_a_skipped_node_connects_nothing(tmp_path: Path) -> None:
    """Its execution has what its condition looked at as inputs. TFX leaves none."""
    first, other = Gen(span=1).with_id("First"), Gen(span=2).with_id("Other")
    looked = (first.outputs["examples"].future()[0].property("span") > 5) & (
        other.outputs["examples"].future()[0].property("span") > 5
    )
    with Cond(looked):
        skipped = Gen(span=3).with_id("Skipped")
    root = tmp_path / "root"
    LocalRunner(observer=Observer()).run(Pipeline("p", root, components=[first, other, skipped]))
    with MetadataStore(SqliteConnection(root / "metadata.sqlite")) as store, using(store):
        seen = store.executions("p", node_id="Skipped")[0].inputs
        assert sum(map(len, seen.values())) == 2, "the condition has looked at both"
        artifacts = store.latest(Examples, pipeline_name="p", limit=None)
        assert lineage.neighbours(artifacts) == {artifact.id: set() for artifact in artifacts}
