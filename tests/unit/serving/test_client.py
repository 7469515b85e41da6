"""What the client does without a server; with one, see tests/conformance/serving."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pandas as pd
import pytest

from mlops_tfx.errors import ServingError
from mlops_tfx.serving.client import Client
from mlops_tfx.serving.clients.grpc_protocol import explain

IMPORT = """
import sys, time
start = time.process_time()
import mlops_tfx.serving.client
print(time.process_time() - start)
heavy = {"tensorflow", "tensorflow_serving", "apache_beam", "pyarrow", "pandas", "keras", "aiohttp", "mlops_tfx.io"}
heavy &= set(sys.modules)
assert not heavy, heavy
"""


def test_imports_quickly_and_without_tensorflow(project_root: Path) -> None:
    seconds = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, cwd=project_root)
        assert done.returncode == 0, done.stderr
        seconds.append(float(done.stdout))
    # CPU seconds, and the best of three: other work on the machine is not the client's.
    assert min(seconds) < 0.3


def test_no_server() -> None:
    with Client("localhost:1") as client, pytest.raises(ServingError) as caught:
        client.predict("m", [b""], timeout=30)
    assert caught.value.code == grpc.StatusCode.UNAVAILABLE
    assert "no server answers at address='localhost:1'" in caught.value.message
    assert "python -m mlops_tfx.serving.server --port=8500" in caught.value.message


@pytest.mark.parametrize(
    ("details", "advice"),
    [
        ("failed to connect to all addresses; last error: Connection refused", "start one by"),
        ("errors resolving nowhere:1: Domain name not found", "start one by"),
        ("DNS resolution failed for nowhere:1", "start one by"),
        ("failed to connect to all addresses; last error: Ssl handshake failed", "that TLS accepts"),
        ("Stream removed (recvmsg:Connection reset by peer (104))", ""),
        ("The batch scheduling queue to which this task was submitted is full", ""),
    ],
)
def test_what_to_do_about_a_server_that_is_unavailable(details: str, advice: str) -> None:
    """A server that was there, and went away or is busy, is not to be started."""

    class Failure:
        def code(self) -> grpc.StatusCode:
            return grpc.StatusCode.UNAVAILABLE

        def details(self) -> str:
            return details

        def trailing_metadata(self) -> tuple[()]:
            return ()

    found = explain("localhost:1", Failure()).message
    assert details in found
    assert advice in found if advice else found == details


def test_waiting_for_no_server() -> None:
    with (
        Client("localhost:1") as client,
        pytest.raises(ServingError, match=r"'m' at localhost:1 .* after 0.05 s") as caught,
    ):
        client.wait_until_available("m", timeout=0.05)
    assert caught.value.code == grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ("abc", "expected named tensors .* received str"),
        (3, "received int"),
        ([b"", 3], "row 1: expected a dict or a serialized tf.Example, received int"),
        ([{"a": 1}, b""], "row 1: .* received bytes beside other rows of another kind"),
        (pd.Series({"a": 1}), r"received Series; one row of a frame is frame.iloc\[\[0\]\]"),
        ([pd.DataFrame({"a": [1]})] * 2, "expected one table, received a list of DataFrame; predict_batches takes"),
    ],
)
def test_wrong_inputs(inputs: Any, text: str) -> None:
    with Client("localhost:1") as client, pytest.raises(ValueError, match=text):
        client.predict("m", inputs)


def test_errors_pickle() -> None:
    error = pickle.loads(pickle.dumps(ServingError(grpc.StatusCode.NOT_FOUND, "gone")))
    assert (error.code, error.message, str(error)) == (grpc.StatusCode.NOT_FOUND, "gone", "NOT_FOUND: gone")
