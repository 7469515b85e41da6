"""Runs a small pipeline and kills its own process right after a given step of a given node."""

from __future__ import annotations

import os
import signal
import sys

from mlops_tfx.artifacts import Examples, Model
from mlops_tfx.component import Component, Input, Output
from mlops_tfx.connection import SqliteConnection
from mlops_tfx.execution import LocalRunner, Observer
from mlops_tfx.pipeline import Pipeline


class Gen(Component):
    """Writes examples."""

    examples = Output(Examples)

    def run(self) -> None:
        """Writes a file."""
        with open(os.path.join(self.examples.uri, "data"), "w") as file:
            file.write("abc")


class Train(Component):
    """Writes a model."""

    examples: Input[Examples]
    model = Output(Model)

    def run(self) -> None:
        """Writes two files."""
        for name in ("variables", "saved_model.pb"):
            with open(os.path.join(self.model.uri, name), "w") as file:
                file.write(name)


class Killer(Observer):
    """Kills the process, as the machine would."""

    def __init__(self, node_id: str, step: int) -> None:
        self._at = (node_id, step)

    def step_done(self, node_id: str, step: int) -> None:
        """Kills at the given step."""
        if (node_id, int(step)) == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


def pipeline(root: str, store: str | None = None) -> Pipeline:
    """Two nodes."""
    gen = Gen()
    connection = None if store is None else SqliteConnection(filename_uri=store)
    return Pipeline("p", root, connection, [gen, Train(gen.outputs["examples"])])


if __name__ == "__main__":
    LocalRunner(observer=Killer(sys.argv[2], int(sys.argv[3]))).run(pipeline(sys.argv[1], *sys.argv[4:]))
