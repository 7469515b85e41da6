"""Reading the bodies of HTTP requests, from clients that may send too much, too slowly, or not what they said."""

from __future__ import annotations

import asyncio
import time

import grpc
from aiohttp import HttpVersion11, web

from mlops_tfx.serving.server import statuses

# TF Serving's own limit for what a compressed body may become.
MAX_DECOMPRESSED = 100 << 20
# Slower than this, after the first seconds, is not a slow line but a client that holds a place.
_LEAST_BYTES_PER_SECOND = 1 << 16
# What the bodies that are on their way may take together.
_MAX_PENDING = 1 << 30


class TooLargeError(Exception):
    """The body is larger than it may be; the message says how large that is."""


class BodyReader:
    """Reads bodies within limits.

    Args:
        max_bytes: the largest body, after decompression.
        timeout: seconds that a body may take, and one more for every 64 KiB of it.
    """

    def __init__(self, max_bytes: int, timeout: float) -> None:
        self._max_bytes = max_bytes
        self._timeout = timeout
        self._budget = max(max_bytes, _MAX_PENDING)
        self._pending = 0

    async def read(self, request: web.BaseRequest) -> bytes:
        """Returns the body.

        Raises:
            TooLargeError: it is larger than it may be.
            StatusError: it did not come in time, cannot be decompressed, or there are too many others.
        """
        limit = self._max_bytes
        compressed = "Content-Encoding" in request.headers
        if compressed:
            limit = min(limit, MAX_DECOMPRESSED)
        if (request.content_length or 0) > limit:
            raise TooLargeError(f"the body is larger than {limit} bytes")
        try:
            if not compressed and request.content.is_eof():
                return await request.content.read()
            await _let_go_on(request)
            return await self._read_parts(request, limit)
        except web.RequestPayloadError as error:
            raise statuses.invalid(f"The body of the request cannot be read: {error}") from error

    async def _read_parts(self, request: web.BaseRequest, limit: int) -> bytes:
        body = bytearray()
        started = time.monotonic()
        try:
            # An empty part is the end.
            while part := await self._part(request, started, len(body)):
                if len(body) + len(part) > limit:
                    raise TooLargeError(f"the body is larger than {limit} bytes")
                if self._pending + len(part) > self._budget:
                    raise statuses.StatusError(grpc.StatusCode.UNAVAILABLE, "too large bodies are waiting")
                body += part
                self._pending += len(part)
            return bytes(body)
        finally:
            self._pending -= len(body)

    async def _part(self, request: web.BaseRequest, started: float, received: int) -> bytes:
        remaining = started + self._timeout + received / _LEAST_BYTES_PER_SECOND - time.monotonic()
        try:
            return await asyncio.wait_for(request.content.readany(), remaining)
        except asyncio.TimeoutError as error:
            text = f"The body of the request did not come in time: {received} bytes of it did"
            raise statuses.StatusError(grpc.StatusCode.DEADLINE_EXCEEDED, text) from error


async def _let_go_on(request: web.BaseRequest) -> None:
    """Tells a client that asked whether it may send a body that it may; curl would wait a second, others forever."""
    if request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # This is no part of the answer.
        request.writer.output_size = 0
