"""``tfx.v1.extensions.google_cloud_big_query``: examples from BigQuery."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tfx.v1.lazy import offer

if TYPE_CHECKING:
    from mlops_tfx.components import BigQueryExampleGen

__all__ = ["PUSHER_SERVING_ARGS_KEY", "BigQueryExampleGen"]

PUSHER_SERVING_ARGS_KEY = "bigquery_serving_args"

__getattr__, __dir__ = offer(__name__, {"BigQueryExampleGen": "mlops_tfx.components"})
