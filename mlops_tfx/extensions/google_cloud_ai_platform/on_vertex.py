"""What Trainer and Tuner on Vertex AI have in common: a component's run, done by a custom job."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Artifact
from mlops_tfx.component import Component
from mlops_tfx.errors import CloudJobError
from mlops_tfx.extensions.cloud_pusher import on_cloud_storage
from mlops_tfx.extensions.google_cloud_ai_platform import job_args, remote
from mlops_tfx.extensions.google_cloud_ai_platform.jobs import VertexJobs, run_job
from mlops_tfx.extensions.google_cloud_ai_platform.serving_args import region_of

_COMMAND = ("python", "-m", remote.MODULE)


def run_on_vertex(
    component: Component, config: dict[str, Any], args_key: str, function: str | Callable[..., Any] | None
) -> None:
    """Runs ``component.run_there()`` in a custom job, and fetches what it wrote.

    Not verified against the real service.

    Args:
        component: bound; all its outputs hold one artifact.
        config: its ``custom_config``.
        args_key: where the job's arguments are in it.
        function: the user's, or its dotted path; None if there is a module file.

    Raises:
        CloudJobError: the job did not succeed; with its message and the traceback, if the container left one.
        ArtifactError: the pipeline's root is not on Cloud Storage.
    """
    context = component.context
    root = on_cloud_storage(context.pipeline_root, "pipeline_root")
    folder = filesystem.join(root, context.node_id, ".system", "vertex", uuid.uuid4().hex)
    job = job_args.custom_job(config, args_key, f"{context.pipeline_name}-{context.node_id}", [*_COMMAND, folder])
    service = VertexJobs(str(config[args_key]["project"]), region_of(config))
    outputs: dict[str, Artifact] = {key: getattr(component, key) for key in component.OUTPUTS}
    try:
        remote.send(component, function, folder)
        run_job(service, job, context.log)
        remote.fetch(folder, outputs)
    except CloudJobError as error:
        told = remote.failure(folder)
        raise CloudJobError(f"{error}\n{told}".rstrip()) from error
    finally:
        filesystem.remove_tree(folder)
