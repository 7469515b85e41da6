"""The result of an evaluation for people."""

from __future__ import annotations

import json
import os
from typing import Any

from mlops_tfx import filesystem
from mlops_tfx.errors import ArtifactError

METRICS_JSON = "metrics.json"


def read_metrics(uri: str) -> list[dict[str, Any]]:
    """Reads the scalar metrics of a ModelEvaluation artifact; of one that TFX wrote with TFMA, otherwise without.

    Returns rows such as ``{"slice": "carrier=AA", "metric": "auc", "value": 0.79}``, all rows together
    ("Overall") first. Metrics of several models or outputs, per class, top k or differences carry
    ``model``, ``output``, ``sub_key``, ``aggregation``, ``weighted`` or ``is_diff`` as well. A value
    that is no number is None.

    Raises ArtifactError if ``uri`` holds no evaluation.
    """
    path = os.path.join(uri, METRICS_JSON)
    if not filesystem.exists(path):
        if filesystem.glob(os.path.join(uri, "metrics-*")):
            from mlops_tfx.components.evaluator.tfma_rows import metrics_rows

            return metrics_rows(uri)
        raise ArtifactError(f"expected an evaluation in {uri!r}, found neither {METRICS_JSON} nor metrics-* there")
    rows: list[dict[str, Any]] = json.loads(filesystem.read_bytes(path))["rows"]
    return rows
