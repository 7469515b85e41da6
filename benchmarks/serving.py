"""The model server against its bounds and its peers: one model, one machine, compiled load generators.

    python benchmarks/serving.py [--peers .venv-peers --mlserver .venv-mlserver] [--rounds 3]

Needs ghz and wrk on PATH. Every server is a process of its own and shares the cores with the generator; the figures are
medians of rounds in which all take their turn, and the ratios are what matters. The lines:

* one row over gRPC, one request at a time, above ``tf.saved_model.load`` in process;
* 64 requests in flight with batching, against a grpcio server that answers a constant;
* 512 rows, against ``tf.saved_model.load`` in process;
* REST against gRPC, 64 in flight;
* REST against FastAPI, LitServe, BentoML and MLServer, 64 in flight, where their environments are given
  (``pip install -r benchmarks/peers/requirements.txt``, and requirements-mlserver.txt).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, os.getcwd())

from benchmarks.serving_load import Load, free_port, grpc_load, process, protoset, rest_load
from benchmarks.serving_model import ROW, build_model, transform_apart
from benchmarks.serving_peers import PEERS, running

PREDICT_PATH = "/v1/models/m:predict"
IN_FLIGHT = 64
MANY = 512
MANY_IN_FLIGHT = (1, 2, 4, 8)
BATCHING = """
max_batch_size { value: 512 }
batch_timeout_micros { value: 3000 }
num_batch_threads { value: 1 }
"""


@dataclass(frozen=True)
class Files:
    """What is asked, as files in one folder."""

    folder: str

    def __getattr__(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def write(self) -> None:
        """Writes the model, the requests and the settings of the server."""
        from mlops_tfx.serving.export import export_model

        graph = os.path.join(self.folder, "graph")
        transform_apart(graph)
        export_model(build_model(), graph, os.path.join(self.models, "1"), label_key="label")
        protoset(self.protoset)
        self._write("batching", BATCHING)
        self._write("body", json.dumps({"signature_name": "serving_raw", "instances": [ROW]}))
        for rows, name in ((1, "one"), (MANY, "many")):
            examples = Examples(rows)
            self._write(name, examples.request())
        self._write("answer", Examples(1).answer(self.models))

    def _write(self, name: str, content: str | bytes) -> None:
        with open(os.path.join(self.folder, name), "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)


class Examples:
    """A batch of serialized examples, as a request and in process."""

    def __init__(self, rows: int) -> None:
        import numpy as np

        from mlops_tfx.serving import tensor_messages

        self.values = np.array([tensor_messages.encode_row(ROW)] * rows, object)

    def request(self) -> bytes:
        from mlops_tfx.serving import tensor_messages
        from mlops_tfx.serving.protos import message

        request = message("tensorflow.serving.PredictRequest")()
        request.model_spec.name = "m"
        tensor_messages.fill_tensor(self.values, request.inputs["examples"])
        return bytes(request.SerializeToString())

    def answer(self, models: str) -> bytes:
        """A response to this request, for the server that answers a constant."""
        from mlops_tfx.serving import tensor_messages
        from mlops_tfx.serving.protos import message

        response = message("tensorflow.serving.PredictResponse")()
        for name, value in self.in_process(models)().items():
            tensor_messages.fill_tensor(value.numpy(), response.outputs[name])
        return bytes(response.SerializeToString())

    def in_process(self, models: str) -> Callable[[], Any]:
        """The call of ``serving_default`` after ``tf.saved_model.load``."""
        import tensorflow as tf

        loaded = tf.saved_model.load(os.path.join(models, "1"))
        function = loaded.signatures["serving_default"]
        return lambda: (loaded, function(examples=tf.constant(self.values)))[1]


def median_ms(ask: Callable[[], Any], times: int) -> float:
    seconds = []
    for index in range(times + 50):
        start = time.perf_counter()
        ask()
        if index >= 50:
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds) * 1e3


@contextlib.contextmanager
def our_server(files: Files, *flags: str) -> Iterator[tuple[int, int]]:
    """Our server; gives its gRPC port and its REST port."""
    ports = free_port(), free_port()
    command = [sys.executable, "-m", "mlops_tfx.serving.server", f"--port={ports[0]}", f"--rest_api_port={ports[1]}"]
    command += ["--model_name=m", f"--model_base_path={files.models}", *flags]
    probe = "/v1/models/m:predict", files.body
    with process(command, ports[1], probe, folder=files.folder, settings={"PYTHONPATH": os.getcwd()}):
        yield ports


def batching(files: Files) -> list[str]:
    """The flags for batches across requests."""
    return ["--enable_batching", f"--batching_parameters_file={files.batching}"]


@contextlib.contextmanager
def constant_server(files: Files) -> Iterator[int]:
    port = free_port()
    script = os.path.join(os.getcwd(), "benchmarks", "serving_constant.py")
    with process([sys.executable, script, str(port), files.answer], port, None, folder=files.folder):
        yield port


class Table:
    """Figures by name, a list of rounds each."""

    def __init__(self) -> None:
        self._figures: dict[str, list[float]] = {}

    def add(self, name: str, figure: float | Load) -> None:
        """Adds a time in milliseconds, or a load, of which the requests a second count."""
        self._figures.setdefault(name, []).append(figure.rate if isinstance(figure, Load) else figure)
        print(f"  {name:44}{figure if isinstance(figure, Load) else f'{figure:8.3f}'}", flush=True)

    def __getitem__(self, name: str) -> float:
        return statistics.median(self._figures[name])

    def names(self) -> list[str]:
        return list(self._figures)


def measure_grpc(files: Files, table: Table, rounds: int) -> None:
    """One row at a time, many at once, and 512 rows, without and with the other servers beside."""
    one, many = Examples(1).in_process(files.models), Examples(MANY).in_process(files.models)
    with (
        our_server(files) as (plain, _),
        our_server(files, *batching(files)) as (batched, rest),
        constant_server(files) as constant,
    ):
        for _ in range(rounds):
            table.add("in process, 1 row, ms", median_ms(one, 1000))
            load = grpc_load(plain, files.protoset, files.one, in_flight=1, times=2000)
            table.add("gRPC, 1 row, 1 in flight, ms", load.median)
            for name, port in (("constant", constant), ("ours, batching", batched), ("ours, no batching", plain)):
                load = grpc_load(port, files.protoset, files.one, in_flight=IN_FLIGHT, times=12000)
                table.add(f"gRPC, {IN_FLIGHT} in flight: {name}", load)
            table.add(f"in process, {MANY} rows, ms", median_ms(many, 500))
            for in_flight in MANY_IN_FLIGHT:
                load = grpc_load(plain, files.protoset, files.many, in_flight=in_flight, times=2000)
                table.add(f"gRPC, {MANY} rows, {in_flight} in flight, ms", 1e3 / load.rate)
            table.add(f"REST, {IN_FLIGHT} in flight: ours", warm_rest_load(rest, PREDICT_PATH, files.body))


def measure_peers(files: Files, table: Table, rounds: int, environments: dict[str, str]) -> None:
    """Ours and each peer in turn, alone on the machine."""
    for _ in range(rounds):
        with our_server(files, *batching(files)) as (_, port):
            table.add(f"REST, {IN_FLIGHT} in flight: ours alone", warm_rest_load(port, PREDICT_PATH, files.body))
        for peer in PEERS:
            with running(peer, environments[peer.environment], files.folder, os.path.join(files.models, "1")) as port:
                body = os.path.join(files.folder, f"{peer.name}.json")
                name = f"REST, {IN_FLIGHT} in flight: {peer.name}"
                try:
                    table.add(name, warm_rest_load(port, peer.path, body))
                except RuntimeError as error:
                    # Not all peers answer every request of so many at once.
                    print(f"  {name:44}{' '.join(str(error).split())}", flush=True)


def warm_rest_load(port: int, path: str, body: str) -> Load:
    """The load of four seconds, after two that do not count."""
    rest_load(port, path, body, in_flight=IN_FLIGHT, seconds=2)
    return rest_load(port, path, body, in_flight=IN_FLIGHT, seconds=4)


def report(table: Table) -> None:
    grpc = f"gRPC, {IN_FLIGHT} in flight: "
    rest = f"REST, {IN_FLIGHT} in flight: "
    ours = table[rest + "ours"]
    print("\nmedians of the rounds")
    above = table["gRPC, 1 row, 1 in flight, ms"] - table["in process, 1 row, ms"]
    print(f"{'one row over gRPC above in process':60}{above:8.2f} ms")
    share = table[grpc + "ours, batching"] / table[grpc + "constant"]
    print(f"{'64 in flight, of the server that answers a constant':60}{share:8.2f}")
    for in_flight in MANY_IN_FLIGHT:
        share = table[f"in process, {MANY} rows, ms"] / table[f"gRPC, {MANY} rows, {in_flight} in flight, ms"]
        print(f"{f'512 rows a request, {in_flight} in flight, of in process':60}{share:8.2f}")
    print(f"{'REST of gRPC, one row':60}{ours / table[grpc + 'ours, batching']:8.2f}")
    for peer in PEERS:
        if rest + peer.name in table.names():
            print(f"{f'REST, times {peer.name}':60}{table[rest + 'ours alone'] / table[rest + peer.name]:8.2f}")
            print(f"{f'gRPC, times {peer.name}':60}{table[grpc + 'ours, batching'] / table[rest + peer.name]:8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", help="environment of FastAPI, LitServe and BentoML")
    parser.add_argument("--mlserver", help="environment of MLServer")
    arguments = parser.parse_args()
    table = Table()
    with tempfile.TemporaryDirectory() as folder:
        files = Files(folder)
        files.write()
        measure_grpc(files, table, arguments.rounds)
        if arguments.peers and arguments.mlserver:
            environments = {"peers": arguments.peers, "mlserver": arguments.mlserver}
            measure_peers(files, table, arguments.rounds, environments)
    report(table)


if __name__ == "__main__":
    main()
