"""Opening a store, and why one cannot be opened."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from mlops_tfx.artifacts import Model
from mlops_tfx.connection import SqliteConnection
from mlops_tfx.errors import ConfigError, MetadataError
from mlops_tfx.metadata import MetadataStore
from tests.unit.metadata.conftest import make_node, plain_client

NOBODY = 65534


def test_file_and_folder_are_made(tmp_path):
    path = tmp_path / "a" / "b" / "metadata.sqlite"
    with MetadataStore(SqliteConnection(path)) as store:
        store.publish(make_node(), inputs={}, outputs={}, properties={})
    assert sorted(os.listdir(path.parent)) == ["metadata.sqlite", "metadata.sqlite.lock"]
    assert len(plain_client(path).get_executions()) == 1


def test_a_path_without_folder_and_a_file_uri_are_fine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    MetadataStore(SqliteConnection("one.sqlite")).close()
    MetadataStore(SqliteConnection(f"file://{tmp_path}/two.sqlite")).close()
    assert {"one.sqlite", "two.sqlite"} <= set(os.listdir(tmp_path))


def test_settings_of_another_kind_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="expected SqliteConnection, MySQLConnection or PostgreSQLConnection"):
        MetadataStore(str(tmp_path / "metadata.sqlite"))
    assert os.listdir(tmp_path) == []


def test_a_scheme_that_is_not_local_is_refused():
    with pytest.raises(ConfigError, match="expected a path on this machine, received uri='s3:"):
        MetadataStore(SqliteConnection("s3://bucket/metadata.sqlite"))


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_database_is_named(tmp_path, read_only):
    path = tmp_path / "notes.txt"
    path.write_text("not a database\n" * 500)
    with pytest.raises(MetadataError, match=r"notes\.txt' is not an SQLite database; choose another file"):
        MetadataStore(SqliteConnection(path), read_only=read_only)
    assert path.read_text() == "not a database\n" * 500


def test_a_folder_is_named(tmp_path):
    with pytest.raises(MetadataError, match="is a folder; name a file in it"):
        MetadataStore(SqliteConnection(tmp_path))


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        MetadataError, match=r"the folder '.*file/sub' of the metadata store cannot be made: .*; choose"
    ):
        MetadataStore(SqliteConnection(tmp_path / "file" / "sub" / "metadata.sqlite"))


@pytest.fixture
def locked_folder():
    """A folder that may be read only, and a user for whom that counts (it does not for root)."""
    import ml_metadata.metadata_store  # noqa: F401 - while its files may still be read

    with tempfile.TemporaryDirectory() as name:
        folder, root = Path(name), os.geteuid() == 0
        folder.chmod(0o555)
        if root:
            os.seteuid(NOBODY)
        yield folder
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


def test_a_folder_that_cannot_be_written_is_named(locked_folder):
    with pytest.raises(MetadataError, match=r"metadata\.sqlite' cannot be written; make file and folder writable"):
        MetadataStore(SqliteConnection(locked_folder / "metadata.sqlite"))
    assert os.listdir(locked_folder) == []


def test_a_place_where_no_lock_file_can_be_made_is_named(path):
    (path.parent / f"{path.name}.lock").mkdir()
    with pytest.raises(
        MetadataError, match=r"needs a lock file beside it, and '.*\.lock' cannot be opened for writing"
    ):
        MetadataStore(SqliteConnection(path))


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (
            99,
            r"written by a newer ml_metadata \(.*version 99 .*install that release of ml-metadata",
        ),
        (8, r"written by an older ml_metadata \(.*version 8 .*enable_upgrade_migration=True"),
    ],
)
@pytest.mark.parametrize("read_only", [False, True])
def test_a_schema_of_another_release_is_named(path, version, message, read_only):
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE MLMDEnv SET schema_version = ?", (version,))
    with pytest.raises(MetadataError, match=message):
        MetadataStore(SqliteConnection(path), read_only=read_only)


def test_tables_that_another_process_is_just_making_are_waited_for(path, monkeypatch):
    """ML Metadata calls a database with some of its tables broken; the others may be there a moment later."""
    complete = path.with_suffix(".complete")
    shutil.copy(path, complete)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TABLE Association")
    waits = []

    def other_process_goes_on(seconds):
        waits.append(seconds)
        if len(waits) == 2:
            shutil.copy(complete, path)

    monkeypatch.setattr("mlops_tfx.metadata.connect.time.sleep", other_process_goes_on)
    with MetadataStore(SqliteConnection(path)) as store:
        store.publish(make_node(), inputs={}, outputs={}, properties={})
    assert len(waits) == 2

    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TABLE Association")
    with pytest.raises(MetadataError, match="cannot be opened: There are a subset of tables"):
        MetadataStore(SqliteConnection(path))


def test_a_reader_makes_nothing(tmp_path):
    missing, empty = tmp_path / "sub" / "metadata.sqlite", tmp_path / "empty.sqlite"
    with pytest.raises(MetadataError, match=r"there is no metadata store at '.*sub/metadata\.sqlite'; run a pipeline"):
        MetadataStore(SqliteConnection(missing), read_only=True)
    empty.touch()
    with pytest.raises(MetadataError, match=r"empty\.sqlite' holds no metadata store yet"):
        MetadataStore(SqliteConnection(empty), read_only=True)
    assert os.listdir(tmp_path) == ["empty.sqlite"]
    assert empty.stat().st_size == 0


def test_a_reader_undoes_what_a_killed_writer_left_unfinished(path):
    with MetadataStore(SqliteConnection(path)) as store:
        store.publish(make_node(), inputs={}, outputs={"m": [Model("/m")]}, properties={})
    script = (
        "import os, sqlite3, sys\n"
        "database = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "database.execute('PRAGMA cache_size = 1')\n"  # so that changes reach the file before the end
        "database.execute('BEGIN IMMEDIATE')\n"
        "database.execute('UPDATE Execution SET last_known_state = 4')\n"
        "for number in range(2000):\n"
        "    row = (1, 'x' * 2000 + str(number), 1, 1)\n"
        "    names = 'type_id, name, create_time_since_epoch, last_update_time_since_epoch'\n"
        "    database.execute(f'INSERT INTO Context({names}) VALUES (?, ?, ?, ?)', row)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    journal = path.with_name(f"{path.name}-journal")
    assert journal.stat().st_size > 0
    with MetadataStore(SqliteConnection(path), read_only=True) as reader:
        (record,) = reader.executions()
        assert record.state.name == "COMPLETE"
    assert not journal.exists()


def test_a_damaged_file_is_named(path):
    with MetadataStore(SqliteConnection(path)) as store:
        store.publish(make_node(), inputs={}, outputs={"m": [Model("/m")]}, properties={})
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(MetadataError, match=r"metadata\.sqlite' .*malformed"):
        MetadataStore(SqliteConnection(path)).executions()


def test_ml_metadata_logs_nothing_that_we_raise(store, plain, caplog):
    from ml_metadata.proto import metadata_store_pb2 as pb

    plain.put_artifact_type(pb.ArtifactType(name="Model", properties={"x": pb.INT}))
    with caplog.at_level(logging.WARNING):
        list(store.find_cached("none"))
        store.publish(make_node(), inputs={}, outputs={"m": [Model("/m")]}, properties={})
    assert caplog.records == []
