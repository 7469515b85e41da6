"""A pipeline with a condition, in a process of its own: kills itself after a step of a node, if told to.

Arguments: root, number, node and step to be killed at.
"""

from __future__ import annotations

import os
import signal
import sys

from mlops_tfx import Cond, LocalRunner, Pipeline
from mlops_tfx.artifacts import Integer
from mlops_tfx.component import Component, Input, OptionalInput, Output
from mlops_tfx.execution import Observer


class Gen(Component):
    """Writes the number."""

    number = Output(Integer)
    n: int = 0

    def run(self) -> None:
        """Writes it."""
        self.number.write(self.n)


class Double(Component):
    """Doubles; fails while there is a file ``fail`` in the folder."""

    number: Input[Integer]
    result = Output(Integer)
    folder: str = ""

    def run(self) -> None:
        """Doubles."""
        if os.path.exists(os.path.join(self.folder, "fail")):
            raise ValueError("told to fail")
        self.result.write(2 * self.number.value)


class Sum(Component):
    """Adds what there is."""

    left: OptionalInput[Integer] = OptionalInput()
    right: OptionalInput[Integer] = OptionalInput()
    result = Output(Integer)

    def run(self) -> None:
        """Adds."""
        self.result.write(sum(found.value for found in (self.left, self.right) if found is not None))


class Killer(Observer):
    """Kills the process, as the machine would."""

    def __init__(self, node_id: str = "", step: int = 0) -> None:
        self._at = (node_id, step)

    def step_done(self, node_id: str, step: int) -> None:
        """Kills at the given step."""
        if (node_id, int(step)) == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


def pipeline(root: str, n: int) -> Pipeline:
    """Large is for numbers above 2, Small for the others; After needs Large, Sum takes what there is."""
    gen = Gen(n=n)
    number = gen.outputs["number"]
    with Cond(number.future()[0].value > 2):
        large = Double(number=number, folder=root).with_id("Large")
    with Cond(number.future()[0].value <= 2):
        small = Double(number=number, folder=root).with_id("Small")
    after = Double(number=large.outputs["result"]).with_id("After")
    total = Sum(left=large.outputs["result"], right=small.outputs["result"])
    return Pipeline("conditional", root, components=[gen, large, small, after, total])


if __name__ == "__main__":
    killer = Killer(sys.argv[3], int(sys.argv[4])) if len(sys.argv) > 3 else Killer()
    LocalRunner(observer=killer).run(pipeline(sys.argv[1], int(sys.argv[2])))
