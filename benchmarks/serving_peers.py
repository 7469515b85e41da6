"""The peers of benchmarks/serving.py: how each is started, and what it is asked."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.serving_load import free_port, process
from benchmarks.serving_model import ROW

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers")
KINDS: Mapping[type, str] = {float: "FP32", str: "BYTES", int: "INT64"}


@dataclass(frozen=True)
class Peer:
    """A peer.

    Attributes:
        name: its name.
        environment: which environment it needs.
        command: arguments of the environment's Python; ``{port}`` is filled in.
        path: where it answers.
        body: what it is asked, as JSON.
    """

    name: str
    environment: str
    command: tuple[str, ...]
    path: str
    body: Mapping[str, Any]


def _columns() -> Mapping[str, Any]:
    return {
        "inputs": [
            {"name": name, "shape": [1, 1], "datatype": KINDS[type(value)], "data": [value]}
            for name, value in ROW.items()
        ]
    }


_ROWS: Mapping[str, Any] = {"instances": [ROW]}
_UVICORN = ("-m", "uvicorn", "fastapi_app:app", "--port={port}", "--log-level=warning")
_MLSERVER = "from mlserver.cli import main; main()"
PEERS = (
    Peer("FastAPI", "peers", _UVICORN, "/predict", _ROWS),
    Peer("FastAPI, 2 workers", "peers", (*_UVICORN, "--workers=2"), "/predict", _ROWS),
    Peer("LitServe", "peers", ("litserve_app.py", "{port}"), "/predict", _ROWS),
    Peer("BentoML", "peers", ("-m", "bentoml", "serve", "bentoml_service:Served", "--port={port}"), "/predict", _ROWS),
    Peer("MLServer", "mlserver", ("-c", _MLSERVER, "start", "{folder}"), "/v2/models/m/infer", _columns()),
)


@contextlib.contextmanager
def running(peer: Peer, environment: str, folder: str, model: str) -> Iterator[int]:
    """Runs a peer until the block ends; gives its port."""
    port = free_port()
    body = os.path.join(folder, f"{peer.name}.json")
    with open(body, "w") as file:
        json.dump(peer.body, file)
    _write_mlserver_settings(folder, port)
    python = os.path.join(os.path.abspath(environment), "bin", "python")
    command = [python, *(part.format(port=port, folder=folder) for part in peer.command)]
    settings = {"MODEL_FOLDER": model, "PYTHONPATH": f"{HERE}:{os.path.dirname(os.path.dirname(HERE))}"}
    with process(command, port, (peer.path, body), folder=HERE, log_folder=folder, settings=settings):
        yield port


def _write_mlserver_settings(folder: str, port: int) -> None:
    server = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port(), "debug": False}
    model = {"name": "m", "implementation": "mlserver_model.Served", "max_batch_size": 64, "max_batch_time": 0.003}
    for name, content in (("settings.json", {**server, "parallel_workers": 2}), ("model-settings.json", model)):
        with open(os.path.join(folder, name), "w") as file:
            json.dump(content, file)
