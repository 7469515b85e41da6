"""Stores that TFX's InteractiveContext wrote: contexts of another shape, and one run per node.

tests/golden/tfx_store/interactive.sqlite.gz was written by TFX 1.16 (write_interactive_with_tfx.py beside it).
"""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from mlops_tfx.artifacts import ArtifactState, Examples, Model
from mlops_tfx.connection import SqliteConnection
from mlops_tfx.execution.explain import explain
from mlops_tfx.execution.reports import reports_of_run
from mlops_tfx.history import garbage
from mlops_tfx.history.lineage import lineage
from mlops_tfx.history.overview import pipelines
from mlops_tfx.history.targets import find_artifact
from mlops_tfx.metadata import MetadataStore

PACKED = Path(__file__).parents[2] / "golden" / "tfx_store" / "interactive.sqlite.gz"


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # paths in the store are relative
    (tmp_path / "metadata.sqlite").write_bytes(gzip.decompress(PACKED.read_bytes()))
    with MetadataStore(SqliteConnection(tmp_path / "metadata.sqlite")) as opened:
        yield opened


def test_every_node_is_a_run(store):
    later, earlier = store.runs("interactive")
    assert later > earlier
    (summary,) = pipelines(store)
    assert (summary.name, summary.runs, summary.last_run, summary.state) == ("interactive", 2, later, "complete")
    for run_id, node_id in ((earlier, "MakeExamples"), (later, "Train")):
        asked, (report,) = reports_of_run(store, "interactive", run_id)
        assert (asked, report.node_id, report.state.value) == (run_id, node_id, "complete")
        (record,) = store.executions("interactive", node_id=node_id)
        assert (record.run_id, record.label, record.is_foreign) == (run_id, node_id, True)
    assert store.executions("interactive", node_id="Trainer") == []
    assert store.executions("other", later) == store.runs("other") == []


def test_targets_lineage_and_resolution(store):
    model = find_artifact(store, "interactive", "Train")
    assert isinstance(model, Model)
    found = lineage(store, model)
    assert [record.node_id for steps in found.steps.values() for record in steps] == ["Train", "MakeExamples"]
    assert explain(store, "interactive", "Train").summary == "ran under TFX: there is no earlier result"
    examples = find_artifact(store, "interactive", "MakeExamples")
    assert examples.recorded_uri == "pipeline_root/MakeExamples/examples/1"
    # It has left this one without a state; resolvers, TFX's and ours, take LIVE ones alone.
    assert examples.state is ArtifactState.UNKNOWN
    assert store.latest(Examples, pipeline_name="interactive", producer="MakeExamples") == []


def test_gc_keeps_the_latest_runs(store, tmp_path):
    model, examples = (find_artifact(store, "interactive", name) for name in ("Train", "MakeExamples"))
    doomed = {each.artifact.id for each in garbage.plan(store, "interactive", str(tmp_path)).doomed}
    assert not doomed & {model.id, examples.id}
    doomed = {each.artifact.id for each in garbage.plan(store, "interactive", str(tmp_path), keep_runs=0).doomed}
    assert doomed == {artifact.id for artifact in (model, examples) if artifact.state is ArtifactState.LIVE}
