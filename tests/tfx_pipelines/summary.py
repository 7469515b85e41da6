"""What a pipeline left behind, as JSON: executions, artifacts, what is in them, what was pushed.

``python -m tests.tfx_pipelines.summary FOLDER... `` prints a JSON line per folder: the second argument of a script. It
reads stores with ML Metadata and files with TensorFlow, and knows neither TFX nor this library.
"""

from __future__ import annotations

import glob
import json
import os
import re
import sys
from typing import Any

from tests.tfx_pipelines import contents

STATES = {1: "NEW", 2: "RUNNING", 3: "COMPLETE", 4: "FAILED", 5: "CACHED", 6: "CANCELED"}
INPUTS, OUTPUTS = (2, 3, 5), (1, 4, 6)  # kinds of events: declared, plain and internal
# Properties of artifacts that are new in every run, or that only one of the two libraries writes.
VOLATILE = re.compile(
    "current_model.*|baseline_model.*|.*fingerprint|.*digest|.*version|stats_dashboard_link|name|pushed_destination|component_id"
)


def summarize(folder: str) -> dict[str, Any]:
    """The summary of one output folder, which holds ``metadata.sqlite``, the pipeline root and what was pushed."""
    store = Store(os.path.join(folder, "metadata.sqlite"))
    runs = [store.run(context) for context in store.contexts("pipeline_run")]
    artifacts = {store.label(artifact): store.artifact(artifact) for artifact in store.artifacts}
    pushed = sorted(glob.glob(f"{folder}/serving/**/saved_model.pb", recursive=True))
    found = {
        "pipelines": [context.name for context in store.contexts("pipeline")],
        "runs": runs,
        "artifacts": artifacts,
        "pushed": [re.sub(r"/\d+/", "/N/", os.path.relpath(path, folder)) for path in pushed],
    }
    return anywhere(found, folder)


def anywhere(found: Any, folder: str) -> Any:
    """The same wherever this project and the output folder are."""
    text = json.dumps(found).replace(json.dumps(folder)[1:-1], "OUT")
    return json.loads(re.sub(r'/[^" ]*/tests/tfx_pipelines/', "", text))


class Store:
    """A metadata store on SQLite."""

    def __init__(self, path: str) -> None:
        from ml_metadata.metadata_store import metadata_store
        from ml_metadata.proto import metadata_store_pb2

        if not os.path.exists(path):
            raise FileNotFoundError(f"no metadata store {path!r}")
        config = metadata_store_pb2.ConnectionConfig()
        config.sqlite.filename_uri = path
        self._store = metadata_store.MetadataStore(config)
        self._types = {kind.id: kind.name for kind in self._store.get_artifact_types()}
        self._execution_types = {kind.id: kind.name for kind in self._store.get_execution_types()}
        self.artifacts = sorted(self._store.get_artifacts(), key=lambda artifact: artifact.id)
        self._executions = {execution.id: execution for execution in self._store.get_executions()}
        self._nodes = {key: self._node(key) for key in self._executions}
        self._events = sorted(
            self._store.get_events_by_execution_ids(list(self._executions)) if self._executions else [],
            key=lambda event: (event.execution_id, event.artifact_id),
        )
        self._labels: dict[int, str] = {}
        self._name_artifacts()

    def contexts(self, kind: str) -> list[Any]:
        """All contexts of a type, oldest first."""
        return sorted(self._store.get_contexts_by_type(kind), key=lambda context: context.id)

    def label(self, artifact: Any) -> str:
        """``Node.key``, with a number if a node wrote several under a key: the same whatever their ids are."""
        return self._labels[artifact.id]

    def run(self, context: Any) -> dict[str, Any]:
        """Node to its executions in a run."""
        found: dict[str, Any] = {}
        executions = sorted(self._store.get_executions_by_context(context.id), key=lambda execution: execution.id)
        for execution in executions:
            if STATES[execution.last_known_state] == "CANCELED":
                continue  # a node whose condition is false: TFX leaves no execution, we one that says so
            found.setdefault(self._nodes[execution.id], []).append(self._execution(execution))
        return found

    def artifact(self, artifact: Any) -> dict[str, Any]:
        """Type, state, properties and content."""
        kind = self._types[artifact.type_id]
        custom = {key: value for key, value in plain(artifact.custom_properties).items() if not VOLATILE.fullmatch(key)}
        return {
            "type": kind,
            "live": artifact.state == 2,
            "properties": plain(artifact.properties),
            "custom": custom,
            "content": contents.read(kind, artifact.uri),
        }

    def _execution(self, execution: Any) -> dict[str, Any]:
        kind = self._execution_types[execution.type_id]
        standard = kind.startswith(("tfx.", "mlops_tfx."))
        inputs, outputs = self._ends(execution.id, INPUTS), self._ends(execution.id, OUTPUTS)
        row = {
            "type": kind.rpartition(".")[2] if standard else kind,
            "state": STATES[execution.last_known_state],
            "inputs": {key: found for key, found in inputs.items() if not key.startswith("_")},
            "outputs": outputs,
        }
        if not standard:
            row["parameters"] = plain(execution.custom_properties)
        return row

    def _ends(self, execution_id: int, kinds: tuple[int, ...]) -> dict[str, list[str]]:
        found: dict[str, list[tuple[int, str]]] = {}
        for event in self._events:
            if event.execution_id == execution_id and event.type in kinds:
                for key, index in paths(event):
                    found.setdefault(key, []).append((index, self._labels[event.artifact_id]))
        return {key: [name for _, name in sorted(ends)] for key, ends in sorted(found.items())}

    def _name_artifacts(self) -> None:
        numbers: dict[str, int] = {}
        internal = 6  # what a Resolver chose is not its own
        for event in self._events:
            if event.type in OUTPUTS and event.type != internal and event.artifact_id not in self._labels:
                ((key, _), *_rest) = paths(event)
                name = f"{self._nodes[event.execution_id]}.{key}"
                numbers[name] = numbers.get(name, -1) + 1
                self._labels[event.artifact_id] = f"{name}[{numbers[name]}]" if numbers[name] else name

    def _node(self, execution_id: int) -> str:
        for context in self._store.get_contexts_by_execution(execution_id):
            if context.type == "node":
                return str(context.name).rpartition(".")[2]
        raise ValueError(f"expected a node's context, received none for execution_id={execution_id}")


def paths(event: Any) -> list[tuple[str, int]]:
    """The (key, index) pairs of an event."""
    steps = list(event.path.steps)
    return [(key.key, index.index) for key, index in zip(steps[::2], steps[1::2])]  # noqa: B905 - also Python 3.9


def plain(properties: Any) -> dict[str, Any]:
    """Properties as JSON has them; a bool and its number are the same, as TFX changes the one into the other."""
    from google.protobuf import json_format

    found: dict[str, Any] = {}
    for key, stored in sorted(properties.items()):
        kind = stored.WhichOneof("value")
        if (key.startswith("__") and key != "__is_null__") or kind is None:
            continue
        if kind == "struct_value":
            struct = json_format.MessageToDict(stored.struct_value)
            found[key] = struct.get("__value__", struct)
            continue
        value = getattr(stored, kind)
        if key == "split_names":
            value = json.dumps(sorted(json.loads(value)))  # TFX's Transform gives them in any order
        found[key] = {"true": 1, "false": 0}.get(value, value) if kind != "bool_value" else int(value)
    return found


def main(folders: list[str]) -> None:
    """Prints a JSON line per folder."""
    for folder in folders:
        sys.stdout.write(json.dumps(summarize(folder), sort_keys=True) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
