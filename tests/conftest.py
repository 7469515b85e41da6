"""Settings for every test: quiet libraries, and no program is given a GPU or the network it did not ask for."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.object_store.faulty_proxy import FaultyProxy
from tests.object_store.server import ObjectStore, moto_server

# Set before any test imports TensorFlow: its start-up messages would drown what a failing test says.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # the same floating point results on every processor


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leaves without Python's last garbage collection once all is done and said.

    A process that has run Beam and TensorFlow Transform may crash in it ("Garbage-collecting, no Python frame"), also
    without anything of mlops_tfx, and the exit code would no longer be that of the tests.
    """
    status = getattr(config, "exit_status_of_tests", None)
    if status is not None and {"apache_beam", "tensorflow_transform"} <= sys.modules.keys():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Keeps the exit code for the end, in the process that decides it."""
    if not hasattr(session.config, "workerinput"):
        session.config.exit_status_of_tests = int(exitstatus)  # type: ignore[attr-defined]  # a note to ourselves


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The root of the repository."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def s3_server() -> Iterator[tuple[str, int]]:
    """Host and port of an S3 server (moto, a process of its own)."""
    with moto_server() as address:
        yield address


@pytest.fixture
def s3(s3_server: tuple[str, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ObjectStore]:
    """A bucket of its own, behind a proxy that counts and fails; the environment names it as MinIO would be."""
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    settings = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}
    settings |= {"MLOPS_TFX_CACHE": str(tmp_path / "cache"), "MLOPS_TFX_REQUEST_TIMEOUT": "60"}
    with FaultyProxy(*s3_server) as proxy:
        for name, value in {**settings, "AWS_ENDPOINT_URL": proxy.endpoint}.items():
            monkeypatch.setenv(name, value)
        store = ObjectStore(proxy, f"bucket-{uuid.uuid4().hex[:12]}")
        store.make_bucket()
        yield store
