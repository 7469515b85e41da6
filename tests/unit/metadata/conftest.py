"""Stores for the tests, and a plain ml_metadata client that reads what our class wrote."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
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
