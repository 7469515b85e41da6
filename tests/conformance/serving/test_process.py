"""The server as a process of its own: flags, signals, exit codes."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_tfx.serving.client import Client

COMMAND = [sys.executable, "-m", "mlops_tfx.serving.server"]


@pytest.fixture
def process(kinds: Path, project_root: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    flags = ["--port=0", "--model_name=kinds", f"--model_base_path={kinds}", "--file_system_poll_wait_seconds=1"]
    with subprocess.Popen([*COMMAND, *flags], stderr=subprocess.PIPE, text=True, cwd=project_root) as child:
        assert child.stderr is not None
        port = next(match.group(1) for line in child.stderr if (match := re.search(r"ModelServer at .*:(\d+) ", line)))
        # Nobody reads the rest; a full pipe would stop the server.
        threading.Thread(target=child.stderr.read, daemon=True).start()
        try:
            yield child, f"localhost:{port}"
        finally:
            child.kill()


def test_serves_and_drains_on_sigterm(process: tuple[subprocess.Popen[str], str]) -> None:
    child, address = process
    results: list[int] = []
    with Client(address) as client:
        client.wait_until_available("kinds", timeout=120)

        def ask() -> None:
            answer = client.predict("kinds", {"n": 1_500_000}, signature_name="count", timeout=120)
            results.append(int(answer["n"]))

        assert client.predict("kinds", {"n": 5}, signature_name="count")["n"] == 5
        thread = threading.Thread(target=ask)
        thread.start()
        # Requests of one connection are taken in order: when these are answered, the long one is running.
        for n in range(3):
            assert client.predict("kinds", {"n": n}, signature_name="count")["n"] == n
        running = not results
        child.send_signal(signal.SIGTERM)
        thread.join()
    assert running, "the long request was over before the signal; it needs a larger n on this machine"
    assert results == [1_500_000]
    assert child.wait(timeout=60) == 0


def run(*flags: str, root: Path) -> tuple[int, str]:
    done = subprocess.run([*COMMAND, *flags], capture_output=True, text=True, cwd=root, timeout=120)
    return done.returncode, done.stderr.strip()


def test_unknown_flag(project_root: Path) -> None:
    code, text = run("--model_base_pth=/m", root=project_root)
    assert code == 2
    assert (
        text == "python -m mlops_tfx.serving.server: unknown flag '--model_base_pth'; did you mean --model_base_path?"
    )


def test_port_in_use(project_root: Path, half_plus_two: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, text = run(f"--port={port}", f"--model_base_path={half_plus_two}", root=project_root)
    assert code == 1
    assert f"cannot listen on 0.0.0.0:{port}: is the port taken?" in text
