"""Mutated requests over HTTP: texts that are wrong JSON, and bytes that are wrong HTTP."""

from __future__ import annotations

import gzip
import http.client
import json
import random
import re
import socket
import zlib
from collections import Counter
from typing import Any

from tests.fault.serving_fuzz import mutations

SEEDS = [json.dumps(body).encode() for body in (
    {"instances": [2.0, 3.0, 4.0]}, {"signature_name": "add", "instances": [{"a": 1, "b": 2.5}]},
    {"signature_name": "add", "inputs": {"a": [1], "b": [2]}}, {"inputs": 2.0},
    {"signature_name": "same_string", "instances": ["längst", {"b64": "aGk="}]},
    {"signature_name": "classify_x_to_y", "examples": [{"x": 2.0}], "context": {"x": 1.0}},
    {"signature_name": "regress_x_to_y", "examples": [{"x": 2.0, "y": [1, 2], "z": True}]},
)]  # fmt: skip
PATHS = ["half:predict", "kinds:predict", "half:classify", "half:regress", "half/versions/123:predict",
         "half/versions/" + "9" * 30 + ":predict", "half/versions/" + "1" * 6000 + ":predict", "half/labels/zz:predict",
         "..%2f..%2fetc:predict", "%00:predict", "%ff%fe:predict", "half%3apredict:predict", "",
         "//half:predict"]  # fmt: skip
PROPER = {200, 400, 404, 405, 408, 411, 413, 414, 429, 431, 501, 503, 504}
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


class RestFuzz:
    """Sends mutated requests to a server, one after the other.

    Attributes:
        codes: how often each status was answered; 0 for a connection that was closed without an answer.
        faults: what should not have been answered: status, text, path and bytes.
    """

    def __init__(self, port: int, seed: int) -> None:
        self._port = port
        self._seed = seed
        self._sent = 0
        self._connection = http.client.HTTPConnection("localhost", port, timeout=60)
        self._good = http.client.HTTPConnection("localhost", port, timeout=60)
        self.codes: Counter[int] = Counter()
        self.faults: list[tuple[int, str, str, bytes]] = []

    def send(self, count: int) -> None:
        """Sends so many inputs, and waits for their answers."""
        for _ in range(count):
            source = random.Random(f"rest-{self._seed}-{self._sent}")
            self._sent += 1
            if source.random() < 0.15:
                self._send_wrong_http(source)
            else:
                self._send_wrong_body(source)

    def _send_wrong_body(self, source: random.Random) -> None:
        path = "/v1/models/" + source.choice([*PATHS[:4] * 6, *PATHS])
        kind = source.random()
        body = mutations.wrong_text(source) if kind < 0.5 else mutations.mutate(source, SEEDS)
        headers = {}
        if kind > 0.9:
            headers["Content-Encoding"] = source.choice(["gzip", "deflate", "zz", "br"])
            body = source.choice([body, gzip.compress(body), gzip.compress(body)[:-5], zlib.compress(body)])
        try:
            self._connection.request("POST", path, body, headers)
            response = self._connection.getresponse()
            self._judge(response.status, response.read(), path, body)
        except (http.client.HTTPException, ConnectionError):
            # Closed without an answer, as after too long a line.
            self._connection.close()
            self._judge(0, b"", path, body)

    def _send_wrong_http(self, source: random.Random) -> None:
        data = wrong_http(source)
        with socket.create_connection(("localhost", self._port), timeout=60) as connection:
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                received = b"".join(iter(lambda: connection.recv(1 << 16), b""))
            except ConnectionError:
                received = b""
        statuses = [int(status) for status in _STATUS.findall(received)] or [0]
        for status in statuses:
            self._judge(status, received, "(raw)", data)

    def _judge(self, status: int, received: bytes, path: str, sent: bytes) -> None:
        self.codes[status] += 1
        if status not in PROPER | {0} or b"Traceback" in received:
            self.faults.append((status, received[:2000].decode("utf-8", "replace"), path, sent))

    def ask_properly(self) -> list[float]:
        """What the server says to a good request."""
        self._good.request("POST", "/v1/models/half:predict", SEEDS[0])
        answer: Any = json.loads(self._good.getresponse().read())
        return list(answer["predictions"])

    def close(self) -> None:
        """Ends the connections."""
        self._connection.close()
        self._good.close()


def wrong_http(source: random.Random) -> bytes:
    """Bytes that are not quite a HTTP request."""
    head, body = b"POST /v1/models/half:predict HTTP/1.1\r\nHost: x\r\n", source.choice(SEEDS)
    length = b"Content-Length: %d\r\n"
    choice = source.randrange(10)
    if choice == 0:
        wrong = source.choice([b"-1", b"1e3", b"9" * 30, b"0x10", b"", b"5, 6", b"18446744073709551617"])
        return head + b"Content-Length: " + wrong + b"\r\n\r\n" + body
    if choice == 1:
        return head + length % (len(body) + source.choice([-5, -1, 1, 10_000])) + b"\r\n" + body
    if choice == 2:
        return head + b"X: " + b"y" * source.choice([9000, 100_000]) + b"\r\n" + length % len(body) + b"\r\n" + body
    if choice == 3:
        return head + b"".join(b"X%d: y\r\n" % i for i in range(source.choice([100, 20_000]))) + b"\r\n"
    if choice == 4:
        size = source.choice([b"5", b"-5", b"ffffffffffffffff", b"zz", b"", b"5;" + b"x" * 9000])
        return (
            head + b"Transfer-Encoding: chunked\r\n\r\n" + size + b"\r\nabcde\r\n" + source.choice([b"0\r\n\r\n", b""])
        )
    if choice == 5:
        return head + b"Transfer-Encoding: chunked\r\n" + length % len(body) + b"\r\n0\r\n\r\n" + body
    if choice == 6:
        bomb = gzip.compress(b"0," * source.choice([1 << 12, 1 << 21]))
        return head + b"Content-Encoding: gzip\r\n" + length % len(bomb) + b"\r\n" + bomb
    if choice == 7:
        return source.randbytes(source.choice([1, 100, 5000])) + b"\r\n\r\n"
    if choice == 8:
        return mutations.mutate(source, [head + length % len(body) + b"\r\n" + body])
    path = source.choice(
        [b"/v1/models/" + b"x" * 9000, b"*", b"http://[", b"/%zz", b"/\xff\xfe", b"/v1/models/../../etc"]
    )
    method = source.choice([b"GET", b"POST", b"PUT", b"CONNECT", b"OPTIONS", b"PRI", b"G" * 9000])
    return method + b" " + path + b" HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\n\r\n"
