"""A process that publishes executions into one SQLite file; the tests start several of them, and kill some."""

from __future__ import annotations

import sys

from mlops_tfx.artifacts import Examples, Model
from mlops_tfx.connection import SqliteConnection
from mlops_tfx.metadata import ExecutionState, MetadataStore, NodeIdentity


def main(path: str, name: str, count: int) -> None:
    """Publishes ``count`` begun and finished executions and as many cached ones; says one line per execution."""
    sys.stdin.readline()  # the test starts all at one moment
    with MetadataStore(SqliteConnection(path)) as store:
        for number in range(count):
            node = NodeIdentity("shared", f"run-{name}", f"node{number % 3}", f"tests.Publisher{number % 2}")
            key = f"{name}-{number}"
            execution_id = store.begin(node, inputs={}, properties={"number": number}, cache_key=key)
            outputs = {"examples": [Examples(f"/data/{key}/0"), Examples(f"/data/{key}/1")], "model": [Model("/m")]}
            store.finish(execution_id, node, outputs, {"rows": number})
            store.publish(
                node, inputs={}, outputs=outputs, properties={}, cache_key=key, state=ExecutionState.CACHED
            )
            sys.stdout.write(f"{execution_id}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
