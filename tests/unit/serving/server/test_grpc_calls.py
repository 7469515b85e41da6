"""The executor of the gRPC port, with real servers and clients: who holds a thread, who waits, who is cancelled."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import grpc
import pytest

from mlops_tfx.serving.server import grpc_calls
from mlops_tfx.serving.server.grpc_calls import GrpcCalls, UnaryMethod
from mlops_tfx.serving.server.waiting import Waiting
from mlops_tfx.serving.server.workers import Workers

TIMEOUT = 30
WORKER = "test worker"


class Echo(UnaryMethod):
    """Answers with what it is sent; ``wait`` waits until it is let go, ``fail`` fails."""

    def __init__(self) -> None:
        self.waits: list[tuple[bytes, Waiting]] = []
        self.entered = threading.Semaphore(0)
        self.threads: dict[bytes, str] = {}

    async def respond(self, data: bytes, context: Any) -> bytes | None:
        self.threads[data] = threading.current_thread().name
        context.set_trailing_metadata((("size", str(len(data))),))
        if data.startswith(b"wait"):
            waiting = Waiting()
            self.waits.append((data, waiting))
            self.entered.release()
            await waiting
        if data == b"fail":
            context.set_code(grpc.StatusCode.DATA_LOSS)
            context.set_details("as you say")
            return None
        return data


class Served:
    """A server of one thread with two methods, Echo and Plain, and a channel to it."""

    def __init__(self, patience: float = TIMEOUT, most_held: int = 100, at_once: int = 0) -> None:
        self.echo = Echo()
        self.echo.soon_waits = bool(at_once)
        self.calls = GrpcCalls(Workers(1, WORKER), patience, most_held, at_once)
        methods = {
            "Echo": grpc.unary_unary_rpc_method_handler(self.echo),
            "Plain": grpc.unary_unary_rpc_method_handler(lambda number, _: number + 1, int, lambda n: b"%d" % n),
        }
        self.server = grpc.server(self.calls)
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Test", methods),))
        port = self.server.add_insecure_port("localhost:0")
        self.server.start()
        self.channel = grpc.insecure_channel(f"localhost:{port}")
        self.ask = self.channel.unary_unary("/test.Test/Echo")

    def stall(self) -> Any:
        """Begins a request whose message does not come."""
        end = threading.Event()

        def messages() -> Iterator[bytes]:
            end.wait(TIMEOUT)
            yield b"late"

        future = self.channel.stream_unary("/test.Test/Echo").future(messages())
        future.add_callback(end.set)
        return future

    def close(self) -> None:
        self.channel.close()
        self.server.stop(None).wait()
        self.calls.shutdown()


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    running: list[Served] = []

    def start(**settings: Any) -> Served:
        running.append(Served(**settings))
        return running[-1]

    yield start
    for served in running:
        served.close()


@pytest.mark.parametrize("at_once", [0, 100])
@pytest.mark.parametrize("known", [True, False])
def test_answers_failures_and_trailers(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch, known: bool, at_once: int
) -> None:
    """Also by grpcio's own way, for versions of it whose inside is another."""
    assert grpc_calls._KNOWN
    monkeypatch.setattr(grpc_calls, "_KNOWN", known)
    served = serve(at_once=at_once)
    answer, call = served.ask.with_call(b"hello", timeout=TIMEOUT)
    assert (answer, dict(call.trailing_metadata())["size"]) == (b"hello", "5")
    assert served.ask(b"", timeout=TIMEOUT) == b""
    with pytest.raises(grpc.RpcError) as caught:
        served.ask(b"fail", timeout=TIMEOUT)
    assert (caught.value.code().name, caught.value.details()) == ("DATA_LOSS", "as you say")
    assert served.channel.unary_unary("/test.Test/Plain")(b"41", timeout=TIMEOUT) == b"42"
    with pytest.raises(grpc.RpcError) as caught:
        served.channel.unary_unary("/test.Test/Plain")(b"no number", timeout=TIMEOUT)
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    # A client that ends the request without a message.
    with pytest.raises(grpc.RpcError) as caught:
        served.channel.stream_unary("/test.Test/Echo")(iter(()), timeout=TIMEOUT)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_requests_that_wait_hold_no_thread(serve: Callable[..., Served]) -> None:
    served = serve()
    waiting = [served.ask.future(b"wait %d" % number, timeout=TIMEOUT) for number in range(20)]
    for _ in waiting:
        assert served.echo.entered.acquire(timeout=TIMEOUT)
    # There is one thread.
    assert served.ask(b"hello", timeout=TIMEOUT) == b"hello"
    assert not any(future.done() for future in waiting)
    for _, wait in served.echo.waits:
        wait.end()
    assert [future.result() for future in waiting] == [b"wait %d" % number for number in range(20)]


def test_small_requests_that_soon_wait_need_no_thread_of_their_own(serve: Callable[..., Served]) -> None:
    served = serve(at_once=5)
    large, small, waiting = b"123456", b"12345", b"wait"
    assert served.ask(large, timeout=TIMEOUT) == large
    assert served.ask(small, timeout=TIMEOUT) == small
    future = served.ask.future(waiting, timeout=TIMEOUT)
    assert served.echo.entered.acquire(timeout=TIMEOUT)
    # The thread that has received it goes on with others.
    assert served.ask(small, timeout=TIMEOUT) == small
    served.echo.waits[0][1].end()
    assert future.result() == waiting
    names = served.echo.threads
    assert names[large] == WORKER
    assert WORKER not in (names[small], names[waiting])
    served.echo.soon_waits = False
    assert served.ask(small, timeout=TIMEOUT) == small
    assert served.echo.threads[small] == WORKER


def test_stalled_requests_keep_nobody_and_are_cancelled(serve: Callable[..., Served]) -> None:
    served = serve(patience=1.0, most_held=3)
    stalled = [served.stall() for _ in range(10)]
    # They count among the three for half a second.
    assert served.ask(b"hello", timeout=TIMEOUT) == b"hello"
    assert {future.exception(TIMEOUT).code() for future in stalled} == {grpc.StatusCode.CANCELLED}
    assert settled(served)


def test_requests_above_the_limit_take_their_turn(serve: Callable[..., Served]) -> None:
    served = serve(most_held=2)
    asked = [served.ask.future(b"wait %d" % number, timeout=TIMEOUT) for number in range(6)]
    for _ in range(2):
        assert served.echo.entered.acquire(timeout=TIMEOUT)
    assert not served.echo.entered.acquire(timeout=0.2)
    # One that has not begun goes; the others get their turns.
    began = {data for data, _ in served.echo.waits}
    gone = next(number for number in range(6) if b"wait %d" % number not in began)
    asked.pop(gone).cancel()
    # It may begin all the same, if the server hears of it too late.
    for turn in range(6):
        wait_until(lambda turn=turn: len(served.echo.waits) > turn or all(future.done() for future in asked))
        for _, wait in served.echo.waits[turn : turn + 1]:
            wait.end()
    expected = [b"wait %d" % number for number in range(6) if number != gone]
    assert [future.result(TIMEOUT) for future in asked] == expected
    assert settled(served)


def test_clients_that_go_leave_nothing(serve: Callable[..., Served]) -> None:
    served = serve()
    gone = [served.ask.future(b"wait", timeout=TIMEOUT) for _ in range(5)]
    for _ in gone:
        assert served.echo.entered.acquire(timeout=TIMEOUT)
    for future in gone:
        future.cancel()
    for _, wait in served.echo.waits:
        wait.end()
    assert served.ask(b"hello", timeout=TIMEOUT) == b"hello"
    assert settled(served)


def test_other_functions_run_as_in_any_executor() -> None:
    calls = GrpcCalls(Workers(2, "test"), 1.0)
    futures: list[Future[Any]] = [calls.submit(divmod, number, 3) for number in range(50)]
    assert [future.result(TIMEOUT) for future in futures] == [divmod(number, 3) for number in range(50)]
    with pytest.raises(ZeroDivisionError):
        calls.submit(divmod, 1, 0).result(TIMEOUT)
    calls.shutdown()


def settled(served: Served) -> bool:
    """Whether nothing is counted, or kept, any more."""
    wait_until(lambda: served.calls._held == 0)
    return not served.calls._receiving and not served.calls._queued


def wait_until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(TIMEOUT * 200):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("did not come true")
