"""What exporting and serving a small Keras model of 17 raw features costs, and where: seconds, milliseconds.

    python benchmarks/serving_details.py [--requests 2000]

The server runs in a process of its own; client and server share the machine. "In process" is the same request without
gRPC: by the server's session, and by ``tf.saved_model.load``.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, os.getcwd())

from benchmarks.serving_model import ROW, build_model, transform_apart

IN_FLIGHT = 64


def quantiles(ask: Callable[[], Any], times: int) -> str:
    """Median and 99th percentile of a call, in milliseconds."""
    seconds = []
    for index in range(times + 100):
        start = time.perf_counter()
        ask()
        if index >= 100:
            seconds.append(time.perf_counter() - start)
    seconds.sort()
    return f"{1e3 * seconds[times // 2]:8.3f} ms median {1e3 * seconds[times * 99 // 100]:8.3f} ms p99"


def throughput(address: str, request: bytes, times: int) -> float:
    """Requests a second with 64 in flight; the requests are bytes, so that the client costs as little as can be."""
    import grpc

    slots = threading.Semaphore(IN_FLIGHT)
    failed: list[Any] = []

    def done(call: Any) -> None:
        if call.code() != grpc.StatusCode.OK:
            failed.append(call.details())
        slots.release()

    with grpc.insecure_channel(address) as channel:
        predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        predict(request)
        start = time.perf_counter()
        for _ in range(times):
            slots.acquire()
            predict.future(request).add_done_callback(done)
        for _ in range(IN_FLIGHT):
            slots.acquire()
        seconds = time.perf_counter() - start
    if failed:
        raise RuntimeError(f"{len(failed)} requests failed, such as: {failed[0]}")
    return times / seconds


def measure(base: str, times: int) -> None:
    import numpy as np
    import tensorflow as tf

    from mlops_tfx.serving import tensor_messages
    from mlops_tfx.serving.local import serve
    from mlops_tfx.serving.protos import message
    from mlops_tfx.serving.server import saved_model

    folder = os.path.join(base, "1")
    example = [tensor_messages.encode_row(ROW)]
    kinds = {float: np.float32, int: np.int64, str: object}
    raw = {n: np.array([v.encode() if isinstance(v, str) else v], kinds[type(v)]) for n, v in ROW.items()}
    session = saved_model.load(folder, saved_model.SessionOptions())
    loaded = tf.saved_model.load(folder)
    function = loaded.signatures["serving_default"]
    cases: dict[str, Callable[[], Any]] = {}
    for name, inputs in (("serving_default", {"examples": np.array(example, object)}), ("serving_raw", raw)):
        signature = session.signatures[name]
        protos = {alias: tf.make_tensor_proto(value) for alias, value in inputs.items()}
        cases[f"in process, session, {name}"] = in_process(signature, protos)
    cases["in process, tf.saved_model.load, serving_default"] = lambda: function(examples=tf.constant(example))
    start = time.perf_counter()
    with socket.socket() as free:
        free.bind(("localhost", 0))
        rest_port = free.getsockname()[1]
    monitoring = os.path.join(os.path.dirname(base), "monitoring.config")
    with open(monitoring, "w") as file:
        file.write("prometheus_config { enable: true }")
    flags = [f"--rest_api_port={rest_port}", f"--monitoring_config_file={monitoring}"]
    with serve("m", base, flags=flags) as client:
        print(f"{'server process until the model answers':52}{time.perf_counter() - start:8.2f} s")
        cases["gRPC, serving_default"] = lambda: client.predict("m", example)
        cases["gRPC, serving_raw"] = lambda: client.predict("m", raw, signature_name="serving_raw")
        body = json.dumps({"signature_name": "serving_raw", "instances": [ROW]}).encode()
        connection = http.client.HTTPConnection("localhost", rest_port)
        cases["REST, serving_raw"] = lambda: rest(connection, body)
        many = {name: np.repeat(value, 512) for name, value in raw.items()}
        lists = {name: [value] * 512 for name, value in ROW.items()}
        rows = [ROW] * 512
        for name, inputs in (("arrays", many), ("lists", lists), ("rows", rows)):
            ask_many = functools.partial(client.predict, "m", inputs, signature_name="serving_raw")
            print(f"{f'512 rows, gRPC, serving_raw, {name}':52}{quantiles(ask_many, max(100, times // 10))}")
        by_example = functools.partial(client.predict, "m", rows)
        print(f"{'512 rows, gRPC, serving_default, rows':52}{quantiles(by_example, max(100, times // 10))}")
        read_shares(rest_port)
        for name, ask in cases.items():
            print(f"{'1 row, ' + name:52}{quantiles(ask, times)}")
            if name.startswith("gRPC"):
                print_shares(rest_port, times + 100)
        request = message("tensorflow.serving.PredictRequest")()
        request.model_spec.name = "m"
        tensor_messages.fill_tensor(np.array(example, object), request.inputs["examples"])
        rate = throughput(client.address, request.SerializeToString(), 5 * times)
        print(f"{f'1 row, {IN_FLIGHT} in flight, serving_default':52}{rate:8.0f} requests/s")
        raw_request = message("tensorflow.serving.PredictRequest")()
        raw_request.model_spec.name, raw_request.model_spec.signature_name = "m", "serving_raw"
        for alias, value in raw.items():
            tensor_messages.fill_tensor(value, raw_request.inputs[alias])
        rates = [throughput(client.address, raw_request.SerializeToString(), 5 * times)]
        rates.append(asyncio.run(rest_throughput(rest_port, body, 5 * times)))
        print(
            f"{f'1 row, {IN_FLIGHT} in flight, serving_raw: gRPC, REST':52}{rates[0]:8.0f} {rates[1]:8.0f} requests/s"
        )
        print(f"{'REST over gRPC, serving_raw':52}{rates[1] / rates[0]:8.2f}")
    cases.clear()
    session.close()


def in_process(signature: Any, protos: dict[str, Any]) -> Callable[[], Any]:
    """The server's own path without gRPC: decode, run, encode."""

    def ask() -> None:
        plan = signature.plan(signature.select(()))
        signature.encode(plan.outputs, plan.run(signature.bind(protos)), Sink())

    return ask


def rest(connection: http.client.HTTPConnection, body: bytes) -> None:
    connection.request("POST", "/v1/models/m:predict", body)
    response = connection.getresponse()
    answer = response.read()
    if response.status != 200:
        raise RuntimeError(answer)


_sums: dict[str, float] = {}


def read_shares(port: int) -> dict[str, float]:
    """Microseconds in the server, and in the model there, since the last time."""
    connection = http.client.HTTPConnection("localhost", port)
    connection.request("GET", "/monitoring/prometheus/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    shares = {}
    for name in ("request_latency", "runtime_latency"):
        total = sum(float(line.split()[1]) for line in lines if line.startswith(f":tensorflow:serving:{name}_sum"))
        shares[name] = total - _sums.get(name, 0.0)
        _sums[name] = total
    return shares


def print_shares(port: int, count: int) -> None:
    """How long a request took in the server, and in the model there, on average since the last time."""
    shares = [f"{total / count / 1e3:8.3f} ms {name}" for name, total in read_shares(port).items()]
    print(f"{'  of which in the server, mean':52}{' '.join(shares)}")


async def rest_throughput(port: int, body: bytes, times: int) -> float:
    """Requests a second over as many connections as there may be requests in flight."""
    import aiohttp

    async def ask(session: aiohttp.ClientSession) -> None:
        for _ in range(times // IN_FLIGHT):
            async with session.post(f"http://localhost:{port}/v1/models/m:predict", data=body) as response:
                await response.read()
                response.raise_for_status()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=IN_FLIGHT)) as session:
        start = time.perf_counter()
        await asyncio.gather(*(ask(session) for _ in range(IN_FLIGHT)))
        return times // IN_FLIGHT * IN_FLIGHT / (time.perf_counter() - start)


class Sink(dict):  # type: ignore[type-arg]
    """Stands in for the map of a response: a new TensorProto for every name."""

    def __missing__(self, name: str) -> Any:
        from tensorflow.core.framework import tensor_pb2

        return tensor_pb2.TensorProto()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    arguments = parser.parse_args()
    code = "import time; t = time.perf_counter(); import mlops_tfx.serving.client; print(time.perf_counter() - t)"
    imports = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(3)]
    print(f"{'importing the client (best of 3)':52}{min(imports):8.2f} s")
    from mlops_tfx.serving.export import export_model

    with tempfile.TemporaryDirectory() as root:
        graph = os.path.join(root, "transform_graph")
        transform_apart(graph)
        model = build_model()
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            export_model(model, graph, os.path.join(root, "models", "1"), label_key="label")
            seconds.append(time.perf_counter() - start)
        print(f"{'exporting: first, best of 3':52}{seconds[0]:8.2f} s {min(seconds):8.2f} s")
        measure(os.path.join(root, "models"), arguments.requests)


if __name__ == "__main__":
    main()
