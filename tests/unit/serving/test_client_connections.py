"""Connections of the clients: time limits, forks, event loops, certificates; against stand-ins over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest

from mlops_tfx.errors import ServingError
from mlops_tfx.serving.client import AsyncClient, AsyncRestClient, Client, RestClient, Retry, Tls
from mlops_tfx.serving.protos import message
from tests.unit.serving.certificates import Authority, Pair

ONCE = Retry(attempts=1)
Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


def states(version: int) -> bytes:
    status = {"error_code": "OK", "error_message": ""}
    entry = {"version": str(version), "state": "AVAILABLE", "status": status}
    return json.dumps({"model_version_status": [entry]}).encode()


def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
    """The last part of the model's name as its version."""
    body = states(int(handler.path.rpartition("m")[2]))
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@contextlib.contextmanager
def http_server(reply: Answer = answer, pair: Pair | None = None, authority: Authority | None = None) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            reply(self)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Says nothing."""

    class Server(http.server.ThreadingHTTPServer):
        block_on_close = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Says nothing of clients that it refuses."""

    with Server(("localhost", 0), Handler) as server:
        if pair is not None:
            # The handshake is the handler's, or one client would hold up the others.
            server.socket = pair.context(authority).wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def grpc_server(pair: Pair | None = None, authority: Authority | None = None) -> Iterator[int]:
    def status(request: bytes, context: Any) -> bytes:
        response = message("tensorflow.serving.GetModelStatusResponse")()
        response.model_version_status.add(version=7, state=30)
        return bytes(response.SerializeToString())

    handler = grpc.method_handlers_generic_handler(
        "tensorflow.serving.ModelService", {"GetModelStatus": grpc.unary_unary_rpc_method_handler(status)}
    )
    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((handler,))
    if pair is None:
        port = server.add_insecure_port("localhost:0")
    else:
        roots = None if authority is None else authority.certificate
        credentials = grpc.ssl_server_credentials([(pair.key, pair.certificate)], roots, authority is not None)
        port = server.add_secure_port("localhost:0", credentials)
    server.start()
    yield port
    server.stop(None).wait()


def test_an_answer_that_comes_drop_by_drop_ends_with_the_deadline() -> None:
    gone = threading.Event()

    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        with contextlib.suppress(OSError):
            while not gone.wait(0.05):
                handler.wfile.write(b" ")

    with http_server(drip) as port, RestClient(f"localhost:{port}") as client:
        started = time.monotonic()
        with pytest.raises(ServingError) as caught:
            client.get_model_status("m1", timeout=0.4)
        seconds = time.monotonic() - started
        gone.set()
    assert caught.value.code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert 0.4 <= seconds < 5


def test_an_address_that_does_not_answer_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, http_server() as port:
        # Nobody takes what comes to the first address, and its queue is full: it gives no answer at all.
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        found = [(2, 1, 6, "", full.getsockname()), (2, 1, 6, "", ("127.0.0.1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **options: found)
        with RestClient("somewhere:1", retry=ONCE) as client:
            assert [s.version for s in client.get_model_status("m5", timeout=1.0)] == [5]
        for each in waiting:
            each.close()


@pytest.mark.parametrize("body", ["short", "chunk"])
def test_a_server_that_dies_while_it_answers_is_unavailable(body: str) -> None:
    """Also on a connection that was kept; and the request is sent again."""
    asked: list[str] = []

    def sometimes(handler: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        if len(asked) in (1, 4):
            answer(handler)
            return
        handler.send_response(200)
        head = ("Content-Length", "100") if body == "short" else ("Transfer-Encoding", "chunked")
        handler.send_header(*head)
        handler.end_headers()
        handler.wfile.write(b'{"mo' if body == "short" else b"64\r\nabc")
        handler.close_connection = True

    with http_server(sometimes) as port:
        with RestClient(f"localhost:{port}", retry=ONCE) as client:
            client.get_model_status("m1")
            with pytest.raises(ServingError, match="IncompleteRead") as caught:
                client.get_model_status("m1")
            assert caught.value.code == grpc.StatusCode.UNAVAILABLE
        with RestClient(f"localhost:{port}", retry=Retry(first_pause=0.001)) as client:
            assert [s.version for s in client.get_model_status("m2")] == [2]
    assert len(asked) == 4


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_does_not_use_the_connections_of_its_parent() -> None:
    """It would read the parent's answers, and the parent its."""
    with http_server() as port, RestClient(f"localhost:{port}") as client:
        client.get_model_status("m1")
        (kept,) = client._http._idle
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            found = [client.get_model_status(f"m{n}")[0].version for n in range(3)]
            os.write(writing, json.dumps([found, kept in client._http._idle]).encode())
            os._exit(0)
        os.waitpid(child, 0)
        assert json.loads(os.read(reading, 100)) == [[0, 1, 2], False]
        assert client.get_model_status("m9")[0].version == 9
        assert client._http._idle == [kept]
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("kind", [AsyncClient, AsyncRestClient])
def test_an_asynchronous_client_may_be_made_anywhere_and_belongs_to_one_loop(kind: Any) -> None:
    with grpc_server() if kind is AsyncClient else http_server() as port:
        client = kind(f"localhost:{port}")

        async def ask() -> int:
            return int((await client.get_model_status("m7"))[0].version)

        async def ask_and_close() -> int:
            try:
                return await ask()
            finally:
                await client.close()

        assert asyncio.run(ask_and_close()) == 7
        with pytest.raises(ServingError, match="the client is closed") as caught:
            asyncio.run(ask())
        assert caught.value.code == grpc.StatusCode.CANCELLED

        client = kind(f"localhost:{port}")
        first = asyncio.new_event_loop()
        assert first.run_until_complete(ask()) == 7
        with pytest.raises(RuntimeError, match="make a client in each loop"):
            asyncio.run(ask())
        first.run_until_complete(client.close())
        first.close()


@pytest.mark.parametrize("kind", [AsyncClient, AsyncRestClient])
def test_a_request_that_is_cancelled_leaves_the_client_in_order(kind: Any) -> None:
    async def work(port: int) -> list[int]:
        async with kind(f"localhost:{port}") as client:
            tasks = [asyncio.ensure_future(client.get_model_status("m7")) for _ in range(40)]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(one, asyncio.CancelledError) for one in done[::2])
            return [one[0].version for one in done[1::2]] + [(await client.get_model_status("m7"))[0].version]

    with grpc_server() if kind is AsyncClient else http_server() as port:
        assert asyncio.run(work(port)) == [7] * 21


@pytest.mark.parametrize("kind", [Client, RestClient])
def test_a_closed_client_says_so(kind: Any) -> None:
    client = kind("localhost:1")
    client.close()
    with pytest.raises(ServingError, match="the client is closed; make another one"):
        client.get_model_status("m")


def test_a_redirection_is_not_followed() -> None:
    """By neither client: it may lead anywhere, and makes a GET of a POST."""

    def move(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "http://localhost:1/")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    async def ask(port: int) -> None:
        async with AsyncRestClient(f"localhost:{port}") as client:
            await client.get_model_status("m1")

    with http_server(move) as port:
        with RestClient(f"localhost:{port}") as client, pytest.raises(ServingError, match="UNKNOWN: HTTP 302"):
            client.get_model_status("m1")
        with pytest.raises(ServingError, match="UNKNOWN: HTTP 302"):
            asyncio.run(ask(port))


@pytest.mark.parametrize(
    ("kind", "address", "text"),
    [
        (Client, "", "expected host:port or unix:/path for gRPC, received address=''"),
        (Client, "http://localhost:8500", "expected host:port or unix:/path for gRPC"),
        (AsyncClient, "https://localhost:8500", "expected host:port or unix:/path for gRPC"),
        (RestClient, "https://me:secret@localhost", "address without user and password"),
        (RestClient, "ftp://localhost", "expected host:port, http://... or https://..."),
    ],
)
def test_wrong_addresses(kind: Any, address: str, text: str) -> None:
    with pytest.raises(ValueError, match=text) as caught:
        kind(address)
    assert "secret" not in str(caught.value)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("ours")


def ask_once(kind: Any, port: int, tls: Tls | None) -> int:
    settings = {"tls": tls, "retry": ONCE, "timeout": 20.0}
    if kind is not AsyncRestClient:
        with kind(f"localhost:{port}", **settings) as client:
            return int(client.get_model_status("m7")[0].version)

    async def ask() -> int:
        async with kind(f"localhost:{port}", **settings) as client:
            return int((await client.get_model_status("m7"))[0].version)

    return asyncio.run(ask())


@pytest.mark.parametrize("kind", [Client, RestClient, AsyncRestClient])
def test_certificates(authority: Authority, kind: Any) -> None:
    ours = authority.certificate
    good, old, other = authority.sign("localhost"), authority.sign("localhost", days=-1), authority.sign("example.org")
    start: Any = grpc_server if kind is Client else http_server
    for pair, tls, text in [
        (good, Tls(ours), ""),
        (other, Tls(ours, server_name="example.org"), ""),
        (old, Tls(ours), "expired"),
        (other, Tls(ours), "[Hh]ostname"),
        (good, Tls(Authority("theirs").certificate), "unable to get local issuer|self.signed"),
        (None, Tls(ours), "WRONG_VERSION_NUMBER|wrong version number"),
    ]:
        with start(pair=pair) as port:
            if not text:
                assert ask_once(kind, port, tls) == 7
                continue
            with pytest.raises(ServingError, match=f"that TLS accepts: .*({text})") as caught:
                ask_once(kind, port, tls)
            assert caught.value.code == grpc.StatusCode.UNAVAILABLE
            assert "start one by" not in caught.value.message


@pytest.mark.parametrize("kind", [Client, RestClient])
def test_certificates_of_clients(authority: Authority, kind: Any) -> None:
    known, stranger = authority.sign("me"), Authority("theirs").sign("me")
    # Over HTTP a server may close the connection before its reason is read.
    refusal = r"UNAVAILABLE: .*(Tls\(private_key, certificate\)|Reset|Broken)"
    start: Any = grpc_server if kind is Client else http_server
    with start(pair=authority.sign("localhost"), authority=authority) as port:
        assert ask_once(kind, port, Tls(authority.certificate, known.key, known.certificate)) == 7
        for tls in (Tls(authority.certificate), Tls(authority.certificate, stranger.key, stranger.certificate)):
            with pytest.raises(ServingError, match=refusal):
                ask_once(kind, port, tls)


def test_pem_texts_that_no_connection_could_use(authority: Authority, tmp_path: Path) -> None:
    known = authority.sign("me")
    bundle = "# Főtanúsítvány\n".encode() + authority.certificate
    assert isinstance(Tls(bundle).http_context(), ssl.SSLContext), "comments may be of any language"
    for wrong in (
        Tls(b"nonsense"),
        Tls(authority.certificate, known.key, authority.certificate),
        Tls(authority.certificate, authority.sign("me").encrypted(b"secret"), known.certificate),
    ):
        for kind in (Client, AsyncClient):
            with pytest.raises(ValueError, match="expected PEM texts that fit together"):
                kind("localhost:1", tls=wrong)
        with pytest.raises(ValueError, match="expected PEM texts that fit together"):
            RestClient("localhost:1", tls=wrong)
    (tmp_path / "ca.pem").write_text(" \n")
    with pytest.raises(ValueError, match="received an empty text"):
        Tls.from_files(tmp_path / "ca.pem")
