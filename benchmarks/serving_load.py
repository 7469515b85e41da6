"""Load for the serving benchmarks, from compiled generators: ghz for gRPC, wrk for REST; and servers as processes."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CALL = "tensorflow.serving.PredictionService.Predict"
_GENERATOR_SETTINGS = {"GOGC": "800"}
"""Go's garbage collector by default takes more of the two cores than all else that ghz does."""


@dataclass(frozen=True)
class Load:
    """What a generator measured: requests a second, and the median and 99th percentile in milliseconds."""

    rate: float
    median: float
    p99: float

    def __str__(self) -> str:
        return f"{self.rate:8.0f} requests/s {self.median:8.2f} ms median {self.p99:8.2f} ms p99"


def find(name: str, how: str) -> str:
    """The path of a generator. Ends the program if it is not there."""
    path = shutil.which(name) or shutil.which(name, path=os.path.expanduser("~/go/bin"))
    if path is None:
        sys.exit(f"{name} is not on PATH: {how}")
    return path


def protoset(path: str) -> None:
    """Writes the description of Predict that ghz reads."""
    from google.protobuf import descriptor_pb2
    from tensorflow_serving.apis import predict_pb2

    files = descriptor_pb2.FileDescriptorSet()
    seen = set()

    def add(file: Any) -> None:
        if file.name not in seen:
            seen.add(file.name)
            for dependency in file.dependencies:
                add(dependency)
            files.file.append(descriptor_pb2.FileDescriptorProto.FromString(file.serialized_pb))

    predict = predict_pb2.PredictRequest.DESCRIPTOR.file
    add(predict)
    service_file = files.file.add(name="service.proto", package="tensorflow.serving", syntax="proto3")
    service_file.dependency.append(predict.name)
    method = service_file.service.add(name="PredictionService").method.add(name="Predict")
    method.input_type = ".tensorflow.serving.PredictRequest"
    method.output_type = ".tensorflow.serving.PredictResponse"
    with open(path, "wb") as file:
        file.write(files.SerializeToString())


def grpc_load(port: int, descriptions: str, request: str, *, in_flight: int, times: int) -> Load:
    """Sends the request in a file that many times. Raises RuntimeError if one failed."""
    ghz = find("ghz", "go install github.com/bojand/ghz/cmd/ghz@v0.121.0")
    command = [ghz, "--insecure", "--protoset", descriptions, "--call", CALL, "--binary-file", request]
    command += ["--disable-template-functions", "--disable-template-data"]
    command += ["-c", str(in_flight), "-n", str(times), "-O", "json", f"127.0.0.1:{port}"]
    environment = {**os.environ, **_GENERATOR_SETTINGS}
    report = json.loads(subprocess.run(command, check=True, capture_output=True, env=environment).stdout)
    if report["statusCodeDistribution"] != {"OK": times}:
        raise RuntimeError(f"ghz: {report['statusCodeDistribution']} {report.get('errorDistribution')}")
    at = {point["percentage"]: point["latency"] / 1e6 for point in report["latencyDistribution"]}
    return Load(report["rps"], at[50], at[99])


def rest_load(port: int, path: str, body: str, *, in_flight: int, seconds: float) -> Load:
    """Posts the JSON in a file for some seconds. Raises RuntimeError if a request failed."""
    wrk = find("wrk", "install the package of that name")
    script = body + ".lua"
    with open(script, "w") as file:
        file.write(_WRK_SCRIPT % body)
    command = [wrk, "-t1", f"-c{in_flight}", f"-d{seconds:g}s", "--timeout=20s", "-s", script]
    command += [f"http://127.0.0.1:{port}{path}"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rate, failed, median, p99 = map(float, output.splitlines()[-1].split())
    if failed or not rate:
        raise RuntimeError(f"wrk: {output}")
    return Load(rate, median / 1e3, p99 / 1e3)


_WRK_SCRIPT = """
local file = io.open("%s")
wrk.method, wrk.body = "POST", file:read("*a")
wrk.headers["Content-Type"] = "application/json"
function done(summary, latency)
  local e = summary.errors
  print(string.format("%%f %%d %%f %%f", summary.requests / summary.duration * 1e6,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(99)))
end
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextlib.contextmanager
def process(
    command: Sequence[str],
    port: int,
    probe: tuple[str, str] | None,
    *,
    folder: str,
    log_folder: str = "",
    settings: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """Runs a server until the block ends.

    Args:
        command: what is run.
        port: where it listens.
        probe: a path and a file of JSON; the block begins once it is answered. None: once the port is open.
        folder: where it runs.
        log_folder: where its output goes; ``folder`` by default.
        settings: further environment variables.
    """
    environment = {**os.environ, **(settings or {})}
    with open(os.path.join(log_folder or folder, f"server-{port}.log"), "w+") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, process_group=0)
        try:
            _wait_for_answer(server, port, probe, log.name)
            yield
        finally:
            _end(server)


def _end(server: subprocess.Popen[bytes]) -> None:
    """Ends a server with all the processes it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(20)
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def _wait_for_answer(server: subprocess.Popen[bytes], port: int, probe: tuple[str, str] | None, log: str) -> None:
    deadline = time.monotonic() + 180
    said = ""
    while time.monotonic() < deadline and server.poll() is None:
        said = _ask(port, probe)
        if not said:
            return
        time.sleep(0.2)
    with open(log) as file:
        raise RuntimeError(f"the server on port {port} does not answer ({said}):\n{file.read()[-3000:]}")


def _ask(port: int, probe: tuple[str, str] | None) -> str:
    """Why the server does not answer yet; empty if it does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.connect()
        if probe is None:
            return ""
        path, body = probe
        with open(body, "rb") as file:
            connection.request("POST", path, file.read(), {"Content-Type": "application/json"})
        response = connection.getresponse()
        return "" if response.status == 200 else f"{response.status} {response.read()[:500]!r}"
    except OSError as error:
        return str(error)
    finally:
        connection.close()
