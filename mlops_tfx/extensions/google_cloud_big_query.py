"""Pusher for BigQuery ML: ``ML.PREDICT`` runs the model inside a query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mlops_tfx.errors import PushError
from mlops_tfx.extensions.client_library import client_library
from mlops_tfx.extensions.cloud_pusher import CloudPusher
from mlops_tfx.extensions.custom_config import missing_texts, section, unknown_keys

PUSHER_SERVING_ARGS_KEY = "bigquery_serving_args"
_REQUIRED = ("project_id", "bq_dataset_id", "model_name")
_KNOWN = (*_REQUIRED, "compute_project_id")


class Pusher(CloudPusher):
    """Makes or replaces a model of BigQuery ML, unless a blessing was asked for and refused.

    Not verified against the real service; its logic is tested against a fake of BigQuery's client.

    ``custom_config={"bigquery_serving_args": {"project_id": ..., "bq_dataset_id": ..., "model_name": ...}}``; with
    ``compute_project_id`` another project pays for the query. ``pushed_destination`` is ``project.dataset.model``.
    Arguments and properties are those of CloudPusher.
    """

    def problems_of_config(self) -> Iterable[str]:
        """Keys that are missing or not known, and names that no identifier can have."""
        given, problems = section(self.custom_config, PUSHER_SERVING_ARGS_KEY)
        yield from unknown_keys(self.custom_config or {}, [PUSHER_SERVING_ARGS_KEY], "custom_config")
        yield from problems
        if problems:
            return
        yield from unknown_keys(given, _KNOWN, PUSHER_SERVING_ARGS_KEY)
        yield from missing_texts(given, _REQUIRED, PUSHER_SERVING_ARGS_KEY)
        for key, value in given.items():
            if any(character in str(value) for character in "`\\\n"):
                where = PUSHER_SERVING_ARGS_KEY
                yield f"{where}: expected a name without `, \\ and line ends, received {key}={value!r}"

    def deliver(self, model_uri: str) -> str:
        """Runs the statement, and waits for it. Raises PushError with BigQuery's reason."""
        given: Mapping[str, Any] = section(self.custom_config, PUSHER_SERVING_ARGS_KEY)[0]
        name = ".".join(str(given[key]) for key in _REQUIRED)
        bigquery = client_library("google.cloud.bigquery", "google-cloud-bigquery")
        client = bigquery.Client(project=given.get("compute_project_id") or given["project_id"])
        job = None
        try:
            job = client.query(create_model(name, model_uri))
            job.result()
        except Exception as error:
            raise PushError(f"BigQuery ML did not take {model_uri!r} as {name!r}: {error}") from error
        except BaseException:
            if job is not None:
                job.cancel()  # the run was interrupted, and nobody waits for the answer
            raise
        return name


def create_model(name: str, model_uri: str) -> str:
    """Returns the statement that makes a model of a SavedModel."""
    path = model_uri.replace("\\", "\\\\").replace("'", "\\'")
    return f"CREATE OR REPLACE MODEL `{name}`\nOPTIONS (model_type='tensorflow', model_path='{path}/*')"
