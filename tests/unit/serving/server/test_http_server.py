"""Which thread of the HTTP server answers what; that it answers right is for the conformance tests."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from mlops_tfx.serving.server.calls import header_text
from mlops_tfx.serving.server.rest.handler import Answer
from mlops_tfx.serving.server.rest.http_server import HttpServer
from mlops_tfx.serving.server.waiting import Waiting

TIMEOUT = 30


class Handler:
    """Answers with the name of the thread that began the request; ``/wait`` is answered by another one, later."""

    def __init__(self) -> None:
        self.waiting = Waiting()
        self.entered = threading.Event()

    async def answer(self, method: str, path: str, body: bytes, deadline: float) -> Answer:
        name = threading.current_thread().name
        if path == "/wait":
            self.entered.set()
            await self.waiting
            name += f", then {threading.current_thread().name}"
        return Answer(200, name.encode(), "text/plain")


def make(at_once: int) -> tuple[Handler, HttpServer]:
    handler: Any = Handler()
    server = HttpServer(
        handler, "localhost", 0, threads=2, timeout=TIMEOUT, idle=TIMEOUT, max_pending=10, max_bytes=1 << 20,
        cors=False, at_once=at_once,
    )  # fmt: skip
    server.start()
    return handler, server


@pytest.fixture
def at_once() -> Iterator[tuple[Handler, HttpServer]]:
    handler, server = make(100)
    yield handler, server
    server.stop(0)


def ask(server: HttpServer, method: str, path: str = "/", size: int = 0) -> str:
    connection = http.client.HTTPConnection("localhost", server.port, timeout=TIMEOUT)
    try:
        connection.request(method, path, b"x" * size)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def test_small_posts_are_read_in_the_loop_and_the_rest_elsewhere(at_once: tuple[Handler, HttpServer]) -> None:
    _, server = at_once
    assert ask(server, "POST", size=100) == "http"
    assert ask(server, "POST", size=101) == "rest"
    assert ask(server, "GET") == "rest"


def test_nothing_is_read_in_the_loop_unless_it_is_said(request: pytest.FixtureRequest) -> None:
    _, server = make(0)
    request.addfinalizer(lambda: server.stop(0))
    assert ask(server, "POST", size=1) == "rest"


def test_the_loop_goes_on_while_a_request_waits(at_once: tuple[Handler, HttpServer]) -> None:
    handler, server = at_once
    answers: list[str] = []
    client = threading.Thread(target=lambda: answers.append(ask(server, "POST", "/wait", 5)))
    client.start()
    assert handler.entered.wait(TIMEOUT)
    assert ask(server, "POST", size=1) == "http"
    threading.Thread(target=handler.waiting.end, name="batch").start()
    client.join(TIMEOUT)
    assert answers == ["http, then batch"]


def test_notes_are_the_same_in_headers_and_trailers() -> None:
    assert [header_text(text) for text in ("a b", "\xfc\n", "\u20ac")] == ["a b", "\\xfc\\n", "\\u20ac"]
