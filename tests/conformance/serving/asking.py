"""The four clients behind one face, for tests that run with all of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mlops_tfx.errors import ServingError
from mlops_tfx.serving.client import AsyncClient, AsyncRestClient, Client, RestClient

KINDS = ["gRPC", "async gRPC", "REST", "REST in rows", "async REST"]


class Asker:
    """Calls the methods of a client by name; those of asynchronous ones in a loop of its own."""

    def __init__(self, kind: str, server: Any, **settings: Any) -> None:
        self.kind = kind
        self.is_rest = "REST" in kind
        self.address = f"localhost:{server.rest_port}" if self.is_rest else server.address
        self.loop = asyncio.new_event_loop() if "async" in kind else None
        if kind == "REST in rows":
            settings["layout"] = "rows"
        types: Any = {"gRPC": Client, "async gRPC": AsyncClient, "REST": RestClient, "async REST": AsyncRestClient}
        make = types.get(kind, RestClient)
        self.client = make(self.address, **settings) if self.loop is None else self._within(make, settings)

    def _within(self, make: Any, settings: dict[str, Any]) -> Any:
        async def build() -> Any:
            return make(self.address, **settings)

        assert self.loop is not None
        return self.loop.run_until_complete(build())

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        if self.loop is None:
            return method
        return lambda *arguments, **options: self._wait(method(*arguments, **options))

    def _wait(self, result: Any) -> Any:
        assert self.loop is not None
        return self.loop.run_until_complete(_collect(result) if hasattr(result, "__aiter__") else result)

    def refused(self, method: str, *arguments: Any, **options: Any) -> tuple[str, str]:
        with pytest.raises(ServingError) as caught:
            getattr(self, method)(*arguments, **options)
        return caught.value.code.name, caught.value.message

    def end(self) -> None:
        if self.loop is None:
            self.client.close()
            return
        self.loop.run_until_complete(self.client.close())
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()


async def _collect(results: Any) -> list[Any]:
    return [result async for result in results]
