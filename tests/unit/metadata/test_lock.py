"""Taking turns: threads of one process, processes, and programs that do not know our lock file."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mlops_tfx.artifacts import Examples, Model
from mlops_tfx.connection import SqliteConnection
from mlops_tfx.errors import MetadataError
from mlops_tfx.metadata import ExecutionState, MetadataStore
from mlops_tfx.metadata.lock import FileLock
from tests.unit.metadata.conftest import make_node


def other_process(code: str, path: str) -> subprocess.Popen[str]:
    """Runs code until its input ends; returns when it has said that it holds what it is to hold."""
    ending = "\nprint('held', flush=True)\nsys.stdin.read()\n"
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys\n{code}{ending}", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


HOLD_LOCK = "import fcntl\nfile = open(sys.argv[1], 'w')\nfcntl.flock(file, fcntl.LOCK_EX)"
HOLD_DATABASE = "import sqlite3\nsqlite3.connect(sys.argv[1], isolation_level=None).execute('BEGIN {kind}')\n"


def test_threads_of_one_store_lose_nothing(store):
    def work(number):
        node = make_node(f"node{number % 4}", f"run{number % 2}")
        execution_id = store.begin(node, inputs={}, properties={"number": number}, cache_key=f"k{number}")
        store.finish(execution_id, node, {"x": [Examples(f"/{number}")], "m": [Model("/m")]})
        return len(store.executions("flights", f"run{number % 2}")) > 0

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(40)))
    records = store.executions("flights")
    assert sorted(record.properties["number"] for record in records) == list(range(40))
    assert all(record.outputs["x"][0].uri == f"/{record.properties['number']}" for record in records)
    assert {record.state for record in records} == {ExecutionState.COMPLETE}


def test_two_stores_of_one_process_take_turns(path):
    with MetadataStore(SqliteConnection(path)) as one, MetadataStore(SqliteConnection(path)) as other:

        def work(number):
            store = one if number % 2 else other
            store.publish(make_node(), inputs={}, outputs={"m": [Model(f"/{number}")]}, properties={})

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(40)))
        assert len(one.executions()) == len(other.artifacts_of_type(Model)) == 40


def test_the_lock_is_reentrant_and_free_afterwards(tmp_path):
    lock, other = FileLock(str(tmp_path / "lock"), 5), FileLock(str(tmp_path / "lock"), 0.01)
    with lock.hold(), lock.hold(), pytest.raises(MetadataError, match="another process holds it"), other.hold():
        pass
    with other.hold():
        pass
    lock.close()
    other.close()


def test_the_lock_is_free_after_an_error(tmp_path):
    lock = FileLock(str(tmp_path / "lock"), 0.01)
    with pytest.raises(ZeroDivisionError), lock.hold():
        raise ZeroDivisionError
    other = FileLock(str(tmp_path / "lock"), 0.01)
    with other.hold():
        pass
    lock.close()
    other.close()


def test_another_thread_that_keeps_the_lock_is_named(tmp_path):
    lock = FileLock(str(tmp_path / "lock"), 0.01)
    held, done = threading.Event(), threading.Event()

    def keep():
        with lock.hold():
            held.set()
            done.wait()

    thread = threading.Thread(target=keep)
    thread.start()
    held.wait()
    with pytest.raises(MetadataError, match=r"within 0\.01 seconds, but another thread of this process holds it"):
        with lock.hold():
            pass
    done.set()
    thread.join()
    lock.close()


def test_a_process_that_keeps_the_lock_is_reported_in_time_and_waited_for(path):
    with MetadataStore(SqliteConnection(path), timeout_seconds=0.2) as store:
        holder = other_process(HOLD_LOCK, f"{path}.lock")
        with pytest.raises(MetadataError, match=r"expected to lock '.*\.sqlite\.lock' within 0\.2 seconds, .*fuser"):
            store.begin(make_node(), inputs={}, properties={}, cache_key=None)
        assert store.executions() == []  # readers do not wait
        holder.communicate()
        store.begin(make_node(), inputs={}, properties={}, cache_key=None)
        assert len(store.executions()) == 1


def test_a_lock_whose_holder_was_killed_is_free(path):
    holder = other_process(HOLD_LOCK, f"{path}.lock")
    holder.kill()
    holder.communicate()
    with MetadataStore(SqliteConnection(path), timeout_seconds=1) as store:
        store.begin(make_node(), inputs={}, properties={}, cache_key=None)


def test_a_program_that_does_not_know_our_lock_is_reported_in_time(path):
    # As TFX does: it locks the database only.
    with MetadataStore(SqliteConnection(path), timeout_seconds=0.1) as store:
        store.begin(make_node(), inputs={}, properties={}, cache_key=None)
        holder = other_process(HOLD_DATABASE.format(kind="IMMEDIATE"), str(path))
        with pytest.raises(
            MetadataError, match=r"was busy for 0\.1 seconds: another program keeps it locked; end that"
        ):
            store.begin(make_node(), inputs={}, properties={}, cache_key=None)
        assert len(store.executions()) == 1
        holder.communicate()
        store.begin(make_node(), inputs={}, properties={}, cache_key=None)
        assert len(store.executions()) == 2


def test_a_program_that_does_not_know_our_lock_is_waited_for(path):
    with MetadataStore(SqliteConnection(path)) as store:
        store.begin(make_node(), inputs={}, properties={}, cache_key=None)
        holder = other_process(HOLD_DATABASE.format(kind="IMMEDIATE"), str(path))
        with ThreadPoolExecutor(1) as pool:
            begun = pool.submit(store.begin, make_node(), inputs={}, properties={}, cache_key=None)
            holder.communicate()
            assert begun.result() == 2
