"""New projects from templates: each has data of its own, a pipeline, and tests that pass."""

from __future__ import annotations

import os
import re
import string
from collections.abc import Iterator

from mlops_tfx.errors import ConfigError, did_you_mean

TEMPLATES = {
    "tabular": "columns of numbers and categories: embeddings, one hidden layer",
    "text": "short texts: a vocabulary, embeddings, their mean",
    "image": "small pictures in TFRecords: decoded in the transform graph, two convolutions",
    "tfx": "a pipeline as it is written for TFX, which runs with --as-tfx",
}
_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")
_SUFFIX = ".template"
_NAME = re.compile(r"^[a-z][a-z0-9_]{0,39}$")


def create(name: str, template: str, parent: str = ".") -> list[str]:
    """Makes the folder ``parent/name`` with a project of this name.

    Args:
        name: lower-case letters, digits and underscores; it names the pipeline, too.
        template: one of TEMPLATES.
        parent: an existing folder.

    Returns:
        The paths of the files.

    Raises:
        ConfigError: the name does not fit, there is no such template, or the folder is there already.
    """
    if not _NAME.match(name):
        raise ConfigError(f"name: expected a lower-case letter, then at most 39 of a-z, 0-9 and _, received {name!r}")
    if template not in TEMPLATES:
        raise ConfigError(f"template: there is no {template!r}{did_you_mean(template, TEMPLATES)}")
    target = os.path.join(parent, name)
    if os.path.exists(target):
        raise ConfigError(f"{target!r} is there already; choose another name, or remove it")
    written = []
    for relative, text in _files(template):
        path = os.path.join(target, relative)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "x", encoding="utf-8") as file:
            file.write(string.Template(text).substitute(name=name))
        written.append(path)
    return written


def _files(template: str) -> Iterator[tuple[str, str]]:
    root = os.path.join(_FOLDER, template)
    for folder, _, names in sorted(os.walk(root)):
        for name in sorted(names):
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8") as file:
                yield os.path.relpath(path, root).removesuffix(_SUFFIX), file.read()
