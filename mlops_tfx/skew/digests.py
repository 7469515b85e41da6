"""Digests of what was compared."""

from __future__ import annotations

import os
from typing import Any

import tensorflow as tf

from mlops_tfx import filesystem
from mlops_tfx.skew.findings import Findings
from mlops_tfx.skew.request import Request
from mlops_tfx.skew.rows import shown_value
from mlops_tfx.transformation.saved_graph import vocabulary_files

_GZIP = b"\x1f\x8b"


def digests(request: Request, findings: Findings) -> dict[str, Any]:
    """Digests of graph, vocabularies and model; tells of vocabularies of which the model has another version."""
    files = vocabulary_files(request.transform_graph)
    vocabularies = {name: _file_digest(path) for name, path in files.items()}
    assets = os.path.join(request.model, tf.saved_model.ASSETS_DIRECTORY)
    names = filesystem.listdir(assets) if filesystem.isdir(assets) else []
    in_model = {name: _file_digest(os.path.join(assets, name)) for name in names}
    for name, path in files.items():
        # A model may have an asset of its own with that name, beside the vocabulary.
        if os.path.basename(path) in in_model and vocabularies[name] not in in_model.values():
            findings.problems.append(
                f"the model carries another version of the vocabulary {name!r} than the transform graph: "
                f"{_first_difference(path, os.path.join(assets, os.path.basename(path)))}; export it again, with this "
                "graph"
            )
    return {
        "transform_graph": filesystem.digest(request.transform_graph),
        "vocabularies": vocabularies,
        "model": filesystem.digest(request.model),
        "model_assets": in_model,
    }


def _first_difference(first: str, second: str) -> str:
    contents = [filesystem.read_bytes(path) for path in (first, second)]
    if any(content.startswith(_GZIP) for content in contents):
        return "their SHA-256 differ"
    words = [content.splitlines() for content in contents]
    counts = f"{len(words[0]):,} lines in the graph, {len(words[1]):,} in the model"
    for number, (ours, theirs) in enumerate(zip(*words, strict=False), 1):
        if ours != theirs:
            return f"{counts}, line {number:,} is {shown_value(ours)!r} and {shown_value(theirs)!r}"
    return counts


def _file_digest(path: str) -> str:
    with filesystem.open(path, "rb") as file:
        return filesystem.file_digest(file)
