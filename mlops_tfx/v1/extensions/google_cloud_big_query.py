"""``tfx.v1.extensions.google_cloud_big_query``: examples from BigQuery, models to BigQuery ML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tfx.v1.lazy import offer

if TYPE_CHECKING:
    from mlops_tfx.compat.example_gen.component import BigQueryExampleGen
    from mlops_tfx.extensions.google_cloud_big_query import Pusher

__all__ = ["PUSHER_SERVING_ARGS_KEY", "BigQueryExampleGen", "Pusher"]

PUSHER_SERVING_ARGS_KEY = "bigquery_serving_args"

_HOMES = {
    "BigQueryExampleGen": "mlops_tfx.compat.example_gen.component",
    "Pusher": "mlops_tfx.extensions.google_cloud_big_query",
}

__getattr__, __dir__ = offer(__name__, _HOMES)
