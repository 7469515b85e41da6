"""A component's work, sent to a container through a folder on Cloud Storage, and its results fetched from there.

{folder}/work.pkl        the component and its inputs, by their places
{folder}/code/           the user's module and what it imports of the project
{folder}/outputs/{key}/  what it wrote
{folder}/result.json     custom properties of the outputs; written last
{folder}/failure.txt     instead of it, the traceback

``python -m mlops_tfx.extensions.google_cloud_ai_platform.remote FOLDER`` is what the container runs. The image needs
the same versions of Python and mlops_tfx as the machine that sends the work. Not verified against the real service.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Artifact
from mlops_tfx.component import Component, RunContext
from mlops_tfx.execution.imports import module_of_file, project_modules, source_of_module
from mlops_tfx.execution.staging import inputs_here

_LOG = logging.getLogger(__name__)
MODULE = "mlops_tfx.extensions.google_cloud_ai_platform.remote"
_WORK, _CODE, _OUTPUTS, _RESULT, _FAILURE = "work.pkl", "code", "outputs", "result.json", "failure.txt"


@dataclass(frozen=True)
class RemoteWork:
    """What the container is told.

    Attributes:
        component: a component with ``run_there()``.
        inputs: artifacts by input name, at the places that everybody can read.
        module_file: the user's module below ``code/``; empty if there is none.
        pipeline_name: for ``component.context``, as the other two.
        run_id: the run.
        node_id: the node.
    """

    component: Any
    inputs: Mapping[str, list[Artifact]]
    module_file: str
    pipeline_name: str
    run_id: str
    node_id: str


def send(component: Component, function: str | Callable[..., Any] | None, folder: str) -> None:
    """Writes the work of a bound component; ``function``: the user's, or its path, if there is no module file."""
    import cloudpickle

    module_file = getattr(component, "module_file", None)
    name = _send_code(module_file or _file_of(function), folder)
    inputs = {key: _everywhere(component, key) for key in component.INPUTS}
    context = component.context
    free = component.bind({}, {}, None)
    work = RemoteWork(free, inputs, name if module_file else "", context.pipeline_name, context.run_id, context.node_id)
    filesystem.write_bytes(filesystem.join(folder, _WORK), cloudpickle.dumps(work))


def _everywhere(component: Component, key: str) -> list[Artifact]:
    value: Artifact | Sequence[Artifact] | None = getattr(component, key)
    given = [value] if isinstance(value, Artifact) else list(value or ())
    # Without the local copies that this machine may have of them.
    return [
        type(one)(one.recorded_uri, id=one.id, properties=one.properties, custom_properties=one.custom_properties)
        for one in given
    ]


def _file_of(function: str | Callable[..., Any] | None) -> str | None:
    if function is None:
        return None
    module = function.rpartition(".")[0] if isinstance(function, str) else function.__module__
    return source_of_module(module)


def _send_code(path: str | None, folder: str) -> str:
    """Sends a file and the project's files that it imports; returns the file's name below ``code/``."""
    if path is None or not filesystem.is_local(path):
        return ""
    files = [os.path.abspath(found) for found in project_modules(os.path.abspath(path))]
    for file in files:
        root = module_of_file(file)[0]
        for name in {os.path.relpath(file, root), *_package_files(file, root)}:
            target = filesystem.join(folder, _CODE, name)
            filesystem.write_bytes(target, filesystem.read_bytes(os.path.join(root, name)))
    return os.path.relpath(files[0], module_of_file(files[0])[0])


def _package_files(file: str, root: str) -> list[str]:
    found, package = [], os.path.dirname(file)
    while package != root:
        found.append(os.path.relpath(os.path.join(package, "__init__.py"), root))
        package = os.path.dirname(package)
    return found


def fetch(folder: str, outputs: Mapping[str, Artifact]) -> None:
    """Copies what the container wrote to the outputs, with its custom properties."""
    told = json.loads(filesystem.read_bytes(filesystem.join(folder, _RESULT)))
    for key, artifact in outputs.items():
        filesystem.copy_tree(filesystem.join(folder, _OUTPUTS, key), artifact.uri)
        artifact.custom_properties.update(told[key])


def failure(folder: str) -> str:
    """Returns the traceback that the container left; empty if it left none."""
    path = filesystem.join(folder, _FAILURE)
    return filesystem.read_bytes(path).decode() if filesystem.exists(path) else ""


# In the container ------------------------------------------------------------------------------------------------


def do(folder: str) -> None:
    """Does the work of a folder. Where a job has several workers, all run it and the first one's results are kept."""
    with tempfile.TemporaryDirectory() as here:
        try:
            told = _work(folder, here)
        except BaseException:
            filesystem.write_bytes(filesystem.join(folder, _FAILURE), traceback.format_exc().encode())
            raise
        if not _is_first_worker():
            return
        for key in told:
            filesystem.copy_tree(os.path.join(here, _OUTPUTS, key), filesystem.join(folder, _OUTPUTS, key))
        filesystem.write_bytes(filesystem.join(folder, _RESULT), json.dumps(told).encode())


def _work(folder: str, here: str) -> dict[str, Any]:
    code = os.path.join(here, _CODE)
    if filesystem.isdir(filesystem.join(folder, _CODE)):
        filesystem.copy_tree(filesystem.join(folder, _CODE), code)
        sys.path.insert(0, code)
    work: RemoteWork = pickle.loads(filesystem.read_bytes(filesystem.join(folder, _WORK)))
    outputs = {key: port.prepare(os.path.join(here, _OUTPUTS, key)) for key, port in work.component.OUTPUTS.items()}
    temp_dir = os.path.join(here, "temp")
    filesystem.makedirs(temp_dir)
    context = RunContext(work.pipeline_name, work.run_id, work.node_id, temp_dir, log=_LOG.info)
    with inputs_here(work.inputs, streamed=False) as near:
        bound = work.component.bind(near, outputs, context)
        if work.module_file:
            bound.__dict__["module_file"] = os.path.join(code, work.module_file)
        bound.run_there()
    for artifact in outputs.values():
        filesystem.makedirs(artifact.uri)
    return {key: artifact.custom_properties for key, artifact in outputs.items()}


def _is_first_worker() -> bool:
    task = json.loads(os.environ.get("CLUSTER_SPEC") or "{}").get("task", {})
    return task.get("type", "workerpool0") in ("workerpool0", "chief") and int(task.get("index", 0)) == 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    do(sys.argv[1])
