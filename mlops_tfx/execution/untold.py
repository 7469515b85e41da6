"""Failures that the metadata store could not be told, kept beside the outputs until it can be.

A store that is lost while a node fails would leave its execution RUNNING, and the next run would only know that the
process is gone. So the reason lies in ``{root}/.system/untold`` until a run of the pipeline ends, or the next begins.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.errors import MlopsTfxError
from mlops_tfx.metadata import ExecutionState, NodeIdentity

if TYPE_CHECKING:
    from mlops_tfx.metadata import MetadataStore


def keep(root: str, node: NodeIdentity, execution_id: int | None, state: ExecutionState, error_text: str) -> str:
    """Keeps a failure; returns where, for the message, or why that could not be done either.

    Args:
        root: the pipeline root.
        node: which node of which run.
        execution_id: of its execution; None if it was not begun.
        state: FAILED or CANCELED.
        error_text: the error with its traceback.
    """
    path = filesystem.join(_folder(root), f"{uuid.uuid4().hex}.json")
    failure = {"node": asdict(node), "execution_id": execution_id, "state": state.name, "error": error_text}
    try:
        # An object of an object store is there whole or not at all; a file needs a second step for that.
        written = f"{path}.part" if filesystem.is_local(path) else path
        filesystem.write_bytes(written, json.dumps(failure).encode())
        if written != path:
            filesystem.rename(written, path)
    except OSError as error:
        return f"nor could it be kept in {path}: {error}"
    return f"the store is told with the next run, from {path}"


def tell(root: str, store: MetadataStore) -> Iterator[str]:
    """Tells the store what was kept below a pipeline root, and yields a sentence for each failure.

    What the store cannot be told now either stays kept, and a sentence says so.
    """
    try:
        yield from _tell_all(root, store)
    except (MlopsTfxError, OSError, ValueError) as error:
        yield f"warning: failures in {_folder(root)} cannot be put into the metadata store: {error}"


def _tell_all(root: str, store: MetadataStore) -> Iterator[str]:
    folder = _folder(root)
    names = filesystem.listdir(folder) if filesystem.isdir(folder) else []
    for path in (filesystem.join(folder, name) for name in names if name.endswith(".json")):
        failure = json.loads(filesystem.read_bytes(path))
        node = _identity(failure["node"])
        _tell(store, node, failure["execution_id"], ExecutionState[failure["state"]], failure["error"])
        filesystem.remove_tree(path)
        yield f"{node.label} failed in run {node.run_id} when the metadata store could not be told; now it has been"


def _tell(
    store: MetadataStore, node: NodeIdentity, execution_id: int | None, state: ExecutionState, error_text: str
) -> None:
    if execution_id is None:
        execution_id = store.begin(node, inputs={}, properties={}, cache_key=None)
    elif not any(r.id == execution_id for r in store.executions(states={ExecutionState.RUNNING})):
        return  # somebody told it, or it is another store
    store.fail(execution_id, error_text, state)


def _identity(values: Mapping[str, Any]) -> NodeIdentity:
    within = tuple(map(_identity, values["within"]))
    return NodeIdentity(**{**values, "index": tuple(values["index"]), "within": within})


def _folder(root: str) -> str:
    return filesystem.join(filesystem.absolute(root), ".system", "untold")
