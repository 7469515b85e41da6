"""BentoML: adaptive batching, a worker process for every core."""

from __future__ import annotations

from typing import Any

import bentoml
from model import Model


@bentoml.service(workers="cpu_count")
class Served:
    def __init__(self) -> None:
        self.model = Model()

    @bentoml.api(batchable=True, max_batch_size=64)
    def predict(self, instances: list[dict[str, Any]]) -> list[float]:
        return self.model.predict_rows(instances)
