"""An HTTP proxy on loopback that counts requests, and that fails, stalls or hangs up where it is told to."""

from __future__ import annotations

import http.client
import http.server
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

Fault = Callable[[http.server.BaseHTTPRequestHandler], bool]
"""Looks at a request; answers it in its own way and returns True, or leaves it alone and returns False."""


@dataclass(frozen=True)
class Request:
    """What the proxy saw of a request, and how many bytes of body went back."""

    method: str
    path: str
    signed: bool
    sent: int = 0


def answers(status: int, code: str, times: int | None = None, *, matching: str = "") -> Fault:
    """A fault: the first ``times`` requests (None: all) whose line contains ``matching`` get this answer."""
    left = _Countdown(times)

    def fault(handler: http.server.BaseHTTPRequestHandler) -> bool:
        if matching not in f"{handler.command} {handler.path}" or not left.take():
            return False
        _drain(handler)
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>asked to fail</Message></Error>".encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/xml")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)
        return True

    return fault


def hangs_up(times: int | None = None, *, matching: str = "") -> Fault:
    """A fault: the connection is reset before an answer."""
    left = _Countdown(times)

    def fault(handler: http.server.BaseHTTPRequestHandler) -> bool:
        if matching not in f"{handler.command} {handler.path}" or not left.take():
            return False
        # A linger of zero seconds makes close() send RST instead of FIN.
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = True
        return True

    return fault


def stalls(until: threading.Event, times: int | None = None, *, matching: str = "") -> Fault:
    """A fault: no answer comes until the event is set; then the connection ends."""
    left = _Countdown(times)

    def fault(handler: http.server.BaseHTTPRequestHandler) -> bool:
        if matching not in f"{handler.command} {handler.path}" or not left.take():
            return False
        until.wait(300)
        handler.close_connection = True
        return True

    return fault


class FaultyProxy:
    """Forwards requests to a server, unless ``fault`` is set and takes them."""

    def __init__(self, host: str, port: int) -> None:
        self.fault: Fault | None = None
        self.requests: list[Request] = []
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:  # the client gave up, as it may
                    self.close_connection = True

            def log_message(self, format: str, *arguments: object) -> None:
                return

            def forward(self) -> None:
                if proxy.fault is not None and proxy.fault(self):
                    proxy._record(self, 0)
                    return
                proxy._record(self, _forward(self, host, port))

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = forward

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def bytes_read(self) -> int:
        """Bytes of objects that went to clients."""
        return sum(
            request.sent for request in self.requests if request.method == "GET" and "list-type" not in request.path
        )

    def _record(self, handler: http.server.BaseHTTPRequestHandler, sent: int) -> None:
        signed = handler.headers.get("Authorization") is not None
        self.requests.append(Request(handler.command, handler.path, signed, sent))

    def __enter__(self) -> FaultyProxy:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Countdown:
    def __init__(self, times: int | None) -> None:
        self._left = times
        self._lock = threading.Lock()

    def take(self) -> bool:
        if self._left is None:
            return True
        with self._lock:
            self._left -= 1
            return self._left >= 0


def _drain(handler: http.server.BaseHTTPRequestHandler) -> bytes:
    # pyarrow 25 sends parts in chunks, with a checksum at the end; http.server leaves chunks to its users.
    if handler.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
    body = b""
    while size := int(handler.rfile.readline().split(b";")[0], 16):
        body += handler.rfile.read(size)
        handler.rfile.readline()
    while handler.rfile.readline().strip():
        continue
    return body


def _forward(handler: http.server.BaseHTTPRequestHandler, host: str, port: int) -> int:
    body = _drain(handler)
    connection = http.client.HTTPConnection(host, port, timeout=120)
    hop = {"connection", "expect", "transfer-encoding"}
    headers = {name: value for name, value in handler.headers.items() if name.lower() not in hop}
    connection.request(handler.command, handler.path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    handler.send_response_only(answer.status)
    for name, value in answer.getheaders():
        if name.lower() not in {*hop, "content-length"}:
            handler.send_header(name, value)
    handler.send_header("Content-Length", answer.getheader("Content-Length") or str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)
    connection.close()
    return len(content)
