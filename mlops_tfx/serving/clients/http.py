"""HTTP connections: blocking with the standard library's http.client, asynchronous with aiohttp."""

from __future__ import annotations

import asyncio
import http.client
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import grpc

from mlops_tfx.errors import ServingError
from mlops_tfx.serving.clients.protocol import unreachable
from mlops_tfx.serving.clients.rest_protocol import HttpAnswer, HttpRequest, raise_for_status
from mlops_tfx.serving.clients.tls import Tls

_FLAG = "--rest_api_port=8501"
# What a connection answers that the server has closed while nobody used it.
_STALE = (http.client.RemoteDisconnected, http.client.BadStatusLine, ConnectionResetError, BrokenPipeError)


class Address:
    """Where a REST server is: ``host:port``, or a URL whose path stands before ``/v1``. Raises ValueError."""

    def __init__(self, text: str, tls: Tls | None) -> None:
        parts = urlsplit(text if "://" in text else f"{'https' if tls else 'http'}://{text}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"expected host:port, http://... or https://..., received address={text!r}")
        if tls is not None and parts.scheme == "http":
            raise ValueError(f"expected an address with https for tls, received address={text!r}")
        self.text = text
        self.host = parts.hostname
        self.port = parts.port
        self.prefix = parts.path.rstrip("/")
        self.context = (tls or Tls()).http_context() if parts.scheme == "https" else None
        self.url = f"{parts.scheme}://{parts.netloc}{self.prefix}"

    def connect(self) -> http.client.HTTPConnection:
        """Returns a connection that is opened by its first request."""
        if self.context is None:
            return http.client.HTTPConnection(self.host, self.port)
        return http.client.HTTPSConnection(self.host, self.port, context=self.context)


class BlockingHttp:
    """Sends over connections that are kept: as many as there are requests at one time, at most ``connections`` idle."""

    def __init__(self, address: Address, *, connections: int, headers: Mapping[str, str]) -> None:
        self._address = address
        self._keep = connections
        self._headers = dict(headers)
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    def send(self, request: HttpRequest, timeout: float | None) -> HttpAnswer:
        """Returns the answer. Raises ServingError."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is not None:
            try:
                return raise_for_status(self._exchange(connection, request, timeout))
            except _STALE:
                connection.close()
            except OSError as error:
                raise self._explain(error, timeout) from error
        try:
            return raise_for_status(self._exchange(self._address.connect(), request, timeout))
        except (OSError, http.client.HTTPException) as error:
            raise self._explain(error, timeout) from error

    def _exchange(
        self, connection: http.client.HTTPConnection, request: HttpRequest, timeout: float | None
    ) -> HttpAnswer:
        connection.timeout = timeout
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        method = "GET" if request.body is None else "POST"
        headers = {"Content-Type": "application/json", **self._headers} if request.body else self._headers
        try:
            connection.request(method, self._address.prefix + request.path, request.body, headers)
            response = connection.getresponse()
            body = response.read()
        except BaseException:
            connection.close()
            raise
        self._put_back(connection)
        return HttpAnswer(response.status, body, {name.lower(): text for name, text in response.getheaders()})

    def _put_back(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if len(self._idle) < self._keep:
                self._idle.append(connection)
                return
        connection.close()

    def _explain(self, error: Exception, timeout: float | None) -> ServingError:
        if isinstance(error, TimeoutError):
            return ServingError(
                grpc.StatusCode.DEADLINE_EXCEEDED, f"no answer from {self._address.text} in {timeout} s"
            )
        if isinstance(error, ConnectionRefusedError):
            return unreachable(self._address.text, str(error), _FLAG)
        return ServingError(grpc.StatusCode.UNAVAILABLE, f"{self._address.text}: {type(error).__name__}: {error}")

    def close(self) -> None:
        """Closes the connections."""
        with self._lock:
            idle, self._idle, self._keep = self._idle, [], 0
        for connection in idle:
            connection.close()


class AsyncHttp:
    """Sends within an event loop, over at most ``connections`` connections at a time."""

    def __init__(self, address: Address, *, connections: int, headers: Mapping[str, str]) -> None:
        self._address = address
        self._connections = connections
        self._headers = dict(headers)
        self._session: Any = None

    def _open(self) -> Any:
        # aiohttp takes a tenth of a second to import, and a session wants a running loop.
        import aiohttp

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
        options: dict[str, Any] = {"timeout": aiohttp.ClientTimeout(total=timeout)}
        if self._address.context is not None:
            options["ssl"] = self._address.context
        if request.body is not None:
            options |= {"data": request.body, "headers": {"Content-Type": "application/json"}}
        try:
            async with session.request("GET" if request.body is None else "POST", url, **options) as response:
                body = await response.read()
                headers = {name.lower(): text for name, text in response.headers.items()}
        except asyncio.TimeoutError as error:
            text = f"no answer from {self._address.text} in {timeout} s"
            raise ServingError(grpc.StatusCode.DEADLINE_EXCEEDED, text) from error
        except aiohttp.ClientConnectorError as error:
            raise unreachable(self._address.text, str(error), _FLAG) from error
        except (aiohttp.ClientError, OSError) as error:
            text = f"{self._address.text}: {type(error).__name__}: {error}"
            raise ServingError(grpc.StatusCode.UNAVAILABLE, text) from error
        return raise_for_status(HttpAnswer(response.status, body, headers))

    async def close(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None
