"""gRPC channels, blocking and asynchronous."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import grpc

from mlops_tfx.serving.clients.conversation import Home, closed
from mlops_tfx.serving.clients.grpc_protocol import METHODS, GrpcAnswer, GrpcRequest, explain
from mlops_tfx.serving.clients.tls import Tls
from mlops_tfx.serving.protos import message as message_class

Metadata = tuple[tuple[str, str], ...]


def _options(tls: Tls | None, channels: int, max_message_bytes: int, extra: Mapping[str, int | str]) -> list[Any]:
    options: dict[str, int | str] = {
        "grpc.max_receive_message_length": max_message_bytes,
        "grpc.max_send_message_length": max_message_bytes,
        # A server that comes back is found in the time of a retry, not after gRPC's 20 s.
        "grpc.initial_reconnect_backoff_ms": 100,
        "grpc.max_reconnect_backoff_ms": 5000,
    }
    if channels > 1:
        # Otherwise all channels to one address share one connection.
        options["grpc.use_local_subchannel_pool"] = 1
    if tls is not None and tls.server_name:
        options["grpc.ssl_target_name_override"] = tls.server_name
    return list({**options, **extra}.items())


class Channels:
    """Sends over one or several channels, in turn.

    Args:
        address: ``host:port`` or ``unix:/path``.
        library: ``grpc`` or ``grpc.aio``.
        tls, channels, max_message_bytes, options, headers: see client.py.
    """

    def __init__(
        self,
        address: str,
        library: Any,
        *,
        tls: Tls | None,
        channels: int,
        max_message_bytes: int,
        options: Mapping[str, int | str],
        headers: Mapping[str, str],
    ) -> None:
        if channels < 1:
            raise ValueError(f"expected channels >= 1, received channels={channels}")
        if not address or address.startswith(("http://", "https://")):
            raise ValueError(f"expected host:port or unix:/path for gRPC, received address={address!r}")
        self.address = address
        self._headers: Metadata = tuple((name.lower(), text) for name, text in headers.items())
        self._library = library
        self._options = _options(tls, channels, max_message_bytes, options)
        self._credentials = None if tls is None else tls.grpc_credentials()
        self._count = channels
        self.channels: list[Any] = []
        self._methods: Iterator[dict[str, Any]] = iter(())

    def _open(self) -> None:
        self.channels = [self._make() for _ in range(self._count)]
        self._methods = itertools.cycle([_bind(channel) for channel in self.channels])

    def _make(self) -> Any:
        if self._credentials is None:
            return self._library.insecure_channel(self.address, options=self._options)
        return self._library.secure_channel(self.address, self._credentials, options=self._options)

    def _prepare(self, request: GrpcRequest) -> Any:
        return next(self._methods)[request.method]


class BlockingChannels(Channels):
    """Sends and waits."""

    def __init__(self, address: str, library: Any, **arguments: Any) -> None:
        super().__init__(address, library, **arguments)
        self._closed = False
        self._open()

    def send(self, request: GrpcRequest, timeout: float | None) -> GrpcAnswer:
        """Returns the answer. Raises ServingError."""
        if self._closed:
            raise closed()
        ask = self._prepare(request).with_call
        try:
            message, call = ask(request.message, timeout=timeout, metadata=self._headers)
        except grpc.RpcError as error:
            raise explain(self.address, error) from error
        return GrpcAnswer(message, dict(call.trailing_metadata() or ()))

    def close(self) -> None:
        """Closes the connections."""
        self._closed = True
        for channel in self.channels:
            channel.close()


class AsyncChannels(Channels):
    """Sends within an event loop, in which the channels are made by the first request."""

    def __init__(self, address: str, library: Any, **arguments: Any) -> None:
        super().__init__(address, library, **arguments)
        self._home = Home()

    async def send(self, request: GrpcRequest, timeout: float | None) -> GrpcAnswer:
        """Returns the answer. Raises ServingError."""
        self._home.enter()
        if not self.channels:
            self._open()
        try:
            call = self._prepare(request)(request.message, timeout=timeout, metadata=self._headers)
            return GrpcAnswer(await call, dict(await call.trailing_metadata() or ()))
        except grpc.RpcError as error:
            raise explain(self.address, error) from error

    async def close(self) -> None:
        """Closes the connections."""
        self._home.leave()
        for channel in self.channels:
            await channel.close()


def _bind(channel: Any) -> dict[str, Any]:
    """Method -> callable."""
    return {
        name: channel.unary_unary(
            path,
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=message_class(response).FromString,
        )
        for name, (path, response) in METHODS.items()
    }
