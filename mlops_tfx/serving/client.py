"""Clients of TensorFlow Serving's protocol that need no TensorFlow: gRPC and REST, blocking and asynchronous.

Example:
    with Client("localhost:8500") as client:
        client.wait_until_available("flights")
        client.predict("flights", [{"carrier": "UA", "distance": 1400.0}])
        client.predict("flights", frame, signature_name="serving_raw").to_pandas()

    async with AsyncRestClient("localhost:8501") as client:
        await client.predict("flights", {"carrier": ["UA"], "distance": [1400]})

The four have the same methods, see `BlockingClient.predict` for what inputs may be. gRPC alone has ``multi_inference``
and ``reload_config``, REST alone ``list_models``, because the protocols are so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc

from mlops_tfx.serving.clients.aio import AsynchronousClient
from mlops_tfx.serving.clients.channels import AsyncChannels, BlockingChannels
from mlops_tfx.serving.clients.conversation import Retry, Send
from mlops_tfx.serving.clients.descriptions import (
    ClassScore,
    ModelListing,
    ModelMetadata,
    Prediction,
    SignatureDescription,
    Target,
    TensorDescription,
    VersionStatus,
)
from mlops_tfx.serving.clients.grpc_protocol import GrpcProtocol
from mlops_tfx.serving.clients.http import Address, AsyncHttp, BlockingHttp
from mlops_tfx.serving.clients.inputs import read
from mlops_tfx.serving.clients.interface import BlockingClient
from mlops_tfx.serving.clients.protocol import Scores
from mlops_tfx.serving.clients.rest_protocol import Layout, RestProtocol
from mlops_tfx.serving.clients.tls import Tls
from mlops_tfx.serving.tensor_messages import Array

__all__ = [
    "AsyncClient",
    "AsyncRestClient",
    "ClassScore",
    "Client",
    "ModelListing",
    "ModelMetadata",
    "Prediction",
    "RestClient",
    "Retry",
    "SignatureDescription",
    "TensorDescription",
    "Tls",
    "VersionStatus",
]


class Client(BlockingClient[GrpcProtocol]):
    """Talks gRPC to one server. Safe for several threads; close it, or use it in a ``with`` statement.

    Args:
        address: ``host:port`` or ``unix:/path``.
        timeout: seconds that a call may take with all its attempts, unless it says otherwise; None for no limit.
        retry: how calls are repeated that the server did not take up.
        tls: certificates; None for a connection that is not encrypted.
        channels: connections, used in turn; one is enough below some thousand requests a second.
        max_message_bytes: the largest message that is sent or taken; -1 for no limit.
        options: further arguments of gRPC's channels.
        headers: metadata for every call.
    """

    def __init__(
        self,
        address: str,
        *,
        timeout: float | None = 60.0,
        retry: Retry | None = None,
        tls: Tls | None = None,
        channels: int = 1,
        max_message_bytes: int = -1,
        options: Mapping[str, int | str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(GrpcProtocol(address, retry or Retry()), timeout)
        self._channels = BlockingChannels(
            address,
            grpc,
            tls=tls,
            channels=channels,
            max_message_bytes=max_message_bytes,
            options=options or {},
            headers=headers or {},
        )

    def _send(self, send: Send) -> Any:
        return self._channels.send(send.request, send.timeout)

    def multi_inference(
        self,
        model_name: str,
        inputs: Any,
        tasks: Mapping[str, str],
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, Scores | Array]:
        """Asks several signatures about the same rows in one request.

        Args:
            model_name: the name that the server has for the model.
            inputs: as of `classify`.
            tasks: signature -> ``classify`` or ``regress``.
            version: a version; None for the newest.
            label: a version by its label.
            timeout: seconds; None for the client's.

        Returns:
            By signature, what `classify` or `regress` return.

        Raises:
            ServingError: the server refused, took too long, or cannot be reached.
            ValueError: inputs that cannot be encoded.
        """
        target, given = Target(model_name, version, label), read(inputs)
        return self._run(self._protocol.multi_inference(target, given, tasks, self._deadline(timeout)))

    def reload_config(self, config: Any, *, timeout: float | None = None) -> None:
        """Replaces the models of the server, and waits until those that are new are available.

        Args:
            config: a ModelServerConfig as text, or as a message of tensorflow-serving-api.
            timeout: seconds; None for the client's.

        Raises:
            ServingError: the server refused the configuration, or could not load a model.
            ValueError: a text that is none.
        """
        self._run(self._protocol.reload_config(config, self._deadline(timeout)))

    def close(self) -> None:
        """Closes the connections."""
        self._channels.close()


class AsyncClient(AsynchronousClient[GrpcProtocol]):
    """Talks gRPC to one server, by ``await``. Arguments are those of `Client`; make it within the event loop."""

    def __init__(
        self,
        address: str,
        *,
        timeout: float | None = 60.0,
        retry: Retry | None = None,
        tls: Tls | None = None,
        channels: int = 1,
        max_message_bytes: int = -1,
        options: Mapping[str, int | str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(GrpcProtocol(address, retry or Retry()), timeout)
        self._channels = AsyncChannels(
            address,
            grpc.aio,
            tls=tls,
            channels=channels,
            max_message_bytes=max_message_bytes,
            options=options or {},
            headers=headers or {},
        )

    async def _send(self, send: Send) -> Any:
        return await self._channels.send(send.request, send.timeout)

    async def multi_inference(
        self,
        model_name: str,
        inputs: Any,
        tasks: Mapping[str, str],
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, Scores | Array]:
        """Asks several signatures about the same rows in one request, see `Client.multi_inference`."""
        target, given = Target(model_name, version, label), read(inputs)
        return await self._run(self._protocol.multi_inference(target, given, tasks, self._deadline(timeout)))

    async def reload_config(self, config: Any, *, timeout: float | None = None) -> None:
        """Replaces the models of the server, see `Client.reload_config`."""
        await self._run(self._protocol.reload_config(config, self._deadline(timeout)))

    async def close(self) -> None:
        """Closes the connections."""
        await self._channels.close()


class RestClient(BlockingClient[RestProtocol]):
    """Talks REST to one server. Safe for several threads; close it, or use it in a ``with`` statement.

    Args:
        address: ``host:port``, or a URL whose path stands before ``/v1``; ``https://`` encrypts.
        timeout: seconds that a call may take with all its attempts, unless it says otherwise; None for no limit.
        retry: how calls are repeated that the server did not take up.
        tls: certificates, for https.
        connections: how many idle connections are kept.
        layout: how tensors are sent: ``columns`` (``inputs``) or ``rows`` (``instances``).
        headers: headers of every request.
    """

    def __init__(
        self,
        address: str,
        *,
        timeout: float | None = 60.0,
        retry: Retry | None = None,
        tls: Tls | None = None,
        connections: int = 64,
        layout: Layout = "columns",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(RestProtocol(address, retry or Retry(), layout), timeout)
        self._http = BlockingHttp(Address(address, tls), connections=connections, headers=headers or {})

    def _send(self, send: Send) -> Any:
        return self._http.send(send.request, send.timeout)

    def list_models(self, *, timeout: float | None = None) -> list[ModelListing]:
        """Returns the models that the server has. Raises ServingError; from TF Serving's own server always."""
        return self._run(self._protocol.list_models(self._deadline(timeout)))

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()


class AsyncRestClient(AsynchronousClient[RestProtocol]):
    """Talks REST to one server, by ``await`` and aiohttp. Arguments are those of `RestClient`.

    ``connections`` is also how many requests run at one time; others wait.
    """

    def __init__(
        self,
        address: str,
        *,
        timeout: float | None = 60.0,
        retry: Retry | None = None,
        tls: Tls | None = None,
        connections: int = 64,
        layout: Layout = "columns",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(RestProtocol(address, retry or Retry(), layout), timeout)
        self._http = AsyncHttp(Address(address, tls), connections=connections, headers=headers or {})

    async def _send(self, send: Send) -> Any:
        return await self._http.send(send.request, send.timeout)

    async def list_models(self, *, timeout: float | None = None) -> list[ModelListing]:
        """Returns the models that the server has. Raises ServingError; from TF Serving's own server always."""
        return await self._run(self._protocol.list_models(self._deadline(timeout)))

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.close()
