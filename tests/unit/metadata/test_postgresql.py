"""A store in a real PostgreSQL server, and the texts that ML Metadata cannot write there by itself."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_tfx.artifacts import Examples, Model
from mlops_tfx.connection import PostgreSQLConnection
from mlops_tfx.errors import MetadataError
from mlops_tfx.metadata import ExecutionState, MetadataStore
from mlops_tfx.metadata.postgresql import pack, unpack
from tests.unit.metadata.conftest import make_node
from tests.unit.metadata.publisher import postgresql
from tests.unit.metadata.test_processes import go

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50)


@settings(deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.tuples(TEXTS, st.integers(1, 60)), max_size=3))
def test_packed_texts_hold_no_backslash_are_short_and_come_back(texts):
    from ml_metadata.proto import metadata_store_pb2 as pb

    row = pb.Execution().custom_properties
    wanted = {name: text * times for name, (text, times) in texts.items()}
    for name, text in wanted.items():
        row[name].string_value = text
    row["number"].int_value = 3
    pack(row)
    pack(row)
    for value in row.values():
        assert "\\" not in value.string_value
        assert len(value.string_value.encode()) <= 2400
    unpack(row)
    assert {name: value.string_value for name, value in row.items() if name != "number"} == wanted
    assert row["number"].int_value == 3


def test_a_text_that_postgresql_takes_is_left_alone():
    from ml_metadata.proto import metadata_store_pb2 as pb

    row = pb.Execution().custom_properties
    row["x"].string_value = 'it\'s 100% "fine"\n'
    pack(row)
    assert {name: value.string_value for name, value in row.items()} == {"x": 'it\'s 100% "fine"\n'}


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """The port of a server of our own, on this machine only."""
    initdb, pg_ctl = shutil.which("initdb"), shutil.which("pg_ctl")
    if not initdb or not pg_ctl:
        pytest.skip("needs PostgreSQL: no initdb and pg_ctl on the PATH")
    folder = Path(tempfile.mkdtemp())
    # The server refuses to run as root.
    user = "nobody" if os.getuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data, log = folder / "data", folder / "log"

    def run(*command: str) -> None:
        done = subprocess.run(command, user=user, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    run(initdb, "-D", str(data), "-A", "trust", "-U", "tester", "--no-sync")
    options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c fsync=off"
    try:
        # A pipe would stay open in the server: its output goes to the log.
        subprocess.run(
            [pg_ctl, "-D", str(data), "-o", options, "-w", "-l", str(log), "start"],
            user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        yield port
    finally:
        run(pg_ctl, "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.mark.slow
def test_two_processes_publish_into_one_new_database(server, start_publisher):
    started = [start_publisher(str(server), f"p{number}", 30) for number in range(2)]
    for process in started:
        go(process)
    for process in started:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    with MetadataStore(postgresql(server)) as store:
        records = store.executions("shared")
        assert Counter(record.state for record in records) == {ExecutionState.COMPLETE: 60, ExecutionState.CACHED: 60}
        assert all(len(r.outputs["examples"]) == 2 and len(r.outputs["model"]) == 1 for r in records)
        assert sorted(store.runs("shared")) == ["run-p0", "run-p1"]


@pytest.mark.slow
def test_texts_of_any_size_and_content_come_back(server):
    text = 'C:\\data\\x "quoted" it\'s 100%\n' * 5000
    node = make_node()
    with MetadataStore(postgresql(server)) as store:
        model = Model("/m", custom_properties={"note": text})
        execution_id = store.begin(
            node, inputs={}, properties={"text": text, "items": [text], "r": 1e-9}, cache_key="k"
        )
        store.finish(execution_id, node, {"model": [model]}, {"text": "short"})
        failed = store.begin(node, inputs={"model": [model]}, properties={}, cache_key=None)
        store.fail(failed, "Traceback\n" + text + "the end")
        done, broken = store.executions("flights")
        assert done.properties == {"text": "short", "items": [text], "r": 1e-9}
        assert done.outputs["model"][0].custom_properties["note"] == text
        assert broken.error.startswith("Traceback\nC:\\data\\x")
        assert broken.error.endswith("the end")
        assert [a.id for a in store.latest(Model, pipeline_name="flights")] == [model.id]
        assert len(list(store.find_cached("k"))) == 1
        assert store.latest(Examples, pipeline_name="flights") == []


@pytest.mark.slow
def test_a_server_that_is_not_there_is_named_without_the_password():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    connection = PostgreSQLConnection(host="127.0.0.1", port=port, database="mlmd", user="me", password="secret")
    with pytest.raises(MetadataError, match=rf"'postgresql://me@127\.0\.0\.1:{port}/mlmd' cannot be opened") as caught:
        MetadataStore(connection)
    assert "secret" not in str(caught.value)
