"""The HTTP port as clients of all kinds use it, byte by byte over raw sockets."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.serving.test_rest import Rest

BODY = b'{"instances": [2.0, 3.0]}'
ANSWER = b'{"predictions":[3.0,3.5]}'
POST = b"POST /v1/models/half_plus_two:predict HTTP/1.1\r\nHost: x\r\n"
LENGTH = b"Content-Length: %d\r\n\r\n" % len(BODY)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.fixture(scope="module")
def port(half_plus_two: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    from mlops_tfx.serving.server import ModelServer

    monitoring = tmp_path_factory.mktemp("monitoring") / "monitoring.config"
    monitoring.write_text("prometheus_config { enable: true path: '/metrics' }")
    server = ModelServer(
        model_name="half_plus_two", model_base_path=str(half_plus_two), port=0, rest_api_port=-1,
        monitoring_config_file=str(monitoring), max_message_bytes=1 << 16,
    )  # fmt: skip
    with server:
        server.wait_until_available()
        yield server.rest_port


@pytest.fixture
def rest(port: int) -> Iterator[Rest]:
    rest = Rest(port)
    yield rest
    rest.connection.close()


class Line:
    """One connection, read up to what is expected."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("localhost", port), timeout=60)
        self.file = self.socket.makefile("rb")

    def send(self, *parts: bytes) -> None:
        self.socket.sendall(b"".join(parts))

    def head(self) -> bytes:
        """The lines up to an empty one."""
        lines = [self.file.readline()]
        while lines[-1] not in (b"\r\n", b""):
            lines.append(self.file.readline())
        return b"".join(lines)

    def answer(self) -> tuple[int, bytes]:
        """Status and body of an answer with a length."""
        head = self.head()
        (length,) = (line[16:] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length: "))
        return int(head.split()[1]), self.file.read(int(length))

    def ended(self) -> bool:
        return self.file.read(1) == b""


@pytest.fixture
def line(port: int) -> Iterator[Line]:
    line = Line(port)
    yield line
    line.file.close()
    line.socket.close()


def test_a_client_that_waits_before_it_sends_its_body(line: Line) -> None:
    # As curl does from a megabyte on: without an answer it would wait a second.
    for _ in range(2):
        line.send(POST, b"Expect: 100-continue\r\n", LENGTH)
        assert line.head() == CONTINUE
        line.send(BODY)
        assert line.answer() == (200, ANSWER)


def test_a_client_that_asks_and_does_not_wait(line: Line) -> None:
    line.send(POST, b"Expect: 100-continue\r\n", LENGTH, BODY, POST, LENGTH, BODY)
    head = line.head()
    if head == CONTINUE:
        head = line.head()
    assert head.startswith(b"HTTP/1.1 200")
    assert line.file.read(len(ANSWER)) == ANSWER
    assert line.answer() == (200, ANSWER)


def test_a_client_that_waits_is_told_at_once_that_its_body_is_too_large(line: Line) -> None:
    line.send(POST, b"Expect: 100-continue\r\nContent-Length: 100000\r\n\r\n")
    status, body = line.answer()
    assert (status, json.loads(body)) == (413, {"error": "the body is larger than 65536 bytes"})


def test_bodies_in_chunks_and_requests_ahead_of_answers(line: Line) -> None:
    rest = b"%x;name=value\r\n%b\r\n" % (len(BODY) - 5, BODY[5:])
    chunks = b"5\r\n" + BODY[:5] + b"\r\n" + rest + b"0\r\nTrailer: x\r\n\r\n"
    line.send(
        POST, b"Transfer-Encoding: chunked\r\n\r\n", chunks, POST, LENGTH, BODY, b"GET /zz HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    assert [line.answer()[0] for _ in range(3)] == [200, 200, 404]


@pytest.mark.parametrize("head", [b"HTTP/1.0\r\n", b"HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"])
def test_connections_that_end_after_the_answer(line: Line, head: bytes) -> None:
    line.send(POST.replace(b"HTTP/1.1\r\nHost: x\r\n", head), LENGTH, BODY)
    assert line.answer() == (200, ANSWER)
    assert line.ended()


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: x\r\n", b"Content-Length: 1\r\nContent-Length: 2\r\n", b"Transfer-Encoding: zz\r\n",
     b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"X" * 20_000 + b": y\r\n", b" folded\r\n"],
)  # fmt: skip
def test_heads_that_are_wrong(port: int, line: Line, head: bytes) -> None:
    line.send(POST, head, b"\r\n", BODY)
    assert line.head().startswith(b"HTTP/1.0 400") or line.ended()
    line.file.close()
    after = Line(port)
    after.send(POST, LENGTH, BODY)
    assert after.answer() == (200, ANSWER)
    after.file.close()
    after.socket.close()


def test_metrics_on_a_path_of_their_own(rest: Rest) -> None:
    status, text, headers = rest.send("GET", "/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain")
    assert b"# TYPE :tensorflow:serving:request_count counter" in text
    assert rest.send("GET", "/monitoring/prometheus/metrics")[:2] == (
        400, b'{\n    "error": "Unexpected path: /monitoring/prometheus/metrics. Should be /metrics"\n}'
    )  # fmt: skip


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_without_a_body(rest: Rest, path: str) -> None:
    assert rest.send("HEAD", path)[:2] == (200, b"")
    assert rest.send("GET", path)[:2] == (200, b"ok\n")


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [("gzip", True), ("deflate, GZIP;q=0.5", True), ("gzip;q=0", False), ("gzip; q=0.000, br", False), ("x", False)],
)
def test_answers_are_compressed_for_those_who_take_it(rest: Rest, accepted: str, compressed: bool) -> None:
    body = {"instances": [2.0] * 1000}
    status, data, headers = rest.send("POST", "/v1/models/half_plus_two:predict", body, Accept_Encoding=accepted)
    assert (status, headers["Content-Encoding"]) == (200, "gzip" if compressed else None)
    assert json.loads(gzip.decompress(data) if compressed else data) == {"predictions": [3.0] * 1000}


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_any_content_type(rest: Rest, content_type: str) -> None:
    sent: dict[str, Any] = {"Content_Type": content_type}
    assert rest.send("POST", "/v1/models/half_plus_two:predict", BODY, **sent)[:2] == (200, ANSWER)
