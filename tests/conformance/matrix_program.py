"""Runs every shape of the matrix in a process of its own that is killed in ``Middle``. Argument: a folder.

One process imports what all need and forks; it writes a line per shape: its name and how its process ended.
"""

from __future__ import annotations

import os
import sys

# Imported before the forks: they would each take seconds.
import ml_metadata  # noqa: F401

from mlops_tfx import LocalRunner
from mlops_tfx.execution import Observer
from tests.conformance.matrix_shapes import SHAPES


def run(name: str, folder: str) -> None:
    """Runs one shape; never returns if it is killed."""
    os.makedirs(os.path.join(folder, name))
    with open(os.path.join(folder, name, "mood"), "w", encoding="utf-8") as file:
        file.write(f"kill Middle {SHAPES[name].at}")
    pipeline = SHAPES[name].pipeline(os.path.join(folder, name, "root"), os.path.join(folder, name))
    LocalRunner(max_parallel_nodes=1, observer=Observer()).run(pipeline)


if __name__ == "__main__":
    for shape in SHAPES:
        child = os.fork()
        if child == 0:
            run(shape, sys.argv[1])
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{shape} {os.waitstatus_to_exitcode(status)}\n")
