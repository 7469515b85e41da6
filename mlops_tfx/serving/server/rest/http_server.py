"""The HTTP server: aiohttp in a thread of its own; others answer requests, but for small ones that await a batch."""

from __future__ import annotations

import asyncio
import gzip
import logging
import re
import socket
import ssl
import threading
import time
from dataclasses import replace
from typing import Any

import grpc
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from mlops_tfx.serving.server import statuses
from mlops_tfx.serving.server.calls import header_text
from mlops_tfx.serving.server.rest.bodies import BodyReader, TooLargeError
from mlops_tfx.serving.server.rest.handler import Answer, RestHandler, failure
from mlops_tfx.serving.server.waiting import start
from mlops_tfx.serving.server.workers import Workers

_log = logging.getLogger(__name__)

_GZIP_FROM = 1024
_NOT_AT_ALL = re.compile(r"q=0(\.0*)?")
# Connections at once, as far as the process may have files: the other half is for models and gRPC.
_MOST_CONNECTIONS = 10_000
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}


class HttpServer:
    """Listens on a port.

    Args:
        handler: answers the requests.
        host: the address to listen on.
        port: 0 for any free one.
        threads: how many requests are answered at once.
        timeout: seconds after which a request is given up.
        max_pending: requests, running and waiting, from which on more are refused.
        max_bytes: the largest body that is taken.
        idle: seconds after which a connection is closed that sends nothing, or not the whole head of a request.
        at_once: the largest body of a POST that is read and decoded in the loop's own thread, for a handler whose
            requests then wait elsewhere, for a batch; 0 for none.
        cors: whether answers may be read by pages of any origin.
        tls: a context for HTTPS; None for HTTP.
    """

    def __init__(
        self,
        handler: RestHandler,
        host: str,
        port: int,
        *,
        threads: int,
        timeout: float,
        idle: float,
        max_pending: int,
        max_bytes: int,
        cors: bool,
        at_once: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._handler = handler
        self._host, self._port = host, port
        self._timeout, self._idle = timeout, idle
        self._bodies = BodyReader(max_bytes, timeout)
        self._max_pending = max_pending
        self._at_once = at_once
        self._pending = 0
        self._cors = _CORS if cors else {}
        self._tls = tls
        self._workers = Workers(threads, "rest")
        self._lock = threading.Lock()
        self._answered: list[tuple[asyncio.Future[Answer], Answer]] = []
        self._loop = asyncio.new_event_loop()
        self._server: Any = None
        self._site: Any = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="http", daemon=True)

    @property
    def port(self) -> int:
        """The port that the server listens on; 0 before it is started."""
        return self._port if self._site is not None else 0

    def start(self) -> None:
        """Listens. Raises OSError if the port is taken."""
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        except BaseException:
            self._end()
            raise

    async def _listen(self) -> None:
        self._server = web.Server(self._handle, keepalive_timeout=self._idle, access_log=None, logger=_connection_log())
        self._most_connections = min(_MOST_CONNECTIONS, _file_limit() // 2)
        self._site = await self._loop.create_server(
            self._connect, self._host, self._port, ssl=self._tls, backlog=1024, reuse_port=False
        )
        for listening in self._site.sockets:
            _give_up_unread_answers(listening, self._timeout)
        self._port = self._site.sockets[0].getsockname()[1]

    def _connect(self) -> asyncio.BaseProtocol:
        return self._server() if len(self._server.connections) < self._most_connections else _Refusing()

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        if request.method == "OPTIONS":
            return self._preflight(request)
        try:
            body = await self._bodies.read(request)
        except TooLargeError as error:
            return self._respond(Answer(413, failure(statuses.invalid(str(error))).body))
        except statuses.StatusError as error:
            return self._respond(failure(error))
        if self._pending >= self._max_pending:
            full = statuses.StatusError(grpc.StatusCode.UNAVAILABLE, "too many requests are waiting")
            return self._respond(failure(full))
        return self._respond(await self._run(request, body))

    async def _run(self, request: web.BaseRequest, body: bytes) -> Answer:
        """Has a worker answer, for as long as the client is to wait."""
        answered: asyncio.Future[Answer] = self._loop.create_future()
        self._pending += 1
        job = self._answer(request, body, time.monotonic() + self._timeout, answered)
        if request.method == "POST" and len(body) <= self._at_once:
            start(job)
        else:
            self._workers.run(lambda: start(job))
        late = self._loop.call_later(self._timeout, self._give_up, answered)
        try:
            return await answered
        finally:
            late.cancel()

    async def _answer(
        self, request: web.BaseRequest, body: bytes, deadline: float, answered: asyncio.Future[Answer]
    ) -> None:
        """Answers a request, in any thread."""
        answer = await self._handler.answer(request.method, request.rel_url.raw_path, body, deadline)
        if len(answer.body) >= _GZIP_FROM and _takes_gzip(request.headers.get("Accept-Encoding", "")):
            answer = replace(answer, body=gzip.compress(answer.body, compresslevel=1), encoding="gzip")
        with self._lock:
            self._answered.append((answered, answer))
            # The loop is woken once for all answers that come until it looks.
            wake = len(self._answered) == 1
        if wake:
            self._loop.call_soon_threadsafe(self._send)

    def _send(self) -> None:
        """Hands out the answers that have come."""
        with self._lock:
            come, self._answered = self._answered, []
        for answered, answer in come:
            # Counted until here, also if nobody waits for it any more.
            self._pending -= 1
            if not answered.done():
                answered.set_result(answer)

    def _give_up(self, answered: asyncio.Future[Answer]) -> None:
        text = f"Timed out after {self._timeout:g} s"
        if not answered.done():
            answered.set_result(failure(statuses.StatusError(grpc.StatusCode.DEADLINE_EXCEEDED, text)))

    def _preflight(self, request: web.BaseRequest) -> web.Response:
        if not request.headers.get("Origin", "").startswith(("http://", "https://")):
            return self._respond(failure(statuses.invalid("Origin header is missing in CORS preflight")))
        return self._respond(Answer(200, b""))

    def _respond(self, answer: Answer) -> web.Response:
        headers = {"Content-Type": answer.content_type, **self._cors}
        for name, text in answer.notes:
            headers[name] = header_text(text)
        if answer.encoding:
            headers["Content-Encoding"] = answer.encoding
        return web.Response(status=answer.status, body=answer.body, headers=headers)

    def stop(self, drain_seconds: float) -> None:
        """Takes no new connections, lets requests in flight finish within ``drain_seconds``, and ends."""
        asyncio.run_coroutine_threadsafe(self._close(drain_seconds), self._loop).result()
        self._end()

    async def _close(self, drain_seconds: float) -> None:
        self._site.close()
        self._server.pre_shutdown()
        await self._server.shutdown(drain_seconds)

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._workers.stop()
        self._loop.close()


def _takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding has gzip, and not with the weight zero."""
    for part in accepted.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() == "gzip":
            return not _NOT_AT_ALL.fullmatch(weight.strip())
    return False


class _Refusing(asyncio.Protocol):
    """Ends a connection at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ends it."""
        if isinstance(transport, asyncio.Transport):
            transport.abort()


def _connection_log() -> logging.Logger:
    # aiohttp logs the stack of whatever a client sends that is not HTTP; it is the client's fault, and may be many.
    log = _log.getChild("connections")
    if not log.filters:
        log.addFilter(_is_own_fault)
    return log


def _is_own_fault(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | web.RequestPayloadError | ConnectionError)


def _give_up_unread_answers(listening: Any, seconds: float) -> None:
    """Lets the system end connections whose clients take nothing for so long; they inherit it from where they came."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is not None:
        listening.setsockopt(socket.IPPROTO_TCP, option, int(seconds * 1e3))


def _file_limit() -> int:
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2 * _MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else soft
