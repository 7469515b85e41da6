"""Digests of what was compared."""

from __future__ import annotations

import os
from typing import Any

import tensorflow as tf

from mlops_tfx import filesystem
from mlops_tfx.skew.findings import Findings
from mlops_tfx.skew.request import Request
from mlops_tfx.transformation.saved_graph import vocabulary_files


def digests(request: Request, findings: Findings) -> dict[str, Any]:
    """Digests of graph, vocabularies and model; notes vocabularies of which the model has another version."""
    vocabularies = {name: _file_digest(path) for name, path in vocabulary_files(request.transform_graph).items()}
    assets = os.path.join(request.model, tf.saved_model.ASSETS_DIRECTORY)
    names = filesystem.listdir(assets) if filesystem.isdir(assets) else []
    in_model = {name: _file_digest(os.path.join(assets, name)) for name in names}
    for name, path in vocabulary_files(request.transform_graph).items():
        other = in_model.get(os.path.basename(path))
        if other is not None and other != vocabularies[name]:
            findings.notes.append(f"the model carries another version of the vocabulary {name!r} than the graph")
    return {
        "transform_graph": filesystem.digest(request.transform_graph),
        "vocabularies": vocabularies,
        "model": filesystem.digest(request.model),
        "model_assets": in_model,
    }


def _file_digest(path: str) -> str:
    with filesystem.open(path, "rb") as file:
        return filesystem.file_digest(file)
