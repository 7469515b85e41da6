"""A model server as a process of this machine."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from mlops_tfx import filesystem
from mlops_tfx.components.infra_validator.failures import ServerFailedError
from mlops_tfx.errors import ConfigError

if TYPE_CHECKING:
    from mlops_tfx.components.infra_validator.servers import Launch

_SHOWN_BYTES = 3000
_GRACE_SECONDS = 5.0
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


class ServerProcess:
    """A running process that writes to a log.

    Attributes:
        address: ``host:port`` of gRPC.
    """

    def __init__(self, child: subprocess.Popen[bytes], address: str, log: str) -> None:
        self._child = child
        self.address = address
        self._log = log

    def check_alive(self, seconds: float = 0.0) -> None:
        """Raises ServerFailedError if the process has ended, or does so within some seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(seconds)
        code = self._child.poll()
        if code is not None:
            raise ServerFailedError(f"the server {_describe(code)}")

    def last_lines(self) -> str:
        """The end of its log."""
        with filesystem.open(self._log, "rb") as file:
            file.seek(max(0, filesystem.stat(self._log).size - _SHOWN_BYTES))
            tail: bytes = file.read()
        return tail.decode("utf-8", "replace").strip()

    def peak_memory(self) -> int:
        """The most bytes of memory that it held. Raises ConfigError where that is not known."""
        try:
            found = _PEAK.search(filesystem.read_bytes(f"/proc/{self._child.pid}/status").decode())
        except OSError:
            found = None
        if found is None:
            raise ConfigError(f"max_memory_bytes: the memory of a process is not known on {sys.platform}; leave it out")
        return int(found.group(1)) * 1024


def _describe(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    return f"was killed by signal {signal.Signals(-code).name}"


@contextlib.contextmanager
def running(command: Sequence[str], environment: Mapping[str, str], launch: Launch) -> Iterator[ServerProcess]:
    """Starts a server; see `Server.start`."""
    port = _free_port()
    log = os.path.join(launch.folder, "server.log")
    arguments = [*command, f"--port={port}", *launch.flags(launch.base_path)]
    try:
        with filesystem.open(log, "wb") as file:
            child = subprocess.Popen(
                arguments, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                env={**os.environ, **environment},
            )  # fmt: skip
    except OSError as error:
        raise ServerFailedError(f"cannot start {command[0]}: {error}") from error
    try:
        yield ServerProcess(child, f"localhost:{port}", log)
    finally:
        _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()  # a model that hangs while it loads does not hear
        child.wait()


def _free_port() -> int:
    # Somebody else may take it before the server does; then the server ends, and the next try takes another.
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])
