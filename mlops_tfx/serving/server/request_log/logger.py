"""The interceptor that takes samples, and the thread that writes them."""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from mlops_tfx.serving.server.calls import Call, Execute
from mlops_tfx.serving.server.metrics import Metrics
from mlops_tfx.serving.server.request_log import records
from mlops_tfx.serving.server.request_log.files import SpanFiles
from mlops_tfx.serving.server.request_log.settings import EXAMPLES, PREDICTION_LOGS, LogSettings

_log = logging.getLogger(__name__)
_SECONDS_BETWEEN_WARNINGS = 60.0
_SECONDS_BETWEEN_LOOKS = 1.0
# What became of a sample, as TF Serving's request_log_count says it: by the code of its status.
_LOGGED, _DROPPED, _FAILED, _LOST = "OK", "RESOURCE_EXHAUSTED", "INTERNAL", "DATA_LOSS"


@dataclass(frozen=True, eq=False)
class _Sample:
    call: Call
    outputs: Sequence[Any]
    config: Any
    timestamp: float
    size: int


class RequestLogger:
    """An interceptor that logs a share of the requests that were answered; never waits for the disk.

    Args:
        config_of: the LoggingConfig of a model by its name, or None.
        settings: how files are written.
        metrics: where to count.
        tags: those of the graphs that are served.
        max_pending: samples that may wait to be written; more are dropped and counted.
        max_pending_bytes: what their inputs and outputs may take.
        seed: of the sampling; None for another one every time.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        config_of: Callable[[str], Any],
        settings: LogSettings,
        metrics: Metrics,
        *,
        tags: Sequence[str] = ("serve",),
        max_pending: int = 1024,
        max_pending_bytes: int = 256 << 20,
        seed: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config_of = config_of
        self._settings = settings
        self._metrics = metrics
        self._tags = tuple(tags)
        self._max_pending_bytes = max_pending_bytes
        self._random = random.Random(seed)
        self._clock = clock
        self._queue: queue.Queue[_Sample | None] = queue.Queue(max_pending)
        self._lock = threading.Lock()
        self._pending_bytes = 0
        self._files: dict[Path, SpanFiles] = {}
        self._warned = -_SECONDS_BETWEEN_WARNINGS
        self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)

    def start(self) -> None:
        """Starts to write."""
        self._thread.start()

    def stop(self) -> None:
        """Writes what is pending and completes all files."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    async def __call__(self, call: Call, proceed: Execute) -> Sequence[Any]:
        """Runs a call, and may take it as a sample."""
        outputs = await proceed(call)
        config = self._config_of(call.model_name)
        if config is not None and self._random.random() < config.sampling_config.sampling_rate:
            self._take(call, outputs, config)
        return outputs

    def _take(self, call: Call, outputs: Sequence[Any], config: Any) -> None:
        sample = _Sample(call, outputs, config, self._clock(), sum(map(_bytes, [*call.values, *outputs])))
        with self._lock:
            fits = self._pending_bytes + sample.size <= self._max_pending_bytes
            if fits:
                self._pending_bytes += sample.size
        if not fits:
            self._metrics.request_log_count.add(call.model_name, _DROPPED)
            return
        try:
            self._queue.put_nowait(sample)
        except queue.Full:
            self._release(sample)
            self._metrics.request_log_count.add(call.model_name, _DROPPED)

    def _release(self, sample: _Sample) -> None:
        with self._lock:
            self._pending_bytes -= sample.size

    def _run(self) -> None:
        look = time.monotonic() + _SECONDS_BETWEEN_LOOKS
        while True:
            try:
                sample = self._queue.get(timeout=max(look - time.monotonic(), 0.01))
            except queue.Empty:
                sample = None
            else:
                if sample is None:
                    break
                self._write_or_count(sample)
                self._release(sample)
            if time.monotonic() >= look:
                self._each(SpanFiles.complete_old)
                look = time.monotonic() + _SECONDS_BETWEEN_LOOKS
        self._each(SpanFiles.close)

    def _each(self, action: Callable[[SpanFiles], None]) -> None:
        for folder, files in self._files.items():
            try:
                action(files)
            except OSError as error:
                self._failed("", f"cannot complete files in {folder}: {error}")

    def _write_or_count(self, sample: _Sample) -> None:
        model = sample.call.model_name
        try:
            self._write(sample)
        except OSError as error:
            self._failed(model, f"cannot write a request to model {model}: {error}")
        except Exception as error:  # a request that cannot be written must not end the thread
            _log.debug("request log", exc_info=True)
            self._failed(model, f"cannot log a request to model {model}: {type(error).__name__}: {error}")
        else:
            self._metrics.request_log_count.add(model, _LOGGED)

    def _write(self, sample: _Sample) -> None:
        call, settings = sample.call, self._settings
        made = {}
        if PREDICTION_LOGS in settings.contents:
            sampling, seconds = sample.config.sampling_config, int(sample.timestamp)
            made[PREDICTION_LOGS] = [records.prediction_log(call, sample.outputs, sampling, self._tags, seconds)]
        if EXAMPLES in settings.contents:
            made[EXAMPLES] = records.examples(call, sample.outputs if settings.with_predictions else None)
        # Names of models may hold anything; one folder below the prefix, and not above it, is what each gets.
        name = quote(call.model_name, safe="").replace(".", "%2E")
        folder = Path(sample.config.log_collector_config.filename_prefix) / name
        files = self._files.get(folder)
        if files is None:
            files = self._files[folder] = SpanFiles(folder, settings, self._clock, self._lost(call.model_name))
        for content, rows in made.items():
            size = files.write(content, rows, sample.timestamp)
            self._metrics.request_log_bytes.add(call.model_name, content, value=float(size))

    def _lost(self, model: str) -> Callable[[int], None]:
        return lambda requests: self._metrics.request_log_count.add(model, _LOST, value=float(requests))

    def _failed(self, model: str, text: str) -> None:
        self._metrics.request_log_count.add(model, _FAILED)
        if time.monotonic() - self._warned >= _SECONDS_BETWEEN_WARNINGS:
            self._warned = time.monotonic()
            _log.error("request log: %s (the server goes on; said at most once a minute)", text)


def _bytes(value: Any) -> int:
    array = np.asarray(value)
    return array.nbytes if array.dtype != object else sum(map(len, array.ravel().tolist()))
