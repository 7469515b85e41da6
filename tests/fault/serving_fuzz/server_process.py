"""A model server as a process of its own, and what the system says of it: memory, threads, open files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_pause = threading.Event()
_RUNNING = re.compile(r"ModelServer at .*:(\d+) ")
_EXPORTING = re.compile(r"REST API at:.*:(\d+) ")


@dataclass(frozen=True)
class Use:
    """What a process has: bytes of memory that is its own and of no file, threads, open files."""

    memory: int
    threads: int
    files: int


class ServerProcess:
    """Runs ``python -m mlops_tfx.serving.server`` with flags, on free ports; what it logs is in a file."""

    def __init__(self, *flags: str) -> None:
        self._log = tempfile.NamedTemporaryFile("w+", suffix=".log", delete=False)
        command = [sys.executable, "-m", "mlops_tfx.serving.server", "--port=0", "--rest_api_port=-1", *flags]
        self.process = subprocess.Popen(command, stderr=self._log, stdout=self._log)
        self.port = self._find(_RUNNING)
        self.rest_port = self._find(_EXPORTING)
        self.address = f"localhost:{self.port}"

    def _find(self, pattern: re.Pattern[str]) -> int:
        found = wait_for(lambda: pattern.search(self.log()) or not self.is_running(), 120)
        match = pattern.search(self.log())
        if not found or match is None:
            raise RuntimeError(f"the server did not start:\n{self.log()}")
        return int(match.group(1))

    def log(self) -> str:
        """All that the server has written."""
        return Path(self._log.name).read_text("utf-8", "replace")

    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self.process.poll() is None

    def use(self) -> Use:
        """What the process has now."""
        folder = Path(f"/proc/{self.process.pid}")
        status = (folder / "status").read_text()
        # Pages of libraries come and go as the system likes.
        memory = re.search(r"RssAnon:\s+(\d+) kB", status)
        threads = re.search(r"Threads:\s+(\d+)", status)
        assert memory is not None
        assert threads is not None
        return Use(int(memory.group(1)) << 10, int(threads.group(1)), len(os.listdir(folder / "fd")))

    def stop(self) -> int:
        """Asks the process to end; returns its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()
            self._log.close()
            os.unlink(self._log.name)


def wait_for(condition: Callable[[], object], seconds: float) -> bool:
    """Waits until a condition holds, at most so long; returns whether it does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        _pause.wait(0.02)
    return True
