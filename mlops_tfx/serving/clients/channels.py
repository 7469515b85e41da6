"""gRPC channels, blocking and asynchronous."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import grpc

from mlops_tfx.serving.clients.grpc_protocol import METHODS, GrpcRequest, explain
from mlops_tfx.serving.clients.tls import Tls
from mlops_tfx.serving.protos import message

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
        self.address = address
        self._headers: Metadata = tuple((name.lower(), text) for name, text in headers.items())
        arguments = _options(tls, channels, max_message_bytes, options)
        self.channels = [
            library.insecure_channel(address, options=arguments)
            if tls is None
            else library.secure_channel(address, tls.grpc_credentials(), options=arguments)
            for _ in range(channels)
        ]
        self._methods = itertools.cycle([_bind(channel) for channel in self.channels])

    def _prepare(self, request: GrpcRequest) -> Any:
        return next(self._methods)[request.method]


class BlockingChannels(Channels):
    """Sends and waits."""

    def send(self, request: GrpcRequest, timeout: float | None) -> Any:
        """Returns the message that answers. Raises ServingError."""
        try:
            return self._prepare(request)(request.message, timeout=timeout, metadata=self._headers)
        except grpc.RpcError as error:
            raise explain(self.address, error) from error

    def close(self) -> None:
        """Closes the connections."""
        for channel in self.channels:
            channel.close()


class AsyncChannels(Channels):
    """Sends within an event loop."""

    async def send(self, request: GrpcRequest, timeout: float | None) -> Any:
        """Returns the message that answers. Raises ServingError."""
        try:
            return await self._prepare(request)(request.message, timeout=timeout, metadata=self._headers)
        except grpc.RpcError as error:
            raise explain(self.address, error) from error

    async def close(self) -> None:
        """Closes the connections."""
        for channel in self.channels:
            await channel.close()


def _bind(channel: Any) -> dict[str, Any]:
    """Method -> callable."""
    return {
        name: channel.unary_unary(
            path,
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=message(response).FromString,
        )
        for name, (path, response) in METHODS.items()
    }
