"""The server's own interceptor: measures what runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import grpc
import numpy as np

from mlops_tfx.serving.server.calls import Call, Execute, Interceptor
from mlops_tfx.serving.server.metrics import Metrics
from mlops_tfx.serving.server.statuses import StatusError

_RUNTIME = "TF1"


def measuring(metrics: Metrics) -> Interceptor:
    """Returns an interceptor that counts and times inferences."""

    async def intercept(call: Call, proceed: Execute) -> Sequence[Any]:
        started = time.monotonic()
        code = grpc.StatusCode.OK
        try:
            return await proceed(call)
        except StatusError as error:
            code = error.code
            raise
        finally:
            micros = 1e6 * (time.monotonic() - started)
            version = str(call.version)
            metrics.signature_count.add(call.model_name, version, call.signature_name, code.name)
            if code is grpc.StatusCode.OK:
                rows = float(_rows(call.values))
                metrics.runtime_latency.add(call.model_name, call.api, _RUNTIME, value=micros)
                metrics.signature_latency.add(call.model_name, version, call.signature_name, value=micros)
                metrics.example_counts.add(call.model_name, value=rows)
                metrics.example_count.add(call.model_name, value=rows)

    return intercept


def _rows(values: Sequence[Any]) -> int:
    shape = np.shape(values[0]) if values else ()
    return shape[0] if shape else 1
