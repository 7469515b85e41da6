"""Finds the metadata store and the pipeline that a command means when it is told little or nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mlops_tfx import filesystem
from mlops_tfx.connection import SqliteConnection
from mlops_tfx.errors import MetadataError, did_you_mean

if TYPE_CHECKING:
    from mlops_tfx.metadata.store import MetadataStore

_FILES = ("metadata.sqlite", "metadata.db")  # ours, and the one that TFX's examples and templates name
_DEPTHS = ("", "*/", "*/*/", "*/*/*/")


def locate_store(root: str | None) -> SqliteConnection:
    """Returns the connection to a store.

    Args:
        root: a pipeline root or a sqlite file; None looks for the only ``metadata.sqlite`` or
            ``metadata.db`` (the name in TFX's templates) at most three folders down.

    Raises:
        MetadataError: there is none, or several and none was chosen.
    """
    if root is not None and not filesystem.is_local(root):
        raise MetadataError(
            f"expected a local pipeline root or a sqlite file, received root={root!r}: outputs lie there, but the "
            "store is a file on this machine, the one in the pipeline's metadata_connection_config; name that"
        )
    if root is not None:
        paths = [os.path.join(root, name) for name in _FILES] if filesystem.isdir(root) else [root]
        path = next((path for path in paths if filesystem.exists(path)), None)
        if path is None:
            raise MetadataError(f"expected a pipeline root or a sqlite file, received root={root!r}: no store there")
        return SqliteConnection(filename_uri=path)
    found = [path for depth in _DEPTHS for name in _FILES for path in filesystem.glob(f"{depth}{name}")]
    if len(found) == 1:
        return SqliteConnection(filename_uri=found[0])
    if not found:
        raise MetadataError(f"no {' or '.join(_FILES)} below this folder; name the pipeline root with --root")
    raise MetadataError(f"several stores below this folder; choose one with --root: {', '.join(found)}")


def root_of(connection: SqliteConnection) -> str:
    """The folder that the store lies in: the pipeline root, unless ``metadata_connection_config`` said otherwise."""
    return os.path.dirname(os.path.abspath(connection.filename_uri))


def choose_pipeline(store: MetadataStore, name: str | None) -> str:
    """Returns the pipeline of this name, or the only one. Raises MetadataError with what there is to choose from."""
    known = store.pipelines()
    if name is not None:
        if name not in known:
            raise MetadataError(f"the store has no pipeline {name!r}{did_you_mean(name, known)}")
        return name
    if len(known) == 1:
        return known[0]
    if not known:
        raise MetadataError("the store has no pipeline yet; run one first")
    raise MetadataError(f"the store has several pipelines; choose one with --pipeline: {', '.join(known)}")
