"""The pool for gRPC requests: what it runs, and what it does about requests that stall."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from mlops_tfx.serving.server.request_threads import RequestThreads


class Event:
    """What grpcio hands to the pool of a call, as far as the pool uses it."""

    call_details = "a call"

    def __init__(self) -> None:
        self.call = self
        self.cancelled = threading.Event()

    def cancel(self) -> None:
        self.cancelled.set()


@pytest.fixture
def pool() -> Iterator[RequestThreads]:
    pool = RequestThreads(2, 0.7)
    yield pool
    pool.shutdown()


def test_runs_functions(pool: RequestThreads) -> None:
    futures = [pool.submit(divmod, number, 3) for number in range(50)]
    assert [future.result(10) for future in futures] == [divmod(number, 3) for number in range(50)]
    with pytest.raises(ZeroDivisionError):
        pool.submit(divmod, 1, 0).result(10)


def test_stalled_requests_keep_nobody_and_are_cancelled(pool: RequestThreads) -> None:
    events = [Event() for _ in range(6)]
    stalled = [pool.submit(lambda event: event.cancelled.wait(30), event) for event in events]
    # There are two threads, and six requests wait for a message.
    assert pool.submit(lambda: "answered").result(10) == "answered"
    assert all(future.result(30) for future in stalled)


def test_what_has_arrived_is_not_cancelled(pool: RequestThreads) -> None:
    event, release = Event(), threading.Event()

    def work(event: Any) -> bool:
        pool.arrived()
        return release.wait(30)

    futures = [pool.submit(work, event) for _ in range(2)]
    waiting = pool.submit(lambda: "in turn")
    # Three times as long as a message may take.
    assert not event.cancelled.wait(2)
    assert not waiting.done()
    release.set()
    assert [future.result(10) for future in futures] == [True, True]
    assert waiting.result(10) == "in turn"


def test_a_pool_that_was_never_used_ends() -> None:
    RequestThreads(2, 1.0).shutdown()
