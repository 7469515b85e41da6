"""Switching versions under steady traffic: failed requests, latency during switches, and memory afterwards.

    python benchmarks/swap.py [--switches 200] [--rate 200] [--folder FOLDER]

A server process serves the model of benchmarks/serving.py (17 raw features through a transform graph). Clients send
rows at a fixed rate all the time, while version after version is put into the base path in one step and the one before
is removed. A request counts to a switch if it was in flight between the moment the new folder was there and the moment
the old version was freed; all others are steady. Everything shares the machine, and all figures are of one run.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, os.getcwd())

CLIENTS = 4
STEADY_SECONDS = 1.0
PREDICT = "/tensorflow.serving.PredictionService/Predict"
END, AVAILABLE = 50, 30


@dataclass
class Traffic:
    """Clients that send one request over and over at a fixed rate.

    Attributes:
        seen: start, end, version that answered, of every request.
        failed: what the others were told.
    """

    address: str
    request: bytes
    rate: float
    seen: list[tuple[float, float, int]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Traffic:
        self._threads = [threading.Thread(target=self._ask, args=(index,)) for index in range(CLIENTS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, index: int) -> None:
        import grpc

        interval = CLIENTS / self.rate
        due = time.perf_counter() + interval * index / CLIENTS
        with grpc.insecure_channel(self.address, [("grpc.client", index)]) as channel:
            predict = channel.unary_unary(PREDICT)
            while not self.stop.wait(max(due - time.perf_counter(), 0)):
                due = max(due + interval, time.perf_counter())
                start = time.perf_counter()
                try:
                    _, call = predict.with_call(self.request, timeout=30)
                except grpc.RpcError as error:
                    self.failed.append(f"{error.code()}: {error.details()}")
                    continue
                version = int(dict(call.trailing_metadata())["model-version"])
                self.seen.append((start, time.perf_counter(), version))


class Server:
    """A server process and what it says of its versions."""

    def __init__(self, base: str, flags: list[str]) -> None:
        from mlops_tfx.serving.client import Client

        self.log = tempfile.TemporaryFile("w+")
        command = [sys.executable, "-m", "mlops_tfx.serving.server", "--port=0", "--model_name=m"]
        command += [f"--model_base_path={base}", "--file_system_poll_wait_seconds=0.05", *flags]
        self.process = subprocess.Popen(command, stderr=self.log)
        port = None
        while port is None:
            if self.process.poll() is not None:
                raise RuntimeError(self._log())
            time.sleep(0.05)
            port = re.search(r"ModelServer at .*:(\d+) ", self._log())
        self.address = f"localhost:{port.group(1)}"
        self.client = Client(self.address)

    def _log(self) -> str:
        self.log.seek(0)
        return self.log.read()

    def wait_for(self, version: int, state: str) -> None:
        """Waits until a version is in a state."""
        while True:
            states = {found.version: found for found in self.client.get_model_status("m")}
            if version in states and states[version].error_message:
                raise RuntimeError(states[version].error_message)
            if version in states and states[version].state == state:
                return
            time.sleep(0.01)

    def memory(self) -> tuple[int, int]:
        """Bytes that the process has in memory: all, and those of no file, which the system cannot take away."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = dict(re.findall(r"(VmRSS|RssAnon):\s+(\d+) kB", status))
        return int(found["VmRSS"]) << 10, int(found["RssAnon"]) << 10

    def end(self) -> None:
        """Ends the process."""
        self.client.close()
        self.process.terminate()
        self.process.wait(60)


def quantile(values: list[float], share: float) -> float:
    """A quantile in milliseconds."""
    ordered = sorted(values)
    return 1e3 * ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else float("nan")


def put(model: str, base: str, version: int) -> None:
    """Makes a model a version of the base path, in one step."""
    staged = os.path.join(os.path.dirname(base), "staged")
    shutil.copytree(model, staged, copy_function=os.link)
    os.rename(staged, os.path.join(base, str(version)))


def save_model(root: str, folder: str) -> None:
    """Exports the model of benchmarks/serving.py."""
    from benchmarks import serving
    from mlops_tfx.serving.export import export_model

    graph = os.path.join(root, "transform_graph")
    serving.transform_apart(graph)
    export_model(serving.build_model(), graph, folder, label_key="label")


def request_of_one_row() -> bytes:
    """A PredictRequest as bytes."""
    import numpy as np

    from benchmarks import serving
    from mlops_tfx.serving import tensor_messages
    from mlops_tfx.serving.protos import message

    request = message("tensorflow.serving.PredictRequest")()
    request.model_spec.name = "m"
    row = [tensor_messages.encode_row(serving.ROW)]
    tensor_messages.fill_tensor(np.array(row, object), request.inputs["examples"])
    return bytes(request.SerializeToString())


def measure(model: str, root: str, switches: int, rate: float, flags: list[str]) -> None:
    """Runs the switches and prints the table."""
    base = os.path.join(root, "base")
    os.mkdir(base)
    put(model, base, 1)
    server = Server(base, flags)
    try:
        server.wait_for(1, "AVAILABLE")
        spans, memory, traffic = run(server, model, base, switches, rate)
    finally:
        server.end()
    report(spans, memory, traffic)


def run(
    server: Server, model: str, base: str, switches: int, rate: float
) -> tuple[Any, list[tuple[int, int]], Traffic]:
    """Switches from version to version; returns when each began and ended, and the memory after each."""
    spans: list[tuple[float, float]] = []
    with Traffic(server.address, request_of_one_row(), rate) as traffic:
        time.sleep(5)
        memory = [server.memory()]
        for version in range(2, switches + 2):
            time.sleep(STEADY_SECONDS)
            begun = time.perf_counter()
            put(model, base, version)
            server.wait_for(version, "AVAILABLE")
            server.wait_for(version - 1, "END")
            spans.append((begun, time.perf_counter()))
            shutil.rmtree(os.path.join(base, str(version - 1)))
            memory.append(server.memory())
    return spans, memory, traffic


def report(spans: list[tuple[float, float]], memory: list[tuple[int, int]], traffic: Traffic) -> None:
    """Prints what was measured."""
    first = spans[0][0] - 3
    during, steady = [], []
    for start, end, _ in traffic.seen:
        if start < first:
            continue
        inside = any(start < finish and end > begun for begun, finish in spans)
        (during if inside else steady).append(end - start)
    versions = [version for _, _, version in sorted(traffic.seen)]
    print(f"switches {len(spans)}, each {sum(b - a for a, b in spans) / len(spans):.2f} s on average")
    print(f"requests {len(traffic.seen)}, failed {len(traffic.failed)} {traffic.failed[:1] or ''}")
    print(f"versions that answered {len(set(versions))}")
    print(f"{'':10}{'requests':>10}{'median':>10}{'p90':>10}{'p99':>10}{'p99.9':>10}  ms")
    for name, values in (("steady", steady), ("switching", during)):
        shares = "".join(f"{quantile(values, share):10.2f}" for share in (0.5, 0.9, 0.99, 0.999))
        print(f"{name:10}{len(values):10}{shares}")
    print(f"p99 while switching over steady p99: {quantile(during, 0.99) / quantile(steady, 0.99):.2f}")
    for cycles in sorted({0, 1, min(50, len(spans)), len(spans)}):
        figures = (
            f"{now / 2**20:8.1f} MiB {now / start:6.3f}" for now, start in zip(memory[cycles], memory[0], strict=True)
        )
        print(f"memory after {cycles:3} switches {'  of no file '.join(figures)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--switches", type=int, default=200)
    parser.add_argument("--rate", type=float, default=200, help="requests a second")
    parser.add_argument(
        "--folder", default="", help="a SavedModel with serving_default over benchmarks/serving.py's rows"
    )
    parser.add_argument("--flag", action="append", default=[], help="another flag of the server")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        model = arguments.folder or os.path.join(root, "model")
        if not arguments.folder:
            save_model(root, model)
        measure(model, root, arguments.switches, arguments.rate, arguments.flag)


if __name__ == "__main__":
    main()
