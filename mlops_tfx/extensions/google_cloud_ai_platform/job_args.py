"""``custom_config`` of Trainer and Tuner, checked and made into a CustomJob."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlops_tfx.extensions.custom_config import missing_texts, misspelt_keys, section
from mlops_tfx.extensions.google_cloud_ai_platform import constants
from mlops_tfx.extensions.google_cloud_ai_platform.serving_args import vertex_problems

_KEYS = (
    constants.ENABLE_UCAIP_KEY,
    constants.ENABLE_VERTEX_KEY,
    constants.JOB_ID_KEY,
    constants.LABELS_KEY,
    constants.REMOTE_TRIALS_WORKING_DIR_KEY,
    constants.TRAINING_ARGS_KEY,
    constants.TUNING_ARGS_KEY,
    constants.UCAIP_REGION_KEY,
    constants.VERTEX_REGION_KEY,
)
_JOB = ("display_name", "encryption_spec", "job_spec", "labels", "project")
_SPEC = (
    "base_output_directory",
    "enable_web_access",
    "network",
    "reserved_ip_ranges",
    "scheduling",
    "service_account",
    "tensorboard",
    "worker_pool_specs",
)


def problems(custom_config: Mapping[str, Any] | None, args_key: str) -> Iterator[str]:
    """Yields what is wrong. Keys that are like none of these are the user's own, for run_fn or tuner_fn."""
    config = custom_config or {}
    given, missing = section(config, args_key)
    yield from misspelt_keys(config, _KEYS, "custom_config")
    yield from missing
    if missing:
        return
    yield from vertex_problems(config)
    yield from misspelt_keys(given, (*_JOB, *_SPEC), args_key)
    yield from missing_texts(given, ["project"], args_key)
    yield from _problems_of_pools(worker_pools(given), args_key)


def worker_pools(given: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Returns the worker pools of a CustomJob, or of a CustomJobSpec."""
    found: Sequence[Mapping[str, Any]] = (given.get("job_spec") or given).get("worker_pool_specs") or []
    return found


def _problems_of_pools(pools: Sequence[Mapping[str, Any]], where: str) -> Iterator[str]:
    if not pools:
        yield f"{where}: expected job_spec with worker_pool_specs, received none"
    for number, pool in enumerate(pools):
        if not (pool.get("container_spec") or {}).get("image_uri"):
            yield (
                f"{where}: expected worker_pool_specs[{number}] with container_spec.image_uri, an image that has "
                f"mlops_tfx and what the user's code needs, received {pool!r}"
            )


def custom_job(config: Mapping[str, Any], args_key: str, name: str, command: Sequence[str]) -> dict[str, Any]:
    """Returns the CustomJob to start; every worker runs ``command``."""
    given = copy.deepcopy(dict(config[args_key]))
    spec = given.get("job_spec") or {key: value for key, value in given.items() if key not in _JOB}
    for pool in spec["worker_pool_specs"]:
        pool["container_spec"].update(command=list(command), args=[])
    job = {
        "display_name": given.get("display_name") or config.get(constants.JOB_ID_KEY) or name,
        "job_spec": spec,
        "labels": {**given.get("labels", {}), **config.get(constants.LABELS_KEY, {})},
    }
    if given.get("encryption_spec"):
        job["encryption_spec"] = given["encryption_spec"]
    return job
