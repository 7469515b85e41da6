"""Batches: what is joined, padded, split, refused, and who gets which rows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from mlops_tfx.serving.server.batching import Batcher, BatchingParameters
from mlops_tfx.serving.server.calls import NO_DEADLINE, Call, Execute, Plan, run_plan
from mlops_tfx.serving.server.metrics import Metrics
from mlops_tfx.serving.server.statuses import StatusError
from mlops_tfx.serving.server.waiting import run, start

TIMEOUT = 60


class Model:
    """Doubles its first input; can be held, so that others gather behind a run; keeps the inputs of every run."""

    def __init__(self) -> None:
        self.plan = Plan(("x",), ("y",), self.run)
        self.runs: list[list[Any]] = []
        self.entered = threading.Semaphore(0)
        self.may_go = threading.Event()

    def run(self, values: Sequence[Any]) -> Sequence[Any]:
        self.runs.append([np.asarray(value).tolist() for value in values])
        self.entered.release()
        assert self.may_go.wait(TIMEOUT)
        return [values[0] * 2]

    def call(self, x: Any, deadline: float = NO_DEADLINE) -> Call:
        return Call("Predict", "GRPC", "m", 1, "s", self.plan, [np.asarray(x)], frozenset(["x"]), deadline)


def gathered(batcher: Batcher, model: Model, calls: list[Call], proceed: Execute = run_plan) -> list[Any]:
    """Sends a first call, and the others while it runs, all from this thread; returns what each of them got."""
    futures: list[Future[Any]] = [Future() for _ in calls]

    async def ask(call: Call, future: Future[Any]) -> None:
        try:
            future.set_result(await batcher(call, proceed))
        except StatusError as error:
            future.set_exception(error)

    for call, future in zip(calls, futures, strict=True):
        start(ask(call, future))
        if future is futures[0]:
            assert model.entered.acquire(timeout=TIMEOUT)
    model.may_go.set()
    outcomes = [future.exception(TIMEOUT) or future.result() for future in futures]
    batcher.stop()
    for thread in batcher._threads:
        thread.join(TIMEOUT)
    return outcomes


def one_thread(**settings: Any) -> BatchingParameters:
    return BatchingParameters(num_batch_threads=1, **settings)


def test_what_comes_during_a_run_is_the_next_batch() -> None:
    model, metrics = Model(), Metrics()
    batcher = Batcher(one_thread(), metrics)
    answers = gathered(batcher, model, [model.call([0.0]), model.call([1.0, 2.0]), model.call([3.0])])
    assert [answer[0].tolist() for answer in answers] == [[0.0], [2.0, 4.0], [6.0]]
    assert model.runs == [[[0.0]], [[1.0, 2.0, 3.0]]]
    assert metrics.batch_runs.value() == 2
    assert batcher._waiting == []


def test_batches_have_a_largest_size_and_an_allowed_one() -> None:
    model = Model()
    batcher = Batcher(one_thread(max_batch_size=4, allowed_batch_sizes=(2, 4)), Metrics())
    calls = [model.call([float(i)] * 3) for i in range(3)]
    answers = gathered(batcher, model, calls)
    assert [answer[0].tolist() for answer in answers] == [[0.0] * 3, [2.0] * 3, [4.0] * 3]
    # The first row once more fills a batch up.
    assert sorted(model.runs) == [[[0.0] * 4], [[1.0] * 4], [[2.0] * 4]]


def test_a_full_queue_refuses() -> None:
    model = Model()
    batcher = Batcher(one_thread(max_batch_size=1, max_enqueued_batches=2), Metrics())
    answers = gathered(batcher, model, [model.call([float(i)]) for i in range(4)])
    assert [answer[0].tolist() for answer in answers[:3]] == [[0.0], [2.0], [4.0]]
    expected = "UNAVAILABLE: The batch scheduling queue to which this task was submitted is full"
    assert str(answers[3]) == expected


def test_other_shapes_are_padded_or_refused() -> None:
    rows = [[[0.0]], [[1.0, 2.0]], [[3.0]]]
    model = Model()
    padding = one_thread(pad_variable_length_inputs=True)
    answers = gathered(Batcher(padding, Metrics()), model, [model.call(row) for row in rows])
    # With the first value, as TF Serving's AddPadding does.
    assert [answer[0].tolist() for answer in answers] == [[[0.0]], [[2.0, 4.0]], [[6.0, 6.0]]]
    model = Model()
    answers = gathered(Batcher(one_thread(), Metrics()), model, [model.call(row) for row in rows])
    assert answers[0][0].tolist() == [[0.0]]
    for refused in answers[1:]:
        assert str(refused).startswith(
            "FAILED_PRECONDITION: Tensors with name 'x' from different tasks have different shapes and padding is "
            "turned off. Set pad_variable_length_inputs to true"
        )


def test_padding_with_texts_and_without_values() -> None:
    rows = [[[b"a"]], [[b"b\0", b"c\0"]], [[b"d\0"]], np.empty([1, 0], object)]
    model, joined = Model(), []

    async def same(call: Call) -> Any:
        model.run([np.zeros(1)])
        joined.append(call.values[0])
        return call.values

    calls = [model.call(np.array(row, object)) for row in rows]
    answers = gathered(Batcher(one_thread(pad_variable_length_inputs=True), Metrics()), model, calls, same)
    assert [answer[0].tolist() for answer in answers[1:]] == [
        [[b"b\0", b"c\0"]], [[b"d\0", b"d\0"]], [[b"", b""]]
    ]  # fmt: skip
    assert joined[1].shape == (3, 2)


def test_requests_without_rows() -> None:
    model = Model()
    batcher = Batcher(one_thread(max_batch_size=4, allowed_batch_sizes=(2, 4)), Metrics())
    calls = [model.call(row) for row in ([5.0], [], [6.0, 7.0, 8.0])]
    answers = gathered(batcher, model, calls)
    assert [answer[0].tolist() for answer in answers] == [[10.0], [], [12.0, 14.0, 16.0]]
    # What is repeated is the first row that there is.
    assert model.runs == [[[5.0, 5.0]], [[6.0, 7.0, 8.0, 6.0]]]
    model = Model()
    batcher = Batcher(one_thread(max_batch_size=4, allowed_batch_sizes=(2, 4)), Metrics())
    (answer,) = gathered(batcher, model, [model.call([])])
    assert (answer[0].tolist(), model.runs) == ([], [[[]]])


def test_outputs_without_rows_are_refused_also_for_one_request() -> None:
    model = Model()

    async def total(call: Call) -> Any:
        return [np.sum(value) for value in await run_plan(call)]

    answers = gathered(Batcher(one_thread(), Metrics()), model, [model.call([float(i)]) for i in range(3)], total)
    assert {str(answer) for answer in answers} == {"FAILED_PRECONDITION: Batched output tensor has 0 dimensions"}


def test_a_request_without_inputs_waits_for_nobody() -> None:
    plan = Plan(("x",), ("y",), lambda values: [np.float32(3)])
    call = Call("Predict", "GRPC", "m", 1, "s", plan, [np.zeros(2)], frozenset())
    batcher = Batcher(one_thread(), Metrics())
    assert run(batcher(call, run_plan)) == [np.float32(3)]
    assert batcher._threads == []


def test_waiting_is_measured() -> None:
    model, metrics = Model(), Metrics()
    before = time.monotonic()
    gathered(Batcher(one_thread(), metrics), model, [model.call([float(i)]) for i in range(3)])
    waited = metrics.queuing_latency.value("model_server_batch_threads")
    assert 0 < waited < 3e6 * (time.monotonic() - before)
    text = metrics.text()
    assert 'batching_session:queuing_latency_count{thread_pool_name="model_server_batch_threads"} 3' in text
    # TF Serving's bounds for this one: 100 x 1.2^k.
    assert 'queuing_latency_bucket{thread_pool_name="model_server_batch_threads",le="172.8"}' in text


def test_large_requests_are_split_or_refused() -> None:
    model = Model()
    model.may_go.set()
    split = one_thread(max_batch_size=100, enable_large_batch_splitting=True, max_execution_batch_size=2)
    values = np.arange(5.0)
    assert run(Batcher(split, Metrics())(model.call(values), run_plan))[0].tolist() == (2 * values).tolist()
    assert model.runs == [[[0.0, 1.0]], [[2.0, 3.0]], [[4.0]]]
    with pytest.raises(StatusError, match="INVALID_ARGUMENT: Task size 5 is larger than maximum input batch size 4"):
        run(Batcher(one_thread(max_batch_size=4), Metrics())(model.call(values), run_plan))


def test_who_waits_too_long_is_not_run() -> None:
    model = Model()
    answers = gathered(Batcher(one_thread(), Metrics()), model, [
        model.call([0.0]), model.call([1.0], time.monotonic() - 1), model.call([2.0])])  # fmt: skip
    assert str(answers[1]).startswith("DEADLINE_EXCEEDED: ")
    assert answers[2][0].tolist() == [4.0]
    assert model.runs == [[[0.0]], [[2.0]]]


def test_several_batches_run_at_a_time_and_each_when_its_time_is_up() -> None:
    """Of two models; the second one's batch must not wait until the run of the first has ended."""
    slow, quick = Model(), Model()
    quick.may_go.set()
    batcher = Batcher(BatchingParameters(num_batch_threads=2, batch_timeout_micros=20_000), Metrics())
    answers: list[Any] = []

    async def ask(model: Model, value: float) -> None:
        answers.append((await batcher(model.call([value]), run_plan))[0].tolist())

    start(ask(slow, 1.0))
    start(ask(quick, 2.0))
    assert quick.entered.acquire(timeout=TIMEOUT)
    assert slow.entered.acquire(timeout=TIMEOUT)
    wait_until(lambda: answers == [[4.0]])
    slow.may_go.set()
    wait_until(lambda: answers == [[4.0], [2.0]])
    batcher.stop()
    with pytest.raises(StatusError, match="UNAVAILABLE: the server is going down"):
        run(batcher(quick.call([0.0]), run_plan))


def wait_until(condition: Callable[[], bool]) -> None:
    end, pause = time.monotonic() + TIMEOUT, threading.Event()
    while not condition():
        assert time.monotonic() < end
        pause.wait(0.001)


def test_a_failing_run_fails_all_of_its_batch_only() -> None:
    model = Model()

    async def fail_late(call: Call) -> Sequence[Any]:
        outputs = call.plan.run(call.values)
        if call.values[0][0] > 0:
            raise StatusError(grpc.StatusCode.INTERNAL, "broken")
        return outputs

    batcher = Batcher(one_thread(), Metrics())
    answers = gathered(batcher, model, [model.call([0.0]), model.call([1.0]), model.call([2.0])], fail_late)
    assert answers[0][0].tolist() == [0.0]
    assert [str(answer) for answer in answers[1:]] == ["INTERNAL: broken"] * 2


def test_inputs_that_cannot_be_joined() -> None:
    model = Model()
    batcher = Batcher(one_thread(), Metrics())
    with pytest.raises(StatusError, match="input tensors must have at least one dimension"):
        run(batcher(model.call(1.0), run_plan))
    plan = Plan(("a", "b"), ("y",), model.run)
    call = replace(model.call([1.0]), plan=plan, values=[np.ones(2), np.ones(3)], given=frozenset("ab"))
    with pytest.raises(StatusError, match="Batching Run\\(\\) input tensors must have equal 0th-dimension size"):
        run(batcher(call, run_plan))


def test_parameters_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "batching.config"
    file.write_text(
        "max_batch_size { value: 128 } batch_timeout_micros { value: 0 } num_batch_threads { value: 3 } "
        "allowed_batch_sizes: 32 allowed_batch_sizes: 128 pad_variable_length_inputs: true thread_pool_name "
        "{ value: 'x' }"
    )
    expected = BatchingParameters(
        max_batch_size=128, num_batch_threads=3, allowed_batch_sizes=(32, 128), pad_variable_length_inputs=True,
        thread_pool_name="x",
    )  # fmt: skip
    assert BatchingParameters.from_file(str(file)) == expected
    assert (BatchingParameters().max_batch_size, BatchingParameters().max_enqueued_batches) == (1000, 10)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"allowed_batch_sizes": (2, 1)}, "must be monotonically increasing"),
        ({"allowed_batch_sizes": (2, 4)}, "final entry in allowed_batch_sizes must equal max_batch_size"),
        ({"num_batch_threads": 0}, "received num_batch_threads=0"),
        ({"batch_timeout_micros": -1}, "expected 0 or more, received batch_timeout_micros=-1"),
        ({"num_batch_threads": 10**8}, "expected at most 10000, received num_batch_threads=100000000"),
        ({"allowed_batch_sizes": (0, 1000)}, "expected at least 1, received allowed_batch_sizes="),
        (
            {"max_batch_size": 8, "max_execution_batch_size": 16, "enable_large_batch_splitting": True},
            "expected at most max_batch_size=8, received max_execution_batch_size=16",
        ),
    ],
)
def test_wrong_parameters(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        BatchingParameters(**settings)
