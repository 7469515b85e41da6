"""``custom_config`` of Pusher and BulkInferrer, checked and read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlops_tfx.extensions.custom_config import missing_texts, misspelt_keys, section, unknown_keys
from mlops_tfx.extensions.google_cloud_ai_platform import constants

_KEYS = (
    constants.ENABLE_UCAIP_KEY,
    constants.ENABLE_VERTEX_KEY,
    constants.ENDPOINT_ARGS_KEY,
    constants.SERVING_ARGS_KEY,
    constants.VERTEX_CONTAINER_IMAGE_URI_KEY,
    constants.VERTEX_REGION_KEY,
)
# Not for Model.deploy: who is served where.
_OWN = ("endpoint_name", "labels", "model_name", "project", "project_id", "regions")
# Of Model.deploy; others are handed on, for releases that have more.
_DEPLOY = (
    "accelerator_count",
    "accelerator_type",
    "autoscaling_target_accelerator_duty_cycle",
    "autoscaling_target_cpu_utilization",
    "deploy_request_timeout",
    "deployed_model_display_name",
    "explanation_metadata",
    "explanation_parameters",
    "machine_type",
    "max_replica_count",
    "metadata",
    "min_replica_count",
    "network",
    "service_account",
    "traffic_percentage",
    "traffic_split",
)


@dataclass(frozen=True)
class ServingArgs:
    """Where a model is served, and with what.

    Attributes:
        project: Google Cloud project.
        region: of Vertex AI, such as us-central1.
        endpoint_name: display name of the endpoint.
        image: of the container that serves.
        labels: of an endpoint that is made.
        deploy: further arguments of ``Model.deploy``.
    """

    project: str
    region: str
    endpoint_name: str
    image: str
    labels: Mapping[str, str]
    deploy: Mapping[str, Any]


def problems(custom_config: Mapping[str, Any] | None, name_keys: tuple[str, ...]) -> Iterator[str]:
    """Yields what is wrong; ``name_keys``: the keys that may name the endpoint."""
    config = custom_config or {}
    given, missing = section(config, constants.SERVING_ARGS_KEY)
    yield from unknown_keys(config, _KEYS, "custom_config")
    yield from missing
    if missing:
        return
    yield from vertex_problems(config)
    yield from missing_texts(config, [constants.VERTEX_CONTAINER_IMAGE_URI_KEY], "custom_config")
    where = constants.SERVING_ARGS_KEY
    yield from misspelt_keys(given, (*_OWN, *_DEPLOY), where)
    if bool(given.get("project")) == bool(given.get("project_id")):
        yield f"{where}: expected exactly one of 'project' and 'project_id', received {sorted(given)}"
    if not any(isinstance(given.get(key), str) and given.get(key) for key in name_keys):
        yield f"{where}: expected {' or '.join(map(repr, name_keys))} with a text, received {sorted(given)}"


def vertex_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Yields a problem where Vertex AI, or its region, is not named."""
    if not config.get(constants.ENABLE_VERTEX_KEY, config.get(constants.ENABLE_UCAIP_KEY)):
        yield (
            f"custom_config: expected {constants.ENABLE_VERTEX_KEY!r}: True, received "
            f"{config.get(constants.ENABLE_VERTEX_KEY)!r}; AI Platform, which came before Vertex AI, is not supported"
        )
    if not region_of(config):
        key = constants.VERTEX_REGION_KEY
        yield f"custom_config: expected {key!r} with a region such as 'us-central1', received none"


def region_of(config: Mapping[str, Any]) -> str:
    """Returns the region; it may be under one of the older keys."""
    keys = (constants.VERTEX_REGION_KEY, constants.UCAIP_REGION_KEY, constants.ENDPOINT_ARGS_KEY)
    return str(next((config[key] for key in keys if config.get(key)), ""))


def read(custom_config: Mapping[str, Any] | None, name_keys: tuple[str, ...]) -> ServingArgs:
    """Returns what a ``custom_config`` without problems says."""
    config = custom_config or {}
    given, _ = section(config, constants.SERVING_ARGS_KEY)
    return ServingArgs(
        project=str(given.get("project") or given.get("project_id")),
        region=region_of(config),
        endpoint_name=str(next(given[key] for key in name_keys if given.get(key))),
        image=str(config[constants.VERTEX_CONTAINER_IMAGE_URI_KEY]),
        labels=given.get("labels") or {},
        deploy={key: value for key, value in given.items() if key not in _OWN},
    )
