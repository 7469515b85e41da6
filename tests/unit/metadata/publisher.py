"""A process that publishes executions into one store; the tests start several of them, and kill some."""

from __future__ import annotations

import sys

from mlops_tfx.artifacts import Artifact, Examples, Model
from mlops_tfx.connection import PostgreSQLConnection, SqliteConnection
from mlops_tfx.metadata import ExecutionState, MetadataStore, NodeIdentity


def main(path: str, name: str, count: int) -> None:
    """Waits for a line on stdin, then publishes; says one line after every step."""
    import ml_metadata.metadata_store

    say(f"ready with ml_metadata {ml_metadata.__version__}")
    sys.stdin.readline()
    connection = postgresql(int(path)) if path.isdecimal() else SqliteConnection(path)
    with MetadataStore(connection) as store:
        for number in range(count):
            publish(store, name, number)


def postgresql(port: int) -> PostgreSQLConnection:
    """The server that test_postgresql.py starts."""
    return PostgreSQLConnection(host="127.0.0.1", port=port, database="mlmd", user="tester")


def publish(store: MetadataStore, name: str, number: int) -> None:
    """One execution with three outputs, and one cached execution that takes them over."""
    node = NodeIdentity("shared", f"run-{name}", f"node{number % 3}", f"tests.Publisher{number % 2}")
    outputs: dict[str, list[Artifact]] = {
        "examples": [Examples(f"/{name}/{number}/0"), Examples(f"/{name}/{number}/1")],
        "model": [Model(f"/{name}/{number}/model")],
    }
    key = f"{name}-{number}"
    execution_id = store.begin(node, inputs={}, properties={"number": number}, cache_key=key)
    say("begun")
    store.finish(execution_id, node, outputs, {"rows": number})
    say("finished")
    store.publish(node, inputs={}, outputs=outputs, properties={}, cache_key=key, state=ExecutionState.CACHED)
    say("published")


def say(text: str) -> None:
    """Writes a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
