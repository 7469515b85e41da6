"""Step 2 of a node: what makes a result reusable.

The cache key is a digest over named ingredients: the content of the inputs, the parameters, the code of the component
and of the user's functions, and the versions of the libraries that shape results. The ingredients are kept with every
execution, so that a miss can be explained (``mlops-tfx why``).
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import CONTENT_DIGEST
from mlops_tfx.execution.framework_code import framework_code
from mlops_tfx.execution.imports import project_modules, source_of_module
from mlops_tfx.execution.memory_code import memory_digest
from mlops_tfx.execution.user_code import code_ingredients
from mlops_tfx.parameters import canonical_json

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Artifact
    from mlops_tfx.component import Component

LIBRARIES = (
    "mlops_tfx",
    "tensorflow",
    "keras",
    "tensorflow-transform",
    "tensorflow-data-validation",
    "tensorflow-model-analysis",
    "tfx-bsl",
    "apache-beam",
    "pyarrow",
    "numpy",
)
_LONG = 200


def ingredients(component: Component, inputs: Mapping[str, Sequence[Artifact]]) -> dict[str, str]:
    """Returns everything that the result of a bound component depends on, by name, each as text or digest."""
    found = {"component": component.type_name}
    found.update(_code(component))
    found.update(_parameters(component))
    for key, artifacts in sorted(inputs.items()):
        for i, artifact in enumerate(artifacts):
            found[f"input {key}[{i}]"] = _content(artifact)
            found.update({f"input {key}[{i}] {name}": text for name, text in _properties(artifact)})
    found.update({f"output {key}": channel.type_name for key, channel in component.outputs.items()})
    found.update(_versions())
    executor = getattr(component.executor_spec, "executor_class", None)
    found.update(code_ingredients(function=executor))
    found.update(component.cache_ingredients())
    return found


def cache_key(of: Mapping[str, str]) -> str:
    """Returns the SHA-256 over all ingredients, as a hex string."""
    return hashlib.sha256(canonical_json(dict(of)).encode()).hexdigest()


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[tuple[str, str | None, str | None]]:
    """Yields ``(name, before, after)`` for every ingredient that changed, appeared (None, x) or went (x, None)."""
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield name, before.get(name), after.get(name)


def _code(component: Component) -> Iterator[tuple[str, str]]:
    """Digests of the file (or the package folder) of the component's class, and of project modules it imports.

    Of the framework's own modules, those that decide what results are (`framework_code`).
    """
    cls = type(component)
    try:
        path = inspect.getsourcefile(cls)
    except (OSError, TypeError):
        path = None  # made in a notebook or at a prompt
    if path is None or not os.path.isfile(path):
        yield "code", getattr(cls, "CODE_DIGEST", None) or memory_digest(cls)
        return
    project_file = source_of_module(os.path.abspath(path))
    files = project_modules(project_file) if project_file else _framework_files(path)
    for file in files:
        name = os.path.relpath(file) if project_file else os.path.basename(file)
        yield f"code {name}", hashlib.sha256(filesystem.read_bytes(file)).hexdigest()
    for package, digest in framework_code(files).items():
        yield f"code {package}", digest


def _framework_files(path: str) -> list[str]:
    # A standard component is one file, or a folder of its own.
    folder = os.path.dirname(path)
    if os.path.basename(folder) == "components":
        return [path]
    return [file for file in filesystem.walk_files(folder) if file.endswith(".py")]


def _parameters(component: Component) -> Iterator[tuple[str, str]]:
    for name, value in component.exec_properties.items():
        text = canonical_json(value)
        yield f"parameter {name}", text if len(text) <= _LONG else hashlib.sha256(text.encode()).hexdigest()


def _content(artifact: Artifact) -> str:
    recorded = artifact.custom_properties.get(CONTENT_DIGEST)
    return str(recorded) if recorded else filesystem.digest(artifact.uri)


def _properties(artifact: Artifact) -> Iterator[tuple[str, str]]:
    """What is said of the content and is no part of it: the declared properties, a span, that a value is None.

    Other custom properties are notes, such as ids and paths, which differ where the content does not.
    """
    custom = artifact.custom_properties
    said: dict[str, Any] = dict(artifact.properties)
    said.update({name: custom[name] for name in ("span", "version") if name in custom})
    for name, value in sorted(said.items()):
        yield name, canonical_json(value)
    if custom.get("__is_null__") == 1:
        yield "value", "None"


def _versions() -> Iterator[tuple[str, str]]:
    for name in LIBRARIES:
        try:
            yield f"library {name}", importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
