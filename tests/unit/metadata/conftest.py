"""Stores for the tests, and a plain ml_metadata client that reads what our class wrote."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops_tfx.connection import SqliteConnection
from mlops_tfx.metadata import MetadataStore, NodeIdentity


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store to copy: making the tables anew would cost every test a few dozen flushes to the disk."""
    path = tmp_path_factory.mktemp("empty") / "metadata.sqlite"
    MetadataStore(SqliteConnection(path)).close()
    return path


@pytest.fixture
def path(tmp_path: Path, empty_store: Path) -> Path:
    return Path(shutil.copy(empty_store, tmp_path))


@pytest.fixture
def store(path: Path) -> Iterator[MetadataStore]:
    with MetadataStore(SqliteConnection(path)) as opened:
        yield opened


@pytest.fixture
def plain(path: Path, store: MetadataStore) -> Any:
    return plain_client(path)


@pytest.fixture
def start_publisher() -> Iterator[Callable[[Path | str, str, int], subprocess.Popen[str]]]:
    """Starts publisher.py; it waits for a line, and what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def start(path: Path | str, name: str, count: int) -> subprocess.Popen[str]:
        script = Path(__file__).with_name("publisher.py")
        process = subprocess.Popen(
            [sys.executable, str(script), str(path), name, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready")
        return process

    yield start
    for process in started:
        process.kill()
        with process:
            pass


def make_node(node_id: str = "gen", run_id: str = "run-1", pipeline_name: str = "flights", **more: Any) -> NodeIdentity:
    return NodeIdentity(pipeline_name, run_id, node_id, more.pop("type_name", f"tests.{node_id.title()}"), **more)


def plain_client(path: Path) -> Any:
    """ml_metadata itself, as anyone else would use it."""
    from ml_metadata.metadata_store import metadata_store
    from ml_metadata.proto import metadata_store_pb2

    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    config.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE
    return metadata_store.MetadataStore(config)
