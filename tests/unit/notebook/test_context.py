"""InteractiveContext: node by node, on the store of LocalRunner."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from mlops_tfx import Component, Cond, Input, LocalRunner, OptionalInput, Output, Pipeline
from mlops_tfx.artifacts import Examples, Integer, Model, ModelEvaluation, Schema
from mlops_tfx.component import component
from mlops_tfx.errors import ConfigError, PipelineFailedError, WiringError
from mlops_tfx.execution import Observer
from mlops_tfx.execution.loading import load_pipeline
from mlops_tfx.execution.memory_code import memory_digest
from mlops_tfx.notebook import InteractiveContext
from mlops_tfx.notebook.tfx_context import InteractiveContext as TfxInteractiveContext


class Gen(Component):
    """Writes a number of bytes."""

    schema = Output(Schema)
    count = Output(Integer)
    size: int = 3

    def run(self) -> None:
        Path(self.schema.uri, "schema.pbtxt").write_text("#" * self.size + "<b>\n")
        self.count.write(self.size)


class Left(Component):
    """Copies."""

    schema: Input[Schema]
    model = Output(Model)

    def run(self) -> None:
        Path(self.model.uri, "left").write_text(Path(self.schema.uri, "schema.pbtxt").read_text())


class Right(Left):
    """Copies, too."""


class Join(Component):
    """Takes both."""

    left: Input[Model]
    right: OptionalInput[Model] = OptionalInput()
    evaluation = Output(ModelEvaluation)

    def run(self) -> None:
        found = [len(Path(each.uri, "left").read_text()) for each in (self.left, self.right) if each is not None]
        rows = [{"slice": "Overall", "metric": "bytes", "value": float(sum(found))}]
        Path(self.evaluation.uri, "metrics.json").write_text(json.dumps({"rows": rows}))


class Broken(Left):
    """Fails."""

    def run(self) -> None:
        raise ValueError("no luck")


@pytest.fixture
def context(tmp_path: Path) -> InteractiveContext:
    return InteractiveContext("notes", tmp_path / "root", observer=Observer())


def test_nodes_run_one_by_one_and_their_outputs_are_there(context: InteractiveContext) -> None:
    gen = Gen()
    result = context.run(gen)
    assert (result.component_id, result.state) == ("Gen", "complete")
    (schema,) = gen.outputs["schema"].get()
    assert Path(schema.uri, "schema.pbtxt").read_text() == "###<b>\n"
    left, right = Left(gen.schema), Right(gen.schema)
    context.run(left)
    context.run(right)
    join = Join(left.model, right.model)
    assert context.run(join).state == "complete"
    (evaluation,) = join.outputs["evaluation"].get()
    assert json.loads(Path(evaluation.uri, "metrics.json").read_text())["rows"][0]["value"] == 14.0


def test_the_store_is_that_of_local_runner(context: InteractiveContext, tmp_path: Path) -> None:
    gen = Gen()
    left = Left(gen.schema)
    context.run(gen)
    context.run(left)
    again = Gen()
    pipeline = Pipeline("notes", tmp_path / "root", components=[again, Left(again.schema), Right(again.schema)])
    states = {report.node_id: report.state.value for report in LocalRunner(observer=Observer()).run(pipeline).reports}
    assert states == {"Gen": "cached", "Left": "cached", "Right": "complete"}
    right = Right(gen.schema)
    assert context.run(right).state == "cached", "and the other way round"
    assert context.run(right, enable_cache=False).state == "complete"


def test_what_must_run_before(context: InteractiveContext) -> None:
    gen = Gen()
    with pytest.raises(ConfigError, match=r"Left depends on Gen \(.*test_context.py:\d+\), which has not run"):
        context.run(Left(gen.schema))


def test_a_node_that_was_made_anew(context: InteractiveContext, caplog: pytest.LogCaptureFixture) -> None:
    old = Gen()
    left = Left(old.schema)
    context.run(old)
    context.run(left)
    new = Gen(size=5)
    context.run(new)
    with caplog.at_level("WARNING"):
        earlier = Right(old.schema)
        context.run(earlier)
    assert re.search(r"Right goes on from the Gen made at .*another one was made at", caplog.text)
    assert Path(earlier.outputs["model"].get()[0].uri, "left").read_text() == "###<b>\n"
    again = Left(new.schema)
    context.run(again)
    with pytest.raises(ConfigError, match="Join depends on the Gen made at .*no run has the results of all"):
        context.run(Join(again.model, earlier.outputs["model"]))
    right = Right(new.schema)
    context.run(right)
    assert len(Path(right.outputs["model"].get()[0].uri, "left").read_text()) == 9
    left = Left(new.schema)
    context.run(left)
    join = Join(left.model, right.model)
    context.run(join)
    (evaluation,) = join.outputs["evaluation"].get()
    assert json.loads(Path(evaluation.uri, "metrics.json").read_text())["rows"][0]["value"] == 18.0


def test_conditions_hold(context: InteractiveContext) -> None:
    gen = Gen()
    context.run(gen)
    with Cond(gen.outputs["count"].future()[0].value > 3):
        left = Left(gen.schema)
    skipped = context.run(left)
    assert skipped.state == "skipped"
    assert "> 3" in skipped.message
    assert left.outputs["model"].get() == []
    right = Right(gen.schema)
    context.run(right)
    assert context.run(Join(right.model, left.model)).state == "complete", "an optional input may be missing"


def test_failures(context: InteractiveContext) -> None:
    gen = Gen()
    context.run(gen)
    with pytest.raises(PipelineFailedError, match="no luck"):
        context.run(Broken(gen.schema))
    assert context.run(Left(gen.schema)).state == "complete", "what ran before is still there"
    with pytest.raises(WiringError, match="unknown argument 'sice'"):
        context.run(Gen(sice=3))  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="expected a component, received 3"):
        context.run(3)  # type: ignore[arg-type]


def test_names_and_places_by_default(tmp_path: Path) -> None:
    context = InteractiveContext(observer=Observer())
    assert context.pipeline_name.startswith("interactive-")
    assert Path(context.pipeline_root).is_dir()
    with pytest.raises(WiringError, match="63 characters"):
        InteractiveContext("n" * 64, tmp_path)


def test_what_is_shown(context: InteractiveContext, capsys: pytest.CaptureFixture[str]) -> None:
    gen = Gen()
    with pytest.raises(ConfigError, match="has no artifacts yet"):
        context.show(gen.outputs["schema"])
    result = context.run(gen)
    context.show(gen.outputs["schema"])
    assert "###<b>" in capsys.readouterr().out
    shown = result._repr_html_()
    assert "complete" in shown
    assert "Schema" in shown
    left = Left(gen.schema)
    context.run(left)
    join = Join(left.model)
    context.run(join)
    context.show(join.outputs["evaluation"].get())
    assert "Overall" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="show: expected an artifact"):
        context.show("schema")


def test_html_is_escaped(context: InteractiveContext) -> None:
    from mlops_tfx.notebook import views

    gen = Gen()
    context.run(gen)
    assert "&lt;b&gt;" in views.of(gen.outputs["schema"])
    assert "<b>" not in views.of(gen.outputs["schema"])


def test_first_rows_of_examples_are_shown(tmp_path: Path) -> None:
    import tensorflow as tf

    from mlops_tfx.notebook import views

    artifact = Examples(str(tmp_path))
    artifact.splits = ["train"]
    artifact.custom_properties.update(payload_format="FORMAT_TF_EXAMPLE", file_format="tfrecords_gzip")
    Path(artifact.path("train")).mkdir()
    with tf.io.TFRecordWriter(artifact.path("train") + "/data_tfrecord-00000-of-00001.gz", "GZIP") as writer:
        for word in (b"one", b"two"):
            feature = {"word": tf.train.Feature(bytes_list=tf.train.BytesList(value=[word]))}
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    assert "<tr><th>word</th></tr><tr><td>one</td></tr><tr><td>two</td></tr>" in views.of(artifact)


# --- export


def cell(source: str, kind: str = "code") -> dict[str, Any]:
    return {"cell_type": kind, "source": source.splitlines(keepends=True)}


def test_export(context: InteractiveContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "import sys\nfrom tests.unit.notebook.test_context import Gen, Left"
    cells = [
        cell("# A title", "markdown"),
        cell("%load_ext autoreload\n!ls\n" + module + "\nfrom mlops_tfx.notebook import InteractiveContext"),
        cell("context = InteractiveContext('notes', 'root')"),
        cell("gen = Gen(size=4)\nfor node in (gen,):\n    context.run(node)\nif gen:\n    size = 4"),
        cell("%%skip_for_export\n1 / 0"),
        cell("left = Left(gen.schema)\nresult = context.run(left)\ncontext.show(left.outputs['model'])\nleft.outputs"),
    ]
    (tmp_path / "notes.ipynb").write_text(json.dumps({"cells": cells}))
    gen = Gen(size=4)
    left = Left(gen.schema)
    for node in (gen, left):
        context.run(node)
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["__main__"], "gen", gen, raising=False)
        patch.setattr(sys.modules["__main__"], "left", left, raising=False)
        context.export_to_pipeline(tmp_path / "notes.ipynb", tmp_path / "exported.py")
    text = (tmp_path / "exported.py").read_text()
    assert "context" not in text.replace("test_context", "")
    assert "1 / 0" not in text
    assert "for node" not in text
    assert "size = 4" in text
    pipeline = load_pipeline(str(tmp_path / "exported.py"))
    states = [report.state.value for report in LocalRunner(observer=Observer()).run(pipeline).reports]
    assert states == ["cached", "cached"], "it goes on with what the notebook has made"


def test_wrong_exports(context: InteractiveContext, tmp_path: Path) -> None:
    notebook = tmp_path / "n.ipynb"
    notebook.write_text(json.dumps({"cells": [cell("x = 1")]}))
    with pytest.raises(ConfigError, match="nothing has run yet"):
        context.export_to_pipeline(notebook, tmp_path / "out.py")
    with pytest.raises(ConfigError, match="runner_type: expected 'local' or 'beam', received 'airflow'"):
        context.export_to_pipeline(notebook, tmp_path / "out.py", "airflow")
    node = Gen()
    context.run(node)
    with pytest.raises(ConfigError, match="has no name in the notebook"):
        context.export_to_pipeline(notebook, tmp_path / "out.py")
    notebook.write_text(json.dumps({"cells": [cell("x = = 1")]}))
    with pytest.raises(ConfigError, match="a cell cannot be exported .*begin it with %%skip_for_export"):
        context.export_to_pipeline(notebook, tmp_path / "out.py")
    with pytest.raises(ConfigError, match="expected a saved notebook, received .*not there"):
        context.export_to_pipeline(tmp_path / "absent.ipynb", tmp_path / "out.py")
    assert not (tmp_path / "out.py").exists()


# --- code that no file has


def made(source: str) -> Any:
    namespace: dict[str, Any] = {"component": component, "Integer": Integer, "__name__": "__main__"}
    exec(compile(source, "<cell>", "exec"), namespace)
    return namespace


CELL = """
FACTOR = {factor}
def twice(x):
    return {twice}
class Made:
    def run(self):
        return twice(FACTOR)
"""


def test_the_digest_of_a_cell_s_class_follows_its_code() -> None:
    first = memory_digest(made(CELL.format(factor=1, twice="2 * x"))["Made"])
    assert memory_digest(made("\n\n" + CELL.format(factor=1, twice="2 * x"))["Made"]) == first, "a cell run again"
    changed = [made(CELL.format(factor=f, twice=t))["Made"] for f, t in ((2, "2 * x"), (1, "x + x"), (1, "3 * x"))]
    assert len({first, *map(memory_digest, changed)}) == 4


def test_code_for_tfx_gives_the_connection_to_ml_metadata(tmp_path: Path) -> None:
    from ml_metadata.metadata_store import metadata_store

    context = TfxInteractiveContext("notes", tmp_path / "root", observer=Observer())
    gen = Gen()
    result = context.run(gen)
    store = metadata_store.MetadataStore(context.metadata_connection_config)
    (schema,) = store.get_artifacts_by_type("Schema")
    assert schema.uri == gen.outputs["schema"].get()[0].uri
    assert store.get_executions_by_id([result.execution_id])[0].id == result.execution_id
