"""LocalRunner on a real store: order, concurrency, failures, resume, cache, and what stays on disk."""

from __future__ import annotations

import os
import subprocess
import threading

import pytest

from mlops_tfx.artifacts import Examples, Integer, Model, Schema
from mlops_tfx.channel import Channel
from mlops_tfx.component import Component, Input, InputArtifact, OptionalInput, Output, OutputDict, Parameter, component
from mlops_tfx.connection import SqliteConnection
from mlops_tfx.errors import ConfigError, NodeFailedError, PipelineFailedError, UserCodeError
from mlops_tfx.execution import LocalRunner, NodeState, Observer, Step
from mlops_tfx.execution.explain import explain
from mlops_tfx.execution.reports import reports_of_run
from mlops_tfx.metadata import MetadataStore
from mlops_tfx.pipeline import Pipeline
from mlops_tfx.resolvers import Importer, LatestArtifactStrategy, Resolver


class Gen(Component):
    """Writes a text as examples."""

    examples = Output(Examples)
    text: str = "x"
    source: str = ""

    def cache_ingredients(self):
        if not self.source:
            return {}
        with open(self.source) as file:
            return {f"file {os.path.basename(self.source)}": file.read()}

    def run(self):
        self.examples.splits = ["train"]
        with open(os.path.join(self.examples.uri, "data"), "w") as file:
            file.write(self.text)
        self.context.report_rows(len(self.text))
        self.context.log(f"wrote {self.text}")


class Train(Component):
    """Copies the text into a model, or fails when told to."""

    examples: Input[Examples]
    warm: OptionalInput[Model] = OptionalInput()
    model = Output(Model)
    fail_file: str = ""
    tag: str = "t"

    def run(self):
        with open(os.path.join(self.examples.uri, "data")) as file:
            text = file.read()
        with open(os.path.join(self.model.uri, "weights"), "w") as file:
            file.write(f"{self.tag}:{text}")
        if self.fail_file and os.path.exists(self.fail_file):
            raise ValueError("loss is NaN")


class Push(Component):
    """Takes a model; valid only while its mark stands."""

    model: Input[Model]
    mark: str = ""

    def still_valid(self, outputs):
        return os.path.exists(self.mark)

    def run(self):
        with open(self.mark, "w") as file:
            file.write("pushed")


def run(root, *nodes, **options):
    pipeline = Pipeline("p", str(root), components=nodes, **options)
    return LocalRunner(observer=Observer()).run(pipeline)


def states(result):
    return {report.node_id: report.state.value for report in result.reports}


def chain(root, **train):
    gen = Gen(text="abc")
    trainer = Train(gen.examples, **train)
    return gen, trainer, Push(trainer.model, mark=str(root / "mark"))


def read(result, node, key, name):
    with open(os.path.join(result.outputs[node][key][0].uri, name)) as file:
        return file.read()


def test_chain_runs_and_publishes(tmp_path):
    result = run(tmp_path / "root", *chain(tmp_path))
    assert states(result) == {"Gen": "complete", "Train": "complete", "Push": "complete"}
    assert read(result, "Train", "model", "weights") == "t:abc"
    model = result.outputs["Train"]["model"][0]
    assert model.uri == str(tmp_path / "root" / "Train" / "model" / os.path.basename(model.uri))
    assert model.id > 0
    assert [report.rows for report in result.reports] == [3, 0, 0]
    with MetadataStore(Pipeline("p", str(tmp_path / "root")).metadata_connection_config) as store:
        assert [r.state.name for r in store.executions(pipeline_name="p")] == ["COMPLETE"] * 3
        run_id, reports = reports_of_run(store, "p")
        assert run_id == result.run_id
        assert [(r.node_id, r.rows) for r in reports] == [("Gen", 3), ("Train", 0), ("Push", 0)]


def test_second_run_is_cached_and_hands_on_the_same_artifacts(tmp_path):
    first = run(tmp_path / "root", *chain(tmp_path))
    second = run(tmp_path / "root", *chain(tmp_path))
    assert states(second) == {"Gen": "cached", "Train": "cached", "Push": "cached"}
    assert second.outputs["Train"]["model"][0].id == first.outputs["Train"]["model"][0].id


def test_changed_parameter_reruns_the_node_and_what_sees_another_input(tmp_path):
    run(tmp_path / "root", *chain(tmp_path))
    again = run(tmp_path / "root", *chain(tmp_path, tag="u"))
    assert states(again) == {"Gen": "cached", "Train": "complete", "Push": "complete"}


def test_same_content_from_another_place_is_a_cache_hit_downstream(tmp_path):
    run(tmp_path / "root", *chain(tmp_path))
    gen = Gen(text="abc").with_cache(False)
    train = Train(gen.examples)
    again = run(tmp_path / "root", gen, train)
    assert states(again) == {"Gen": "complete", "Train": "cached"}


def test_cache_can_be_switched_off_for_all_or_one(tmp_path):
    run(tmp_path / "root", *chain(tmp_path))
    assert set(states(run(tmp_path / "root", *chain(tmp_path), enable_cache=False)).values()) == {"complete"}
    gen, train, push = chain(tmp_path)
    train.with_cache(False)
    assert states(run(tmp_path / "root", gen, train, push))["Train"] == "complete"


def test_effect_that_is_gone_is_done_again(tmp_path):
    run(tmp_path / "root", *chain(tmp_path))
    (tmp_path / "mark").unlink()
    assert states(run(tmp_path / "root", *chain(tmp_path)))["Push"] == "complete"
    assert (tmp_path / "mark").read_text() == "pushed"


def test_deleted_payload_is_made_again(tmp_path):
    result = run(tmp_path / "root", *chain(tmp_path))
    os.remove(os.path.join(result.outputs["Gen"]["examples"][0].uri, "data"))
    os.rmdir(result.outputs["Gen"]["examples"][0].uri)
    assert states(run(tmp_path / "root", *chain(tmp_path)))["Gen"] == "complete"


def test_failure_stops_what_depends_on_it_and_nothing_else(tmp_path):
    fail = tmp_path / "fail"
    fail.write_text("")
    gen, train, push = chain(tmp_path, fail_file=str(fail))
    other = Train(gen.examples, tag="other").with_id("Other")
    with pytest.raises(PipelineFailedError) as caught:
        run(tmp_path / "root", gen, train, push, other)
    assert [failure.node_id for failure in caught.value.failures] == ["Train"]
    assert caught.value.skipped == ("Push",)
    assert isinstance(caught.value.__cause__, NodeFailedError)
    assert isinstance(caught.value.__cause__.__cause__, ValueError)
    with MetadataStore(Pipeline("p", str(tmp_path / "root")).metadata_connection_config) as store:
        ended = {record.node_id: record for record in store.executions(pipeline_name="p")}
        assert {k: r.state.name for k, r in ended.items()} == {
            "Gen": "COMPLETE",
            "Train": "FAILED",
            "Other": "COMPLETE",
        }
        assert "loss is NaN" in ended["Train"].error
        assert 'raise ValueError("loss is NaN")' in ended["Train"].error, "the traceback is kept"
        assert len(store.latest(Model, pipeline_name="p", producer="Train", limit=None)) == 0
    assert not (tmp_path / "root" / "Train" / "model").exists() or not os.listdir(tmp_path / "root" / "Train" / "model")
    fail.unlink()
    again = run(tmp_path / "root", gen, train, push, other)
    assert states(again) == {"Gen": "cached", "Train": "complete", "Push": "complete", "Other": "cached"}


def test_independent_nodes_run_at_the_same_time(tmp_path):
    barrier = threading.Barrier(2, timeout=30)

    @component
    def Meet(name: Parameter[str]) -> OutputDict(name=str):
        barrier.wait()
        return {"name": name}

    nodes = Meet(name="a").with_id("A"), Meet(name="b").with_id("B")
    result = LocalRunner(max_parallel_nodes=2, observer=Observer()).run(Pipeline("p", str(tmp_path), components=nodes))
    assert set(states(result).values()) == {"complete"}


def test_query_finds_what_an_earlier_run_wrote(tmp_path):
    root = tmp_path / "root"
    first = run(root, *chain(tmp_path))
    latest = Resolver(strategy_class=LatestArtifactStrategy, model=Channel(type=Model)).with_id("Latest")
    gen = Gen(text="new")
    train = Train(gen.examples, latest.outputs["model"])
    result = run(root, latest, gen, train)
    assert [a.id for a in result.outputs["Latest"]["model"]] == [first.outputs["Train"]["model"][0].id]


def test_required_input_without_artifact_fails_clearly(tmp_path):
    train = Train(Channel(type=Examples, producer_component_id="Nowhere"))
    with pytest.raises(PipelineFailedError, match=r"input 'examples': expected Examples, received no artifact"):
        run(tmp_path, train)
    with MetadataStore(Pipeline("p", str(tmp_path)).metadata_connection_config) as store:
        assert [record.state.name for record in store.executions(pipeline_name="p")] == ["FAILED"]


def test_importer_registers_once_and_sees_changed_content(tmp_path):
    schema = tmp_path / "schema.pbtxt"
    schema.write_text("one")

    def importer():
        return Importer(source_uri=str(schema), artifact_type=Schema)

    first = run(tmp_path / "root", importer())
    second = run(tmp_path / "root", importer())
    assert states(first) == {"Importer": "complete"}
    assert states(second) == {"Importer": "cached"}
    assert second.outputs["Importer"]["result"][0].id == first.outputs["Importer"]["result"][0].id
    schema.write_text("two")
    third = run(tmp_path / "root", importer())
    assert third.outputs["Importer"]["result"][0].id != first.outputs["Importer"]["result"][0].id
    with pytest.raises(PipelineFailedError, match="does not exist"):
        run(tmp_path / "root", Importer(source_uri=str(tmp_path / "gone"), artifact_type=Schema))


def test_why_names_what_changed(tmp_path):
    source = tmp_path / "source.csv"
    source.write_text("1")

    def nodes(tag="t"):
        gen = Gen(source=str(source))
        return gen, Train(gen.examples, tag=tag)

    root = tmp_path / "root"
    run(root, *nodes())
    with MetadataStore(Pipeline("p", str(root)).metadata_connection_config) as store:
        assert "no earlier result" in explain(store, "p", "Gen").summary
        run(root, *nodes())
        assert explain(store, "p", "Gen").state == "CACHED"
        source.write_text("2")
        run(root, *nodes(tag="u"))
        gen, train = explain(store, "p", "Gen"), explain(store, "p", "Train")
    assert [(c.name, c.before, c.after) for c in gen.changes] == [("file source.csv", "1", "2")]
    assert [str(c) for c in train.changes] == ['parameter tag: "t" -> "u"']


def test_root_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="pipeline_root='.*/file/root' cannot be made .* choose a folder"):
        run(tmp_path / "file" / "root", Gen())


def test_disk_that_fills_up_fails_the_node_and_leaves_nothing(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"this machine cannot mount a small tmpfs: {mounted.stderr.strip()}")
    try:
        with pytest.raises(PipelineFailedError, match="node 'Gen' failed: the disk is full; free some space"):
            run(disk / "root", Gen(text="x" * 4_000_000), metadata_connection_config=_store_in(tmp_path))
        assert [path for path in (disk / "root").rglob("*") if path.is_file()] == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def _store_in(folder):
    return SqliteConnection(filename_uri=str(folder / "metadata.sqlite"))


def test_error_in_fingerprint_is_recorded(tmp_path):
    with pytest.raises(PipelineFailedError, match=r"node 'Gen' failed: FileNotFoundError"):
        run(tmp_path, Gen(source=str(tmp_path / "gone")))
    with MetadataStore(Pipeline("p", str(tmp_path)).metadata_connection_config) as store:
        (record,) = store.executions(pipeline_name="p")
        assert record.state.name == "FAILED"
        assert "FileNotFoundError" in record.error


def test_steps_come_in_order(tmp_path):
    seen = []

    class Listener(Observer):
        def step_done(self, node_id, step):
            seen.append((node_id, step))

    LocalRunner(observer=Listener()).run(Pipeline("p", str(tmp_path), components=[Gen()]))
    assert seen == [("Gen", step) for step in Step]


def test_value_artifacts_travel(tmp_path):
    @component
    def Make(n: Parameter[int]) -> OutputDict(n=int):
        return {"n": n}

    @component
    def Double(n: int) -> OutputDict(n=int):
        return {"n": 2 * n}

    make = Make(n=21)
    result = run(tmp_path, make, Double(n=make.outputs["n"]))
    artifact = result.outputs["Double"]["n"][0]
    assert isinstance(artifact, Integer)
    assert artifact.value == 42
    assert artifact.uri.endswith("/value")


def test_user_error_passes_through_unchanged(tmp_path):
    @component
    def Bad(examples: InputArtifact[Examples]) -> None:
        raise UserCodeError("expected a, received b")

    gen = Gen()
    with pytest.raises(PipelineFailedError, match="node 'Bad' failed: expected a, received b"):
        run(tmp_path, gen, Bad(examples=gen.examples))
    assert NodeState.FAILED.value == "failed"
