"""Metrics in Prometheus' text format, with TF Serving's names, labels and buckets.

Every name has a HELP line and inferences are counted per signature as well, which TF Serving does not do.
"""

from __future__ import annotations

import os
import re
import threading
import time
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

PREFIX = ":tensorflow:serving:"
_NO_NAME = re.compile(r"[^a-zA-Z0-9_]")
_MLMD_UUID = os.path.join("assets.extra", "mlmd_uuid")
# Microseconds: 10 x 1.8^k, as in TF Serving.
LATENCY_BUCKETS = tuple(10 * 1.8**k for k in range(33))
QUEUING_BUCKETS = tuple(100 * 1.2**k for k in range(52))
# Clients choose some label values (the name of a model that is not there): more series than these are added up in one.
_MOST_SERIES = 2000
_LONGEST_LABEL = 256
_OTHERS = "(others)"
COUNT_BUCKETS = tuple(float(2**k) for k in range(15))


class Family:
    """A metric: one series per combination of label values. Thread safe.

    Args:
        name: its full name.
        text: what it means.
        labels: the names of its labels.
        buckets: upper bounds, for a histogram; None for a counter.
        kind: ``counter``, ``gauge`` or ``histogram``.
    """

    def __init__(
        self,
        name: str,
        text: str,
        labels: Sequence[str],
        buckets: Sequence[float] | None = None,
        kind: str = "counter",
    ) -> None:
        self.name = name
        self._text = text
        self._labels = tuple(labels)
        self._buckets = buckets
        self._kind = "histogram" if buckets is not None else kind
        self._lock = threading.Lock()
        self._values: dict[tuple[str, ...], float] = {}
        self._counts: dict[tuple[str, ...], list[int]] = {}

    def add(self, *labels: str, value: float = 1.0) -> None:
        """Adds to a counter, or observes a value in a histogram."""
        with self._lock:
            if labels not in self._values:
                labels = self._bounded(labels)
            self._values[labels] = self._values.get(labels, 0.0) + value
            if self._buckets is not None:
                counts = self._counts.get(labels)
                if counts is None:
                    counts = self._counts[labels] = [0] * (len(self._buckets) + 1)
                counts[bisect_left(self._buckets, value)] += 1

    def _bounded(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(self._values) >= _MOST_SERIES:
            return (_OTHERS,) * len(labels)
        return tuple(label[:_LONGEST_LABEL] for label in labels)

    def set(self, *labels: str, value: float) -> None:
        """Sets a gauge."""
        with self._lock:
            self._values[labels] = value

    def value(self, *labels: str) -> float:
        """The value of a counter or gauge, or the sum of a histogram."""
        with self._lock:
            return self._values.get(labels, 0.0)

    def total(self) -> int:
        """The sum of all series of a counter or gauge; 0 for a histogram."""
        with self._lock:
            return int(sum(self._values.values())) if self._buckets is None else 0

    def lines(self) -> list[str]:
        """The metric as text."""
        lines = [f"# HELP {self.name} {self._text}", f"# TYPE {self.name} {self._kind}"]
        with self._lock:
            values, counts = dict(self._values), {key: list(value) for key, value in self._counts.items()}
        for key, value in values.items():
            pairs = [f'{name}="{_escape(text)}"' for name, text in zip(self._labels, key, strict=True)]
            if self._buckets is None:
                lines.append(f"{self.name}{{{','.join(pairs)}}} {_number(value)}")
                continue
            running = list(accumulate(counts[key]))
            for bound, count in zip([*map(_number, self._buckets), "+Inf"], running, strict=True):
                lines.append(f"{self.name}_bucket{{{','.join([*pairs, f'le={chr(34)}{bound}{chr(34)}'])}}} {count}")
            lines.append(f"{self.name}_sum{{{','.join(pairs)}}} {_number(value)}")
            lines.append(f"{self.name}_count{{{','.join(pairs)}}} {running[-1]}")
        return lines


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        self._families: list[Family] = []
        family, p = self._family, PREFIX
        self.request_count = family(p + "request_count", "Requests by model and status.", ["model_name", "status"])
        self.request_latency = family(
            p + "request_latency",
            "Microseconds from request to answer, of those answered.",
            ["model_name", "API", "entrypoint"],
            LATENCY_BUCKETS,
        )
        self.runtime_latency = family(
            p + "runtime_latency",
            "Microseconds in the model.",
            ["model_name", "API", "runtime"],
            LATENCY_BUCKETS,
        )
        self.example_counts = family(p + "request_example_counts", "Examples per request.", ["model"], COUNT_BUCKETS)
        self.example_count = family(p + "request_example_count_total", "Examples in all requests.", ["model"])
        self.warmup_latency = family(
            p + "model_warmup_latency", "Microseconds of warming up.", ["model_path", "status"], LATENCY_BUCKETS
        )
        self.warmup_records = family(p + "model_warmup_records_read", "Warmup records read.", ["model_path", "status"])
        self.signature_count = family(
            p + "signature_request_count",
            "Inferences by model, version, signature and status.",
            ["model_name", "version", "signature_name", "status"],
        )
        self.signature_latency = family(
            p + "signature_latency",
            "Microseconds of inferences by model, version and signature.",
            ["model_name", "version", "signature_name"],
            LATENCY_BUCKETS,
        )
        batching = p + "batching_session:"
        self.queuing_latency = family(
            batching + "queuing_latency", "Microseconds that requests wait for a batch.", ["thread_pool_name"],
            QUEUING_BUCKETS,
        )  # fmt: skip
        self.batch_runs = family(batching + "wrapped_run_count", "Batches run.", [])
        self.input_batch_size = family(batching + "input_batch_size", "Rows per request.", [], COUNT_BUCKETS)
        self.processed_batch_size = family(batching + "processed_batch_size", "Rows per batch.", [], COUNT_BUCKETS)
        self.padding_size = family(
            batching + "padding_size", "Rows added to reach an allowed size.", ["execution_batch_size"], COUNT_BUCKETS
        )
        self.request_log_count = family(
            p + "request_log_count",
            "Sampled requests: OK if logged, RESOURCE_EXHAUSTED if too many waited, INTERNAL if they could not be "
            "written; and logged ones that were lost, DATA_LOSS.",
            ["model_name", "status_code"],
        )
        self.request_log_bytes = family(p + "request_log_bytes", "Bytes logged.", ["model_name", "content"])
        guard = p + "schema_guard_"
        self.schema_findings = family(
            guard + "findings", "Rows that do not fit the schema, by feature and reason.",
            ["model_name", "feature", "reason"],
        )  # fmt: skip
        self.schema_requests = family(
            guard + "requests", "Requests checked: they fit, are annotated, are refused, or the check failed.",
            ["model_name", "outcome"],
        )  # fmt: skip
        self.schema_loads = family(
            guard + "schema_loads", "Versions whose schema was loaded, is unreadable, or not there (none).",
            ["model_name", "outcome"],
        )  # fmt: skip
        self.load_attempts = family(
            ":tensorflow:cc:saved_model:load_attempt_count", "Loads of SavedModels.", ["model_path", "status"]
        )
        self.load_latency = family(
            ":tensorflow:cc:saved_model:load_latency", "Microseconds of loading SavedModels.", ["model_path"]
        )
        self.mlmd_map = family(
            p + "mlmd_map",
            "Versions with assets.extra/mlmd_uuid; the value is 0, as in TF Serving, where it stands for a text.",
            ["model_name", "version"],
            kind="gauge",
        )
        started = family(
            "process_start_time_seconds", "When the server started, in seconds since 1970.", [], kind="gauge"
        )
        started.set(value=time.time())

    def _family(
        self,
        name: str,
        text: str,
        labels: Sequence[str],
        buckets: Sequence[float] | None = None,
        kind: str = "counter",
    ) -> Family:
        self._families.append(Family(name, text, labels, buckets, kind))
        return self._families[-1]

    def text(self) -> str:
        """All metrics in Prometheus' text format."""
        return "\n".join(line for family in self._families for line in family.lines()) + "\n"

    def total(self, name: str) -> int:
        """The sum of all series of a counter by TensorFlow's name, ``/tensorflow/serving/request_count``; 0 if none."""
        name = _NO_NAME.sub(":", name)
        return sum(family.total() for family in self._families if family.name == name)

    def observe_load(self, path: str, status: str, seconds: float) -> None:
        """Counts a load of a SavedModel."""
        self.load_attempts.add(path, status)
        if status == "OK":
            self.load_latency.add(path, value=seconds * 1e6)

    def observe_version(self, name: str, path: str, version: int, session: Any) -> None:
        """Notes whether a version that has been loaded says what made it."""
        import tensorflow as tf

        if tf.io.gfile.exists(os.path.join(path, _MLMD_UUID)):
            self.mlmd_map.set(name, str(version), value=0)

    def observe(self, api: str, entrypoint: str, model: str, status: str, seconds: float) -> None:
        """Counts a request."""
        self.request_count.add(model, status)
        if status == "OK":
            self.request_latency.add(model, api, entrypoint, value=seconds * 1e6)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.6g}"
