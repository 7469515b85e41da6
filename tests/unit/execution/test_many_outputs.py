"""An output of several artifacts, from the component's run() through store and cache to the next component."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlops_tfx.artifacts import Examples, Integer
from mlops_tfx.component import Component, Inputs, Output, Outputs
from mlops_tfx.errors import PipelineFailedError
from mlops_tfx.execution import LocalRunner, NodeState, Observer
from mlops_tfx.execution.testing import run_component
from mlops_tfx.metadata import MetadataStore
from mlops_tfx.pipeline import Pipeline


class Spans(Component):
    """Writes one artifact per span."""

    examples = Outputs(Examples)
    counts = Outputs(Integer)
    spans: int = 2

    def run(self):
        for span, artifact in enumerate(self.examples.make(self.spans) if self.spans else ()):
            artifact.custom_properties["span"] = span
            with open(os.path.join(artifact.uri, "data"), "w") as file:
                file.write(str(span))
        for span, count in enumerate(self.counts.make(max(self.spans, 1))):
            count.value = span


class Sum(Component):
    """Adds the numbers up."""

    examples: Inputs[Examples]
    counts: Inputs[Integer]
    total = Output(Integer)

    def run(self):
        read = [int(Path(artifact.uri, "data").read_text()) for artifact in self.examples]
        assert read == [artifact.custom_properties["span"] for artifact in self.examples]
        assert read == [count.read() for count in self.counts]
        self.total.value = sum(read)


def run(folder, spans):
    made = Spans(spans)
    pipeline = Pipeline("p", folder, components=[made, Sum(made.outputs["examples"], made.outputs["counts"])])
    result = LocalRunner(observer=Observer()).run(pipeline)
    return pipeline, result


def test_every_artifact_arrives_and_is_cached(tmp_path):
    _, first = run(tmp_path, 3)
    assert first.outputs["Sum"]["total"][0].read() == 3
    uris = [artifact.uri for artifact in first.outputs["Spans"]["examples"]]
    assert [os.path.basename(uri) for uri in uris] == ["0", "1", "2"]
    assert all(os.path.isfile(os.path.join(uri, "data")) for uri in uris)
    digests = {artifact.custom_properties["content_digest"] for artifact in first.outputs["Spans"]["examples"]}
    assert len(digests) == 3
    pipeline, second = run(tmp_path, 3)
    assert {report.state for report in second.reports} == {NodeState.CACHED}
    assert [artifact.uri for artifact in second.outputs["Spans"]["examples"]] == uris
    store = MetadataStore(pipeline.metadata_connection_config)
    latest = store.latest(Examples, pipeline_name="p", producer="Spans", output_key="examples", limit=None)
    assert sorted(artifact.uri for artifact in latest) == sorted(uris)


def test_one_artifact_lies_in_the_outputs_own_folder(tmp_path):
    _, result = run(tmp_path, 1)
    (examples,) = result.outputs["Spans"]["examples"]
    assert os.path.basename(os.path.dirname(examples.uri)) == "examples"
    assert run_component(Spans(1), {}, tmp_path / "alone")["counts"][0].read() == 0


def test_none_at_all_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(PipelineFailedError, match="output 'examples': expected at least one artifact"):
        run(tmp_path, 0)
    assert not (tmp_path / "Spans" / "counts").exists()


def test_make_is_called_once_with_a_positive_number(tmp_path):
    outputs = Spans.OUTPUTS["examples"].prepare(str(tmp_path))
    with pytest.raises(ValueError, match="count=0"):
        outputs.make(0)
    assert outputs.make(2) == [outputs[0], outputs[1]] == outputs[:]
    with pytest.raises(RuntimeError, match="call it once"):
        outputs.make(1)
