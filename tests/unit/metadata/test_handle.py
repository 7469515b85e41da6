"""Code for TFX that asks the metadata store itself, after runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ml_metadata.proto import metadata_store_pb2 as pb

from mlops_tfx import LocalRunner, Pipeline
from mlops_tfx.artifacts import Model, String
from mlops_tfx.connection import SqliteConnection
from mlops_tfx.errors import MetadataError
from mlops_tfx.function_component import InputArtifact, OutputArtifact, component
from mlops_tfx.metadata import events as executions
from mlops_tfx.metadata.handle import Metadata


@component
def Write(text: OutputArtifact[String], model: OutputArtifact[Model]) -> None:
    text.value = "here"
    Path(model.uri, "weights").write_text("1")


@component
def Read(text: InputArtifact[String], models: InputArtifact[Model]) -> None:
    assert text.value == "here"
    assert models.uri


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> SqliteConnection:
    root = tmp_path_factory.mktemp("root")
    connection = SqliteConnection(root / "metadata.sqlite")
    written = Write()
    read = Read(text=written.outputs["text"], models=written.outputs["model"])
    pipeline = Pipeline("p", root, connection, components=[written, read])
    LocalRunner(observer=None).run(pipeline)
    LocalRunner(observer=None).run(pipeline)
    return connection


def latest(handle: Any, node: str) -> Any:
    context = handle.store.get_context_by_type_and_name("node", f"p.{node}")
    return executions.sort_executions_newest_to_oldest(handle.store.get_executions_by_context(context.id))[0]


def test_what_an_execution_read_and_wrote(config: SqliteConnection) -> None:
    with Metadata(config) as handle:
        written, read = latest(handle, "Write"), latest(handle, "Read")
        outputs = executions.get_output_artifacts(handle, written.id)
        assert {key: [type(each) for each in group] for key, group in outputs.items()} == {
            "text": [String],
            "model": [Model],
        }
        assert outputs["text"][0].value == "here"
        assert executions.get_input_artifacts(handle, written.id) == {}
        inputs = executions.get_input_artifacts(handle, read.id)
        assert inputs["models"][0].id == outputs["model"][0].id
        only = executions.get_artifacts_dict(handle, written.id, [pb.Event.INPUT])
        assert (only, executions.get_output_artifacts(handle, 12345)) == ({}, {})


def test_states_and_contexts(config: SqliteConnection) -> None:
    with Metadata(config) as handle:
        written = latest(handle, "Write")
        assert executions.is_execution_successful(written)
        others = ("active", "running", "canceled", "failed")
        assert not any(getattr(executions, f"is_execution_{state}")(written) for state in others)
        contexts = handle.store.get_contexts_by_execution(written.id)
        runs = [context for context in contexts if context.name in ("p", "p.Write")]
        found = executions.get_executions_associated_with_all_contexts(handle, runs)
        assert [row.id for row in found] == sorted(row.id for row in found)
        assert len(found) == 2  # the run, and the cached one
        assert written.id in {row.id for row in found}
        assert executions.get_executions_associated_with_all_contexts(handle, []) == []


def test_the_store_is_open_within_the_block(config: SqliteConnection) -> None:
    handle = Metadata(config)
    with pytest.raises(MetadataError, match="open only within"):
        assert handle.store
    with handle, handle as inner:
        assert len(inner.get_artifacts_by_type("Model")) == 1
        model = inner.get_artifacts_by_type("Model")[0]
        assert [row.id for row in inner.get_artifacts_by_uri(model.uri)] == [model.id]
    assert handle.connection_config.sqlite.filename_uri == config.filename_uri
    with pytest.raises(MetadataError, match="open only within"):
        assert handle.store


def test_whatever_ml_metadata_opens() -> None:
    memory = pb.ConnectionConfig()
    memory.fake_database.SetInParent()
    with Metadata(memory) as handle:
        assert handle.store.get_artifacts() == []


def test_system_folders_are_those_of_tfx(config: SqliteConnection) -> None:
    with Metadata(config) as handle:
        first = min(row.id for row in handle.store.get_executions())
    system = Path(config.filename_uri).parent / "Write" / ".system"
    assert sorted(path.name for path in system.iterdir()) == ["executor_execution", "stateful_working_dir"]
    assert [path.name for path in (system / "executor_execution").iterdir()] == [str(first)]
    assert list((system / "executor_execution" / str(first)).iterdir()) == []
    assert list((system / "stateful_working_dir").iterdir()) == []
