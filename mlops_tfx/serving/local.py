"""Starts the embedded model server as a process of its own, for demonstrations and tests."""

from __future__ import annotations

import collections
import contextlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import IO

from mlops_tfx.errors import MlopsTfxError
from mlops_tfx.serving.client import Client

_LISTENS = re.compile(r"Running gRPC ModelServer at .*:(\d+)")
_SHOWN_LINES = 20


@contextlib.contextmanager
def serve(
    model_name: str, base_path: str | os.PathLike[str], *, flags: Sequence[str] = (), timeout: float = 120.0
) -> Iterator[Client]:
    """Serves the newest version below ``base_path`` on a free port; yields a client once the model answers.

    Args:
        model_name: the name that requests use.
        base_path: folder with one folder per version, such as Pusher's ``base_directory``.
        flags: further flags of the server.
        timeout: seconds until the model must be available.

    Raises:
        MlopsTfxError: the server ended before it listened; shows its last lines.
        ServingError: no version became available.
    """
    command = [sys.executable, "-m", "mlops_tfx.serving.server", "--port=0", f"--model_name={model_name}"]
    command += [f"--model_base_path={os.path.abspath(base_path)}", *flags]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace")
    assert process.stderr is not None  # it is a pipe
    # What the server writes later must be read too, or it blocks on a full pipe.
    rest = threading.Thread(target=collections.deque, args=(process.stderr, 0), daemon=True)
    try:
        port = _port(process, process.stderr)
        rest.start()
        with Client(f"localhost:{port}") as client:
            client.wait_until_available(model_name, timeout=timeout)
            yield client
    finally:
        process.terminate()
        process.wait()
        if rest.ident is not None:
            rest.join()
        process.stderr.close()


def _port(process: subprocess.Popen[str], output: IO[str]) -> int:
    """The port that the server says it listens on."""
    lines: collections.deque[str] = collections.deque(maxlen=_SHOWN_LINES)
    for line in output:
        lines.append(line)
        found = _LISTENS.search(line)
        if found:
            return int(found.group(1))
    raise MlopsTfxError(f"the model server ended with code {process.wait()}:\n{''.join(lines)}")
