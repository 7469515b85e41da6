"""Runs requests that come at the same time as one batch.

A request joins a batch and leaves its thread, see waiting.py. A thread of the batcher takes the batch once it is full
or its time is up, runs the model for all, and goes on with the requests one by one until they are answered. Meanwhile
another thread may run the next batch: there is one more than run batches at a time.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Awaitable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
import numpy as np

from mlops_tfx.serving.server import statuses, text_configs
from mlops_tfx.serving.server.calls import NO_DEADLINE, Call, Execute, check_deadline
from mlops_tfx.serving.server.metrics import Metrics
from mlops_tfx.serving.server.waiting import Waiting, run

_PARAMETERS = "batching_params.pbtxt"
_MOST_THREADS = 10_000


@dataclass(frozen=True)
class BatchingParameters:
    """TF Serving's BatchingParameters. Raises ValueError for what does not fit."""

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    thread_pool_name: str = "model_server_batch_threads"
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int = 0

    def __post_init__(self) -> None:
        for name in ("max_batch_size", "max_enqueued_batches", "num_batch_threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected at least 1, received {name}={getattr(self, name)}")
        for name in ("batch_timeout_micros", "max_execution_batch_size"):
            if getattr(self, name) < 0:
                raise ValueError(f"expected 0 or more, received {name}={getattr(self, name)}")
        if self.num_batch_threads > _MOST_THREADS:
            raise ValueError(f"expected at most {_MOST_THREADS}, received num_batch_threads={self.num_batch_threads}")
        if self.largest_run > self.max_batch_size:
            raise ValueError(
                f"expected at most max_batch_size={self.max_batch_size}, received "
                f"max_execution_batch_size={self.max_execution_batch_size}"
            )
        sizes = self.allowed_batch_sizes
        if sizes and sizes[0] < 1:
            raise ValueError(f"expected at least 1, received allowed_batch_sizes={list(sizes)}")
        if list(sizes) != sorted(set(sizes)):
            raise ValueError("allowed_batch_sizes entries must be monotonically increasing")
        if sizes and sizes[-1] != self.largest_run:
            limit = "max_execution_batch_size" if self.enable_large_batch_splitting else "max_batch_size"
            raise ValueError(f"final entry in allowed_batch_sizes must equal {limit}")

    @property
    def largest_run(self) -> int:
        """The most rows that the model is given at once."""
        if self.enable_large_batch_splitting and self.max_execution_batch_size:
            return self.max_execution_batch_size
        return self.max_batch_size

    @classmethod
    def from_file(cls, path: str) -> BatchingParameters:
        """Reads a file of text; what it does not say is as by default. Raises ValueError."""
        message = text_configs.read(path, "BatchingParameters")
        given: dict[str, Any] = {}
        for descriptor, value in message.ListFields():
            wrapped = descriptor.message_type is not None
            repeated = descriptor.name == "allowed_batch_sizes"
            given[descriptor.name] = value.value if wrapped else tuple(value) if repeated else value
        return cls(**given)


class _Task(Waiting):
    """A request in a batch: its call, and what comes back."""

    def __init__(self, call: Call, rows: int) -> None:
        super().__init__()
        self.call = call
        self.rows = rows
        self.since = time.monotonic()
        self.outputs: Sequence[Any] = ()
        self.error: Exception | None = None


@dataclass(eq=False)
class _Batch:
    """Tasks that run together, by ``proceed``, from the time ``due`` on."""

    key: Hashable
    proceed: Execute
    due: float
    tasks: list[_Task] = field(default_factory=list)
    rows: int = 0


class Batcher:
    """An interceptor that joins calls of the same plan and shapes. Its threads start with the first call."""

    def __init__(self, parameters: BatchingParameters, metrics: Metrics) -> None:
        self._parameters = parameters
        self._metrics = metrics
        self._changed = threading.Condition()
        # In the order in which they began; of each key the last one may be joined.
        self._waiting: list[_Batch] = []
        self._running = 0
        self._threads: list[threading.Thread] = []
        self._stopped = False

    async def __call__(self, call: Call, proceed: Execute) -> Sequence[Any]:
        """Returns the outputs of a call. Raises StatusError."""
        if not call.given:
            # Nothing of it could be joined.
            return await proceed(call)
        rows = _rows(call)
        limit = self._parameters.largest_run
        if rows > limit:
            return await self._in_pieces(call, proceed, rows, limit)
        self._metrics.input_batch_size.add(value=rows)
        task = _Task(call, rows)
        self._join(task, proceed)
        await task
        if task.error is not None:
            raise task.error
        return task.outputs

    def stop(self) -> None:
        """Ends the threads once all batches have run; does not wait for it."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    async def _in_pieces(self, call: Call, proceed: Execute, rows: int, limit: int) -> Sequence[Any]:
        if not self._parameters.enable_large_batch_splitting:
            raise statuses.invalid(f"Task size {rows} is larger than maximum input batch size {limit}")
        parts = []
        for start in range(0, rows, limit):
            values = [
                value[start : start + limit] if name in call.given else value
                for name, value in zip(call.plan.inputs, call.values, strict=True)
            ]
            parts.append(await self(replace(call, values=values), proceed))
        return [np.concatenate(column) for column in zip(*parts, strict=True)]

    def _join(self, task: _Task, proceed: Execute) -> None:
        key = (task.call.plan, task.call.given)
        now = time.monotonic()
        with self._changed:
            if self._stopped:
                raise statuses.StatusError(grpc.StatusCode.UNAVAILABLE, "the server is going down")
            waiting = [batch for batch in self._waiting if batch.key == key]
            if waiting and waiting[-1].rows + task.rows <= self._parameters.largest_run:
                batch = waiting[-1]
            elif len(waiting) >= self._parameters.max_enqueued_batches:
                raise statuses.StatusError(
                    grpc.StatusCode.UNAVAILABLE,
                    "The batch scheduling queue to which this task was submitted is full",
                )
            else:
                batch = _Batch(key, proceed, now + self._parameters.batch_timeout_micros / 1e6)
                self._waiting.append(batch)
                self._changed.notify()
            batch.tasks.append(task)
            batch.rows += task.rows
            if batch.rows >= self._parameters.largest_run:
                batch.due = now
                self._changed.notify()
            if not self._threads:
                self._start()

    def _start(self) -> None:
        for _ in range(self._parameters.num_batch_threads + 1):
            thread = threading.Thread(target=self._work, name=self._parameters.thread_pool_name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def _work(self) -> None:
        while (batch := self._take()) is not None:
            try:
                self._run(batch)
            finally:
                with self._changed:
                    self._running -= 1
                    self._changed.notify()
            for task in batch.tasks:
                task.end()
            # What it answered is not kept until the next one comes.
            del batch, task

    def _take(self) -> _Batch | None:
        """Waits for a batch that may run, and counts it as running; None at the end."""
        with self._changed:
            while self._waiting or not self._stopped:
                first = min(self._waiting, key=lambda batch: batch.due, default=None)
                if first is None or self._running >= self._parameters.num_batch_threads:
                    self._changed.wait()
                elif (remaining := first.due - time.monotonic()) > 0 and not self._stopped:
                    self._changed.wait(remaining)
                else:
                    self._waiting.remove(first)
                    self._running += 1
                    if self._waiting:
                        # Somebody else is to see to them.
                        self._changed.notify()
                    return first
            return None

    def _run(self, batch: _Batch) -> None:
        try:
            tasks = self._alive(batch.tasks)
            if tasks:
                run(self._run_tasks(tasks, batch.proceed))
        except Exception as error:
            for task in batch.tasks:
                task.error = task.error or error

    def _alive(self, tasks: list[_Task]) -> list[_Task]:
        alive = []
        for task in tasks:
            try:
                check_deadline(task.call.deadline)
                alive.append(task)
            except statuses.StatusError as error:
                task.error = error
        return alive

    async def _run_tasks(self, tasks: list[_Task], proceed: Execute) -> None:
        rows = sum(task.rows for task in tasks)
        # Without rows there is none to repeat.
        allowed = self._parameters.allowed_batch_sizes if rows else ()
        size = next((enough for enough in allowed if enough >= rows), rows)
        self._count(tasks, rows, size)
        first = tasks[0].call
        values = [
            self._join_values(name, [task.call.values[index] for task in tasks], size - rows)
            if name in first.given
            else first.values[index]
            for index, name in enumerate(first.plan.inputs)
        ]
        outputs = await proceed(replace(first, values=values, deadline=NO_DEADLINE))
        for output in outputs:
            # Also of one request alone: else its answer would depend on how many others there are.
            _check_output(output, size)
        if len(tasks) == 1 and size == rows:
            tasks[0].outputs = outputs
            return
        start = 0
        for task in tasks:
            task.outputs = [output[start : start + task.rows] for output in outputs]
            start += task.rows

    def _count(self, tasks: list[_Task], rows: int, size: int) -> None:
        now = time.monotonic()
        for task in tasks:
            self._metrics.queuing_latency.add(self._parameters.thread_pool_name, value=1e6 * (now - task.since))
        self._metrics.batch_runs.add()
        self._metrics.processed_batch_size.add(value=size)
        if self._parameters.allowed_batch_sizes:
            self._metrics.padding_size.add(str(size), value=size - rows)

    def _join_values(self, name: str, arrays: list[Any], padding: int) -> Any:
        if any(array.shape[1:] != arrays[0].shape[1:] for array in arrays):
            if not self._parameters.pad_variable_length_inputs:
                raise statuses.StatusError(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f"Tensors with name '{name}' from different tasks have different shapes and padding is turned off. "
                    "Set pad_variable_length_inputs to true, or ensure that all tensors with the same name have equal "
                    "dimensions starting with the first dim.",
                )
            arrays = _padded(name, arrays)
        if padding:
            first = next(array[:1] for array in arrays if len(array))
            arrays = [*arrays, np.repeat(first, padding, axis=0)]
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


class PerModelBatching:
    """An interceptor that batches the versions which say how, in ``batching_params.pbtxt`` beside their SavedModel.

    The others are not batched, as in TF Serving.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._batchers: dict[tuple[str, int], Batcher] = {}

    def prepare(self, name: str, path: str, version: int, session: Any) -> None:
        """Reads the parameters of a version that has been loaded. Raises StatusError."""
        file = os.path.join(path, _PARAMETERS)
        self._batchers.pop((name, version), None)
        if not os.path.exists(file):
            return
        try:
            batcher = Batcher(BatchingParameters.from_file(file), self._metrics)
        except ValueError as error:
            raise statuses.invalid(str(error)) from error
        self._batchers[name, version] = batcher
        weakref.finalize(session, self._forget, name, version, batcher)

    def _forget(self, name: str, version: int, batcher: Batcher) -> None:
        if self._batchers.get((name, version)) is batcher:
            del self._batchers[name, version]
        batcher.stop()

    def stop(self) -> None:
        """Ends all threads once their batches have run."""
        for batcher in list(self._batchers.values()):
            batcher.stop()

    def __call__(self, call: Call, proceed: Execute) -> Awaitable[Sequence[Any]]:
        """Returns the outputs of a call. Raises StatusError."""
        batcher = self._batchers.get((call.model_name, call.version))
        return proceed(call) if batcher is None else batcher(call, proceed)


def _rows(call: Call) -> int:
    sizes = set()
    for name, value in zip(call.plan.inputs, call.values, strict=True):
        if name not in call.given:
            continue
        if not np.ndim(value):
            raise statuses.invalid("Batching Run() input tensors must have at least one dimension")
        sizes.add(value.shape[0])
    if len(sizes) > 1:
        raise statuses.invalid("Batching Run() input tensors must have equal 0th-dimension size")
    return sizes.pop() if sizes else 1


def _padded(name: str, arrays: list[Any]) -> list[Any]:
    """Arrays with their first value again and again, as in TF Serving, up to the largest size of every dimension.

    The first dimension stays as it is. An array without values is padded with zeros, or empty texts.
    """
    if len({array.ndim for array in arrays}) > 1:
        raise statuses.invalid(f"Ranks of tensors with name '{name}' from different tasks should be equal")
    largest = np.max([array.shape[1:] for array in arrays], axis=0)
    padded = []
    for array in arrays:
        result = np.empty((len(array), *largest), array.dtype)
        result.fill(array.flat[0] if array.size else b"" if array.dtype == object else 0)
        result[tuple(slice(0, size) for size in array.shape)] = array
        padded.append(result)
    return padded


def _check_output(output: Any, rows: int) -> None:
    if not np.ndim(output):
        raise statuses.StatusError(grpc.StatusCode.FAILED_PRECONDITION, "Batched output tensor has 0 dimensions")
    if output.shape[0] != rows:
        raise statuses.StatusError(
            grpc.StatusCode.FAILED_PRECONDITION,
            "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input "
            "tensors",
        )
