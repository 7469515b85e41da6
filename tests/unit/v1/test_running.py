"""Pipelines made with the facade: what runs, what is refused, and where the metadata store lies."""

from __future__ import annotations

import sqlite3

import pytest

from mlops_tfx import connection
from mlops_tfx import v1 as tfx
from mlops_tfx.connection import MySQLConnection, PostgreSQLConnection, SqliteConnection, as_connection
from mlops_tfx.control_flow import PipelineInputs
from mlops_tfx.errors import ConfigError, DataError, PipelineFailedError, WiringError

Parameter = tfx.dsl.components.Parameter
OutputArtifact = tfx.dsl.components.OutputArtifact


@tfx.dsl.components.component(component_annotation=tfx.dsl.standard_annotations.Process)
def Gen(data: OutputArtifact[tfx.types.standard_artifacts.String], text: Parameter[str]) -> None:
    data.value = text


@tfx.dsl.components.component
def Use(data: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.String]) -> tfx.dsl.components.OutputDict(
    length=int
):
    return {"length": len(data.read())}


@tfx.dsl.components.component
def Fail(data: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.String]) -> None:
    raise ValueError("no luck")


def pipeline(tmp_path, *further, **arguments):
    gen = Gen(text="hello")
    use = Use(data=gen.outputs["data"])
    return tfx.dsl.Pipeline(
        pipeline_name="small",
        pipeline_root=str(tmp_path / "root"),
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(tmp_path / "store" / "metadata.sqlite")
        ),
        components=[gen, use, *(make(data=gen.outputs["data"]) for make in further)],
        **arguments,
    )


def test_a_pipeline_runs_and_is_not_cached_unless_asked_for(tmp_path):
    runner = tfx.orchestration.LocalDagRunner()
    for enable_cache, expected in ((None, "COMPLETE"), (None, "COMPLETE"), (True, "CACHED")):
        made = pipeline(tmp_path) if enable_cache is None else pipeline(tmp_path, enable_cache=enable_cache)
        result = runner.run(made)
        assert {report.state.name for report in result.reports} == {expected}
    assert result.outputs["Use"]["length"][0].value == 5
    with sqlite3.connect(tmp_path / "store" / "metadata.sqlite") as rows:
        types = dict(rows.execute("select name, id from Type"))
        base = rows.execute(
            "select parent_type_id from ParentType where type_id = ?", (types[f"{__name__}.Gen"],)
        ).fetchall()
    assert base == [(types["mlmd.Process"],)]


def test_a_pipeline_within_a_pipeline(tmp_path):
    gen = Gen(text="hello")
    inputs = PipelineInputs({"data": gen.outputs["data"]})
    use = Use(data=inputs.inputs["data"])
    part = tfx.dsl.Pipeline("part", inputs=inputs, components=[use], outputs={"length": use.outputs["length"]})
    whole = tfx.dsl.Pipeline("whole", str(tmp_path / "root"), components=[gen, part])
    result = tfx.orchestration.LocalDagRunner().run(whole)
    assert result.outputs["part"]["length"][0].value == 5


def test_a_failure_is_raised(tmp_path):
    with pytest.raises(PipelineFailedError, match="no luck"):
        tfx.orchestration.LocalDagRunner().run(pipeline(tmp_path, Fail))


def test_an_exit_handler(tmp_path):
    seen = tmp_path / "seen"

    runner = tfx.orchestration.LocalDagRunner()
    runner.set_exit_handler(Note(status=tfx.orchestration.experimental.FinalStatusStr(), place=str(seen)))
    runner.run(pipeline(tmp_path))
    assert "SUCCEEDED" in seen.read_text()


@tfx.orchestration.experimental.exit_handler
def Note(status: Parameter[str], place: Parameter[str]) -> None:
    with tfx.dsl.io.fileio.open(place, "w") as file:
        file.write(status)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"execution_mode": tfx.dsl.ExecutionMode.ASYNC}, "execution_mode: expected ExecutionMode.SYNC, received"),
        ({"platform_config": tfx.proto.TrainArgs()}, "platform_config: expected None, received TrainArgs"),
    ],
)
def test_what_there_is_not_on_one_machine_is_refused(tmp_path, arguments, problem):
    with pytest.raises(WiringError, match=problem):
        pipeline(tmp_path, **arguments)


def test_a_compiled_pipeline_is_refused():
    with pytest.raises(ConfigError, match="expected a Pipeline object for run"):
        tfx.orchestration.LocalDagRunner().run_with_ir(object())


def test_connections_are_messages_of_ml_metadata(tmp_path):
    from ml_metadata.metadata_store import metadata_store

    config = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(tmp_path / "new" / "metadata.sqlite"))
    assert config.sqlite.filename_uri == str(tmp_path / "new" / "metadata.sqlite")
    assert (tmp_path / "new").is_dir()
    assert metadata_store.MetadataStore(config).get_artifacts() == []
    mysql = tfx.orchestration.metadata.mysql_metadata_connection_config("h", 3306, "d", "u", "p").mysql
    assert (mysql.host, mysql.port, mysql.database, mysql.user, mysql.password) == ("h", 3306, "d", "u", "p")


@pytest.mark.parametrize(
    "settings",
    [
        SqliteConnection("/somewhere/metadata.sqlite"),
        MySQLConnection(host="h", port=3307, database="d", user="u", password="p", ssl={"ca": "file"}),
        PostgreSQLConnection(host="h", port=5433, database="d", user="u", ssl={"sslmode": "require"}),
    ],
)
def test_settings_become_messages_and_come_back(settings):
    from mlops_tfx.metadata.connect import connection_proto

    assert as_connection(connection_proto(settings)) == settings
    assert as_connection(settings) is settings


def test_connections_that_cannot_be_used(tmp_path):
    from ml_metadata.proto import metadata_store_pb2 as pb

    memory, read_only = pb.ConnectionConfig(), pb.ConnectionConfig()
    memory.fake_database.SetInParent()
    read_only.sqlite.filename_uri, read_only.sqlite.connection_mode = "/x", 1
    for message, problem in (
        (memory, "received fake_database"),
        (pb.ConnectionConfig(), "expected a ConnectionConfig with sqlite, mysql or postgresql"),
        (pb.MetadataStoreClientConfig(host="h", port=1), "received MetadataStoreClientConfig"),
        (read_only, "connection_mode=READONLY"),
    ):
        with pytest.raises(WiringError, match=f"metadata_connection_config: .*{problem}"):
            tfx.dsl.Pipeline("p", str(tmp_path), metadata_connection_config=message)
    assert connection.as_connection(None) is None


def test_messages_are_taken_by_components():
    gen = tfx.components.ImportExampleGen(
        input_base="/data",
        input_config=tfx.proto.Input(splits=[tfx.proto.Input.Split(name="train", pattern="train/{SPAN}/*")]),
        output_config=tfx.proto.Output(split_config={"splits": [{"name": "a", "hash_buckets": 1}]}),
        range_config=tfx.proto.RangeConfig(static_range=tfx.proto.StaticRange(start_span_number=2, end_span_number=2)),
        payload_format=tfx.proto.PayloadFormat.FORMAT_PROTO,
    )
    assert gen.problems == []
    assert gen.input_config.splits[0].pattern == "train/{SPAN}/*"
    assert (gen.range_config.static_range.start_span_number, gen.payload_format.name) == (2, "FORMAT_PROTO")
    model = tfx.testing.Channel(tfx.types.standard_artifacts.Model)
    destination = tfx.proto.PushDestination()
    destination.filesystem.base_directory = "/srv"
    pusher = tfx.components.Pusher(model=model, push_destination=destination)
    assert (pusher.problems, pusher.push_destination.filesystem.base_directory) == ([], "/srv")
    wrong = tfx.components.Pusher(model=model, push_destination=tfx.proto.TrainArgs(num_steps=1))
    assert "PushDestination has no field 'num_steps'" in wrong.problems[0]


def test_a_custom_config_with_a_message_within():
    custom = tfx.proto.CustomConfig()
    custom.custom_config.Pack(tfx.proto.TrainArgs(num_steps=7))
    gen = tfx.extensions.google_cloud_big_query.BigQueryExampleGen(query="SELECT 1", custom_config=custom)
    assert gen.exec_properties["custom_config"].custom_config == {
        "@type": "type.googleapis.com/tfx.components.trainer.TrainArgs",
        "num_steps": 7,
    }
    custom.custom_config.type_url = "type.googleapis.com/elsewhere.Unknown"
    gen = tfx.extensions.google_cloud_big_query.BigQueryExampleGen(query="SELECT 1", custom_config=custom)
    assert "expected messages of known types in an Any" in gen.problems[0]


def test_channels_for_tests():
    first, second = (tfx.testing.Channel(tfx.types.standard_artifacts.Model, ids) for ids in ((), (1,)))
    assert first == second
    assert first != tfx.testing.Channel(tfx.types.standard_artifacts.Schema)
    assert len({first, second}) == 1
    assert tfx.components.Pusher(model=first, push_destination={"filesystem": {"base_directory": "/x"}}).problems == []


def test_messages_in_text_files(tmp_path):
    path = tmp_path / "args.pbtxt"
    path.write_text('splits: "train"  num_steps: 3')
    message = tfx.proto.TrainArgs()
    assert tfx.utils.parse_pbtxt_file(str(path), message) is message
    assert message == tfx.proto.TrainArgs(splits=["train"], num_steps=3)
    path.write_text("num_step: 3")
    with pytest.raises(DataError, match=r"args.pbtxt: expected a tfx.components.trainer.TrainArgs.*1:1"):
        tfx.utils.parse_pbtxt_file(str(path), message)
    with pytest.raises(FileNotFoundError):
        tfx.utils.parse_pbtxt_file(str(tmp_path / "no"), message)
