"""What a version may be made of: files in its own folder, and none that a link or a name leads to elsewhere.

Whoever can write into a base path decides what is served. But the files of a version often come from further away (an
archive, a training job, a bucket), and a link among them, or the name of an asset, could make the server read any file
that its user may read, and answer with it. A version folder itself may be a link: it is put there by who deploys.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import grpc

from mlops_tfx.serving.server import statuses

_ASSETS = "assets"
_ASSETS_KEY = "saved_model_assets"


def check_links(path: str) -> None:
    """Raises StatusError if something in a version folder is a link to what is outside of it and its base path."""
    if "://" in path:
        return
    roots = [os.path.realpath(path), os.path.realpath(os.path.dirname(path))]
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            entry = os.path.join(folder, name)
            if os.path.islink(entry) and not _is_below(os.path.realpath(entry), roots):
                raise _refused(
                    f"{entry} is a link to {os.path.realpath(entry)}, which is outside of the model's folder"
                )


def check_assets(path: str, meta_graph: Any) -> None:
    """Raises StatusError if an asset of a MetaGraphDef is not a file in the folder ``assets`` of the version."""
    for name in _asset_names(meta_graph):
        place = os.path.normpath(os.path.join(_ASSETS, name))
        if os.path.isabs(place) or not place.startswith(_ASSETS + os.sep):
            raise _refused(f"the asset {name!r} of {path} is outside of its folder {_ASSETS}")


def is_below(path: str, roots: list[str]) -> bool:
    """Whether a path, links followed, is one of the folders or in one of them."""
    return _is_below(os.path.realpath(path), [os.path.realpath(root) for root in roots])


def _is_below(real: str, roots: list[str]) -> bool:
    return any(real == root or real.startswith(root.rstrip(os.sep) + os.sep) for root in roots)


def _asset_names(meta_graph: Any) -> Iterator[str]:
    for asset in meta_graph.asset_file_def:
        yield asset.filename
    if _ASSETS_KEY in meta_graph.collection_def:
        for packed in meta_graph.collection_def[_ASSETS_KEY].any_list.value:
            asset = type(meta_graph)().asset_file_def.add()
            packed.Unpack(asset)
            yield asset.filename


def _refused(text: str) -> statuses.StatusError:
    return statuses.StatusError(grpc.StatusCode.FAILED_PRECONDITION, text)
