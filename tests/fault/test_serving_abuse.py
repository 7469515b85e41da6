"""Clients that stall, vanish or send too much, and a full log disk: the server answers others, and keeps nothing."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import resource
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from tests.conformance.serving import models
from tests.fault.serving_fuzz.server_process import ServerProcess, wait_for

PREDICT = "/tensorflow.serving.PredictionService/Predict"
LIMIT = 8 << 20
HALF = "/v1/models/half:predict"
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Two threads for gRPC, and little patience."""
    root = tmp_path_factory.mktemp("abused")
    models.save_half_plus_two(root / "half" / "123")
    models.save_kinds(root / "kinds" / "1")
    (root / "models.config").write_text(models.configuration({name: root / name for name in ("half", "kinds")}))
    (root / "monitoring.config").write_text("prometheus_config { enable: true }")
    (root / "logging.config").write_text(
        f"log_collector_config {{ type: 'tfrecord' filename_prefix: '{root}/logs' }} "
        "sampling_config { sampling_rate: 1 }"
    )
    flags = {
        "model_config_file": root / "models.config", "monitoring_config_file": root / "monitoring.config",
        "logging_config_file": root / "logging.config", "request_log_max_file_bytes": 50_000,
        "max_message_bytes": LIMIT, "grpc_max_threads": 2, "grpc_message_timeout_in_ms": 3000,
        "rest_api_timeout_in_ms": 1500, "rest_api_idle_timeout_in_ms": 1500,
    }  # fmt: skip
    server = ServerProcess(*(f"--{name}={value}" for name, value in flags.items()))
    try:
        assert wait_for(lambda: server.log().count("is available") == 2, 120), server.log()
        # As many threads as there will be, and a log file for each model.
        body = b'{"signature_name": "count", "inputs": 1}'
        with ThreadPoolExecutor(32) as pool:
            answers = pool.map(lambda _: post(server, "/v1/models/kinds:predict", body), range(64))
        assert {status for status, _ in answers} == {200}
        yield server
    finally:
        assert server.stop() == 0


def request_of(model: str, signature: str, **inputs: Any) -> bytes:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return bytes(request.SerializeToString())


def assert_answers(server: ServerProcess) -> None:
    """Both ports answer a good request soon."""
    with grpc.insecure_channel(server.address) as channel:
        data = channel.unary_unary(PREDICT)(request_of("half", "", x=np.float32([2, 3, 4])), timeout=20)
    assert list(predict_pb2.PredictResponse.FromString(data).outputs["y"].float_val) == [3.0, 3.5, 4.0]
    # On a busy machine what was abandoned may be computed for longer than this server lets a request wait.
    assert wait_for(lambda: post(server, HALF, b'{"instances": [2.0]}')[0] == 200, 20)


def post(server: ServerProcess, path: str, body: bytes, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("localhost", server.rest_port, timeout=60)
    try:
        connection.request("POST", path, body, {name.replace("_", "-"): text for name, text in headers.items()})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.fixture
def settles(server: ServerProcess) -> Iterator[None]:
    """What the server has afterwards is what it had before."""
    assert_answers(server)
    before = server.use()
    yield
    assert_answers(server)
    wait_for(lambda: server.use().files <= before.files and server.use().threads <= before.threads, 30)
    after = server.use()
    assert after.files <= before.files + 1
    assert after.threads <= before.threads + 2
    assert server.is_running()
    assert "Traceback" not in server.log()


def test_requests_whose_message_does_not_come(server: ServerProcess, settles: None) -> None:
    never = threading.Event()

    def nothing() -> Iterator[bytes]:
        never.wait(60)
        yield from ()

    with grpc.insecure_channel(server.address) as channel:
        calls = [channel.stream_unary(PREDICT).future(nothing(), timeout=60) for _ in range(40)]
        # Twenty times as many as there are threads.
        assert_answers(server)
        codes = [call.exception(timeout=60).code() for call in calls]
        never.set()
    assert set(codes) == {grpc.StatusCode.CANCELLED}
    assert "a request is cancelled: its message has not come" in server.log()


def test_connections_that_send_nothing(server: ServerProcess, settles: None) -> None:
    ports = [server.port, server.rest_port] * 30
    beginnings = [
        b"",
        b"PRI * HTTP/2.0\r\n",
        b"POST /v1/mod",
        b"POST " + HALF.encode() + b" HTTP/1.1\r\nHost: x\r\nX: ",
    ]
    opened = [socket.create_connection(("localhost", port), timeout=30) for port in ports]
    for index, connection in enumerate(opened):
        connection.sendall(beginnings[index % len(beginnings)])
    assert_answers(server)
    for connection, port in zip(opened, ports, strict=True):
        if port == server.rest_port:
            # Closed, with or without an answer.
            while connection.recv(1 << 16):
                pass
        connection.close()


def test_bodies_that_come_too_slowly(server: ServerProcess, settles: None) -> None:
    head = f"POST {HALF} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode()
    opened = [socket.create_connection(("localhost", server.rest_port), timeout=30) for _ in range(30)]
    for connection in opened:
        connection.sendall(head + b'{"instances')
    assert_answers(server)
    for connection in opened:
        received = connection.recv(1 << 16)
        assert received.startswith(b"HTTP/1.1 504 ")
        assert b"did not come in time: 11 bytes of it did" in received
        connection.close()


def test_answers_that_nobody_reads(server: ServerProcess, settles: None) -> None:
    body = json.dumps({"signature_name": "same_float32", "instances": [0.123] * 1_000_000}).encode()
    head = f"POST /v1/models/kinds:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    before = server.use().files
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("localhost", server.rest_port))
        connection.sendall(head + body)
        # Closed by the system, while this end still is open.
        assert wait_for(lambda: server.use().files > before, 30)
        assert wait_for(lambda: server.use().files <= before, 60)


def test_clients_that_vanish(server: ServerProcess, settles: None) -> None:
    count = request_of("kinds", "count", n=np.int32(20_000))
    for _ in range(30):
        channel = grpc.insecure_channel(server.address)
        call = channel.unary_unary(PREDICT).future(count, timeout=60)
        channel.close()
        assert call.exception() is not None
    body = json.dumps({"signature_name": "count", "inputs": 20_000}).encode()
    head = f"POST /v1/models/kinds:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for sent in (head + body, head + body[:5], head[:20]) * 10:
        connection = socket.create_connection(("localhost", server.rest_port), timeout=30)
        connection.sendall(sent)
        # Without a farewell: the other end gets a reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


def test_giant_tensors(server: ServerProcess, settles: None) -> None:
    fits = np.arange((LIMIT - 1000) // 4, dtype=np.float32)
    with grpc.insecure_channel(server.address, UNLIMITED) as channel:
        predict = channel.unary_unary(PREDICT)
        answer = predict_pb2.PredictResponse.FromString(
            predict(request_of("kinds", "same_float32", v=fits), timeout=60)
        )
        np.testing.assert_array_equal(tf.make_ndarray(answer.outputs["v"]), fits)
        with pytest.raises(grpc.RpcError) as caught:
            predict(request_of("kinds", "same_float32", v=np.zeros(LIMIT, np.float32)), timeout=60)
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert post(server, HALF, b" " * (LIMIT + 1))[0] == 413
    assert post(server, HALF, b" " * (LIMIT - 1)) == (
        400,
        b'{\n    "error": "JSON Parse error: The document is empty. at offset: %d"\n}' % (LIMIT - 1),
    )


def test_a_burst_is_answered(server: ServerProcess, settles: None) -> None:
    """More at once than the C core of gRPC lets wait by itself: it would cancel some of them by chance."""
    request = request_of("half", "", x=np.float32([2]))
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.insecure_channel(server.address, options) for _ in range(4)]
    asked = [channels[number % 4].unary_unary(PREDICT).future(request, timeout=100) for number in range(6000)]
    outcomes = {call.exception() and call.code().name for call in asked}
    for channel in channels:
        channel.close()
    assert outcomes == {None}


def test_declared_sizes_without_content(server: ServerProcess, settles: None) -> None:
    before = server.use().memory
    for shape in ([1 << 62], [1 << 20, 1 << 20], [0, 1 << 62, 1 << 62], [1 << 26], [1] * 300, [2] * 100):
        request = predict_pb2.PredictRequest.FromString(request_of("kinds", "same_float32", v=np.float32(1)))
        for size in shape:
            request.inputs["v"].tensor_shape.dim.add().size = size
        with grpc.insecure_channel(server.address) as channel, pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(PREDICT)(request.SerializeToString(), timeout=60)
        assert (caught.value.code().name, caught.value.details()) == ("INVALID_ARGUMENT", "tensor parsing error: v")
    # The smallest of the sizes that are claimed is 256 MiB; what the first requests leave behind is less.
    assert server.use().memory < before + (200 << 20)


def test_bodies_that_grow(server: ServerProcess, settles: None) -> None:
    bomb = gzip.compress(b"0" * (200 << 20), 1)
    assert len(bomb) < 2 << 20
    status, body = post(server, HALF, bomb, Content_Encoding="gzip")
    assert (status, json.loads(body)["error"]) == (413, f"the body is larger than {LIMIT} bytes")
    status, body = post(server, HALF, b"no gzip at all", Content_Encoding="gzip")
    assert (status, json.loads(body)["error"][:39]) == (400, "The body of the request cannot be read:")


def test_a_context_in_very_many_examples(server: ServerProcess, settles: None) -> None:
    from tensorflow_serving.apis import regression_pb2

    request = regression_pb2.RegressionRequest()
    request.model_spec.name, request.model_spec.signature_name = "half", "regress_x_to_y"
    examples = request.input.example_list_with_context
    examples.context.features.feature["y"].bytes_list.value.append(b"y" * (1 << 20))
    for _ in range(1000):
        examples.examples.add()
    with grpc.insecure_channel(server.address) as channel, pytest.raises(grpc.RpcError) as caught:
        method = "/tensorflow.serving.PredictionService/Regress"
        channel.unary_unary(method)(request.SerializeToString(), timeout=60)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "takes more than 268435456 bytes in 1000 examples" in caught.value.details()


def test_metrics_of_many_names(server: ServerProcess, settles: None) -> None:
    with grpc.insecure_channel(server.address) as channel:
        predict = channel.unary_unary(PREDICT)
        for start in range(0, 3000, 100):
            names = [f"{number}{'x' * 1000}" for number in range(start, start + 100)]
            calls = [predict.future(request_of(name, ""), timeout=60) for name in names]
            assert {call.exception().code() for call in calls} == {grpc.StatusCode.NOT_FOUND}
    assert len(metrics(server)) < 3 << 20
    assert 'request_count{model_name="(others)",status="(others)"}' in metrics(server)


def metrics(server: ServerProcess) -> str:
    connection = http.client.HTTPConnection("localhost", server.rest_port, timeout=60)
    connection.request("GET", "/monitoring/prometheus/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def test_a_full_log_disk(server: ServerProcess) -> None:
    # A file may not grow any more: to who writes it is what a full disk is, and its own log is such a file as well.
    failed = re.compile(r'request_log_count{model_name="half",status_code="INTERNAL"} (\d+)')
    before = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    try:
        for _ in range(20):
            status, _ = post(server, HALF, json.dumps({"instances": [0.5] * 10_000}).encode())
            assert status == 200
        assert wait_for(lambda: failed.search(metrics(server)), 60)
        assert_answers(server)
    finally:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, before)
    assert server.is_running()
