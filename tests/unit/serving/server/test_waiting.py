"""Coroutines without a loop: who goes on with them, where, and what becomes of their failures."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mlops_tfx.serving.server.waiting import Waiting, run, start
from mlops_tfx.serving.server.workers import Workers

TIMEOUT = 60


def test_who_ends_the_wait_goes_on() -> None:
    first, second, threads = Waiting(), Waiting(), []

    async def request() -> None:
        for waiting in (first, second):
            threads.append(threading.current_thread())
            await waiting
        threads.append(threading.current_thread())

    start(request())
    assert len(threads) == 1
    with ThreadPoolExecutor(1) as pool:
        pool.submit(first.end).result(TIMEOUT)
    assert len(threads) == 2
    assert threads[1] is not threads[0]
    second.end()
    assert threads == [threading.current_thread(), threads[1], threading.current_thread()]


def test_a_wait_that_has_ended_is_none() -> None:
    waiting, seen = Waiting(), []
    waiting.end()

    async def request() -> None:
        await waiting
        seen.append("answered")

    start(request())
    assert seen == ["answered"]
    assert not waiting.then(lambda: None)


def test_run_waits_in_its_thread_and_returns() -> None:
    waiting = Waiting()

    async def request() -> str:
        await waiting
        return "answered"

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(run, request())
        waiting.end()
        assert answer.result(TIMEOUT) == "answered"

    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run(fail())


def test_a_failure_is_logged_and_hurts_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    waiting = Waiting()

    async def fail() -> None:
        await waiting
        raise ValueError("of one request")

    start(fail())
    waiting.end()
    assert "of one request" in caplog.text


def test_none_is_forgotten_when_waits_end_while_they_begin() -> None:
    """Ends and begins race, two thousand times."""
    done: list[int] = []
    all_done = threading.Event()
    waits = [Waiting() for _ in range(2000)]

    async def request(number: int) -> None:
        await waits[number]
        done.append(number)
        if len(done) == len(waits):
            all_done.set()

    def end_all() -> None:
        for waiting in waits:
            waiting.end()

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(end_all)
        for number in range(len(waits)):
            start(request(number))
        ended.result(TIMEOUT)
    assert all_done.wait(TIMEOUT)
    assert sorted(done) == list(range(len(waits)))


def test_workers_run_everything_and_log_what_fails(caplog: pytest.LogCaptureFixture) -> None:
    workers, seen = Workers(3, "test"), []
    workers.run(lambda: 1 // 0)  # type: ignore[arg-type, return-value]
    for number in range(100):
        workers.run(lambda number=number: seen.append(number))  # type: ignore[misc]
    workers.stop()
    assert sorted(seen) == list(range(100))
    assert "ZeroDivisionError" in caplog.text
    workers.stop()
    Workers(1, "never used").stop()
