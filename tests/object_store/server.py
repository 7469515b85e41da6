"""Starts moto's S3 server as a process of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

from pyarrow import fs

from tests.object_store.faulty_proxy import FaultyProxy


@dataclass(frozen=True)
class ObjectStore:
    """A bucket on the server."""

    proxy: FaultyProxy
    bucket: str

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}"

    def make_bucket(self) -> None:
        self.direct(allow_bucket_creation=True).create_dir(self.bucket)

    def direct(self, **options: object) -> fs.S3FileSystem:
        """A second way to the server, past the code under test (but through the proxy)."""
        host = self.proxy.endpoint.removeprefix("http://")
        return fs.S3FileSystem(
            access_key="key", secret_key="secret", region="us-east-1", scheme="http", endpoint_override=host, **options
        )

    def objects(self, below: str = "") -> dict[str, int]:
        """Names and bytes of all objects, without the bucket."""
        infos = self.direct().get_file_info(
            fs.FileSelector(f"{self.bucket}/{below}".rstrip("/"), recursive=True, allow_not_found=True)
        )
        return {info.path.removeprefix(f"{self.bucket}/"): info.size for info in infos if info.is_file}


@contextlib.contextmanager
def moto_server() -> Iterator[tuple[str, int]]:
    """A server on a free port of loopback; gives host and port. It holds nothing but memory."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "MOTO_S3_DEFAULT_KEY_BUFFER_SIZE": str(1 << 30)}
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(process, port)
        yield "127.0.0.1", port
    finally:
        process.terminate()
        process.wait(30)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the S3 server ended with {process.returncode} before it answered")
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=5):
            return
        process.poll()
    raise RuntimeError("the S3 server did not answer in time")
