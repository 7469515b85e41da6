"""HTTP connections: blocking with the standard library's http.client, asynchronous with aiohttp."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import socket
import ssl
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import grpc

from mlops_tfx.errors import ServingError
from mlops_tfx.serving.clients.conversation import Deadline, Home, closed
from mlops_tfx.serving.clients.protocol import unreachable, untrusted
from mlops_tfx.serving.clients.rest_protocol import HttpAnswer, HttpRequest, raise_for_status
from mlops_tfx.serving.clients.tls import Tls

_FLAG = "--rest_api_port=8501"
# What a connection answers that the server has closed while nobody used it.
_STALE = (http.client.RemoteDisconnected, http.client.BadStatusLine, ConnectionError, ssl.SSLEOFError)
_PIECE = 1 << 18


class Address:
    """Where a REST server is: ``host:port``, or a URL whose path stands before ``/v1``. Raises ValueError."""

    def __init__(self, text: str, tls: Tls | None) -> None:
        parts = urlsplit(text if "://" in text else f"{'https' if tls else 'http'}://{text}")
        if parts.username is not None:
            raise ValueError(
                "expected an address without user and password, which go into headers={'authorization': ...}"
            )
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"expected host:port, http://... or https://..., received address={text!r}")
        if tls is not None and parts.scheme == "http":
            raise ValueError(f"expected an address with https for tls, received address={text!r}")
        self.text = text
        self.host = parts.hostname
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self.prefix = parts.path.rstrip("/")
        self.context = (tls or Tls()).http_context() if parts.scheme == "https" else None
        self.server_name = tls.server_name if tls is not None and tls.server_name else self.host
        self.url = f"{parts.scheme}://{parts.netloc}{self.prefix}"

    def connect(self, deadline: Deadline) -> http.client.HTTPConnection:
        """Returns a connection to the first of the host's addresses that takes one. Raises OSError."""
        connection = (
            http.client.HTTPConnection(self.host, self.port)
            if self.context is None
            else http.client.HTTPSConnection(self.host, self.port, context=self.context)
        )
        connection.sock = self._open(deadline)
        return connection

    def _open(self, deadline: Deadline) -> socket.socket:
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        for index, (family, kind, number, _, address) in enumerate(found):
            left, rest = deadline.left(), len(found) - index
            opened = socket.socket(family, kind, number)
            try:
                # An address that does not answer leaves time for the others.
                opened.settimeout(None if left is None else left / rest)
                opened.connect(address)
            except OSError:
                opened.close()
                if rest == 1:
                    raise
                continue
            return self._secure(opened, deadline)
        raise OSError(f"{self.host} has no address")

    def _secure(self, opened: socket.socket, deadline: Deadline) -> socket.socket:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.context is None:
            return opened
        opened.settimeout(deadline.left())
        try:
            return self.context.wrap_socket(opened, server_hostname=self.server_name)
        except BaseException:
            opened.close()
            raise


class BlockingHttp:
    """Sends over connections that are kept: as many as there are requests at one time, at most ``connections`` idle."""

    def __init__(self, address: Address, *, connections: int, headers: Mapping[str, str]) -> None:
        self._address = address
        self._keep = connections
        self._headers = dict(headers)
        self._closed = False
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        self._process = os.getpid()

    def _leave_parent(self) -> None:
        """Starts anew in a process that was forked: the connections are the parent's, which reads their answers."""
        if self._process == os.getpid():
            return
        for connection in self._idle:
            connection.close()
        # The lock may have been held by a thread that is not here.
        self._idle, self._lock, self._process = [], threading.Lock(), os.getpid()

    def send(self, request: HttpRequest, timeout: float | None) -> HttpAnswer:
        """Returns the answer. Raises ServingError."""
        if self._closed:
            raise closed()
        self._leave_parent()
        deadline = Deadline(timeout)
        try:
            return raise_for_status(self._send(request, deadline))
        except (OSError, http.client.HTTPException) as error:
            raise self._explain(error, timeout) from error

    def _send(self, request: HttpRequest, deadline: Deadline) -> HttpAnswer:
        with self._lock:
            kept = self._idle.pop() if self._idle else None
        if kept is not None:
            with contextlib.suppress(*_STALE):
                return self._exchange(kept, request, deadline)
        return self._exchange(self._address.connect(deadline), request, deadline)

    def _exchange(self, connection: http.client.HTTPConnection, request: HttpRequest, deadline: Deadline) -> HttpAnswer:
        sock = connection.sock
        sock.settimeout(deadline.left())
        method = "GET" if request.body is None else "POST"
        headers = {"Content-Type": "application/json", **self._headers} if request.body else self._headers
        try:
            connection.request(method, self._address.prefix + request.path, request.body, headers)
            sock.settimeout(deadline.left())
            response = connection.getresponse()
            body = _read(response, sock, deadline)
        except BaseException:
            connection.close()
            raise
        self._put_back(connection)
        return HttpAnswer(response.status, body, {name.lower(): text for name, text in response.getheaders()})

    def _put_back(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if connection.sock is not None and len(self._idle) < self._keep and not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def _explain(self, error: Exception, timeout: float | None) -> ServingError:
        text = self._address.text
        if isinstance(error, TimeoutError):
            return ServingError(grpc.StatusCode.DEADLINE_EXCEEDED, f"no answer from {text} in {timeout} s")
        if isinstance(error, ssl.SSLError):
            return untrusted(text, str(error))
        if isinstance(error, (ConnectionRefusedError, socket.gaierror)):
            return unreachable(text, str(error), _FLAG)
        return ServingError(grpc.StatusCode.UNAVAILABLE, f"{text}: {type(error).__name__}: {error}")

    def close(self) -> None:
        """Closes the connections."""
        self._leave_parent()
        with self._lock:
            idle, self._idle, self._closed = self._idle, [], True
        for connection in idle:
            connection.close()


def _read(response: http.client.HTTPResponse, sock: socket.socket, deadline: Deadline) -> bytes:
    """The body; a server that sends it drop by drop does not get more time than others."""
    pieces = []
    while piece := response.read1(_PIECE):
        pieces.append(piece)
        if response.isclosed():
            break
        if deadline.is_over:
            raise TimeoutError
        sock.settimeout(deadline.left())
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    response.close()
    return b"".join(pieces)


class AsyncHttp:
    """Sends within an event loop, over at most ``connections`` connections at a time."""

    def __init__(self, address: Address, *, connections: int, headers: Mapping[str, str]) -> None:
        self._address = address
        self._connections = connections
        self._headers = dict(headers)
        self._session: Any = None
        self._home = Home()

    def _open(self) -> Any:
        # aiohttp takes a tenth of a second to import, and a session wants a running loop.
        import aiohttp

        self._home.enter()
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._connections)
            self._session = aiohttp.ClientSession(connector=connector, headers=self._headers)
        return self._session

    async def send(self, request: HttpRequest, timeout: float | None) -> HttpAnswer:
        """Returns the answer. Raises ServingError."""
        session = self._open()
        import aiohttp
        import yarl

        url = yarl.URL(self._address.url + request.path, encoded=True)
        options: dict[str, Any] = {"timeout": aiohttp.ClientTimeout(total=timeout), "allow_redirects": False}
        if self._address.context is not None:
            options |= {"ssl": self._address.context, "server_hostname": self._address.server_name}
        if request.body is not None:
            options |= {"data": request.body, "headers": {"Content-Type": "application/json"}}
        try:
            async with session.request("GET" if request.body is None else "POST", url, **options) as response:
                body = await response.read()
                headers = {name.lower(): text for name, text in response.headers.items()}
        except asyncio.TimeoutError as error:
            text = f"no answer from {self._address.text} in {timeout} s"
            raise ServingError(grpc.StatusCode.DEADLINE_EXCEEDED, text) from error
        except (aiohttp.ClientSSLError, ssl.SSLError) as error:
            raise untrusted(self._address.text, str(error)) from error
        except aiohttp.ClientConnectorError as error:
            raise unreachable(self._address.text, str(error), _FLAG) from error
        except (aiohttp.ClientError, OSError) as error:
            if "[SSL" in str(error):  # in an error of aiohttp's own
                raise untrusted(self._address.text, str(error)) from error
            text = f"{self._address.text}: {type(error).__name__}: {error}"
            raise ServingError(grpc.StatusCode.UNAVAILABLE, text) from error
        return raise_for_status(HttpAnswer(response.status, body, headers))

    async def close(self) -> None:
        """Closes the connections."""
        self._home.leave()
        if self._session is not None:
            await self._session.close()
            self._session = None
