"""The shapes of pipelines that the matrix runs, of components that add numbers, and fail or kill on demand."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mlops_tfx import Cond, ForEach, Pipeline, PipelineInputs
from mlops_tfx.artifacts import Integer
from mlops_tfx.component import Component, OptionalInputs, Output, Outputs
from mlops_tfx.node import Node

PIPELINE = "matrix"


class Step(Component):
    """Writes the sum of its inputs, and ``add``.

    A file ``mood`` in ``folder`` may say ``fail Middle 2``, or ``kill ...``: what the node of this id does where the
    sum of its inputs is that. The cache knows it as little as it knows of a disk that is full.
    """

    values: OptionalInputs[Integer] = OptionalInputs()
    extra: OptionalInputs[Integer] = OptionalInputs()
    add: int = 1
    folder: str = ""
    out = Output(Integer)

    def run(self):
        total = sum(value.read() for value in [*self.values, *self.extra])
        mood = _read(os.path.join(self.folder, "mood"))
        if mood == f"fail {self.context.node_id} {total}":
            raise ValueError(f"in the mood to {mood}")
        if mood == f"kill {self.context.node_id} {total}":
            os.kill(os.getpid(), signal.SIGKILL)
        self.out.write(total + self.add)


class Several(Component):
    """Writes 1, 2 and 3."""

    out = Outputs(Integer)

    def run(self):
        for number, artifact in enumerate(self.out.make(3), start=1):
            artifact.write(number)


def _read(path: str) -> str:
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return file.read()


Build = Callable[[str, int], list[Node]]
"""Makes the nodes: from the folder of the mood, and what the last node adds."""


@dataclass(frozen=True)
class Shape:
    """A pipeline with a node ``Middle`` in which things go wrong, and a last node ``End``.

    Attributes:
        build: makes the nodes.
        result: what ``End`` writes when it adds 1.
        states: of all names, after a run in which nothing goes wrong.
        failing: of those that differ, after a run in which ``Middle`` failed.
        at: the sum of its inputs at which ``Middle`` fails, or kills.
        reused_whole: names that a run from ``End`` on does not have, as they are within what it reuses.
    """

    build: Build
    result: int
    states: Mapping[str, str]
    failing: Mapping[str, str]
    at: int = 1
    reused_whole: frozenset[str] = field(default=frozenset())

    def pipeline(self, root: str, folder: str, add: int = 1, enable_cache: bool = True) -> Pipeline:
        """The pipeline, made anew."""
        return Pipeline(PIPELINE, root, components=self.build(folder, add), enable_cache=enable_cache)


def _complete(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "complete")


def _linear(folder: str, add: int) -> list[Node]:
    first = Step().with_id("First")
    middle = Step(values=first.outputs["out"], folder=folder).with_id("Middle")
    return [first, middle, Step(values=middle.outputs["out"], add=add).with_id("End")]


def _diamond(folder: str, add: int) -> list[Node]:
    first = Step().with_id("First")
    left = Step(values=first.outputs["out"], add=10).with_id("Left")
    middle = Step(values=first.outputs["out"], folder=folder).with_id("Middle")
    end = Step(values=[left.outputs["out"], middle.outputs["out"]], add=add).with_id("End")
    return [first, left, middle, end]


def _fan_in(folder: str, add: int) -> list[Node]:
    first, second = Step(add=10).with_id("First"), Step(add=100).with_id("Second")
    middle = Step(folder=folder).with_id("Middle")
    values = [node.outputs["out"] for node in (first, second, middle)]
    return [first, second, middle, Step(values=values, add=add).with_id("End")]


def _optional(folder: str, add: int) -> list[Node]:
    first = Step().with_id("First")
    with Cond(first.outputs["out"].future()[0].value > 5):
        rare = Step(values=first.outputs["out"]).with_id("Rare")
    middle = Step(values=first.outputs["out"], extra=rare.outputs["out"], folder=folder).with_id("Middle")
    end = Step(values=middle.outputs["out"], extra=rare.outputs["out"], add=add).with_id("End")
    return [first, rare, middle, end]


def _conditional(folder: str, add: int) -> list[Node]:
    first = Step().with_id("First")
    value = first.outputs["out"].future()[0].value
    with Cond(value > 0):
        middle = Step(values=first.outputs["out"], folder=folder).with_id("Middle")
        with Cond(value > 5):
            deep = Step(values=middle.outputs["out"]).with_id("Deep")
    with Cond(value <= 0):
        other = Step(values=first.outputs["out"]).with_id("Other")
    end = Step(values=middle.outputs["out"], extra=other.outputs["out"], add=add).with_id("End")
    return [first, middle, deep, other, end]


def _loop(folder: str, add: int) -> list[Node]:
    several = Several().with_id("Several")
    with ForEach(several.outputs["out"]) as number:
        each = Step(values=number).with_id("Each")
        middle = Step(values=each.outputs["out"], folder=folder).with_id("Middle")
    return [several, each, middle, Step(values=middle.outputs["out"], add=add).with_id("End")]


def _sub_pipeline(folder: str, add: int) -> list[Node]:
    first = Step().with_id("First")
    inputs = PipelineInputs({"value": first.outputs["out"]})
    inner = Step(values=inputs["value"], add=10).with_id("First")
    middle = Step(values=inner.outputs["out"], folder=folder).with_id("Middle")
    sub = Pipeline("sub", components=[inner, middle], inputs=inputs, outputs={"out": middle.outputs["out"]})
    return [first, sub, Step(values=sub.outputs["out"], add=add).with_id("End")]


_IN_LOOP = [f"{name}[{i}]" for name in ("Each", "Middle") for i in range(3)]
_MIDDLE_FAILS = {"Middle": "failed", "End": "skipped"}

SHAPES: dict[str, Shape] = {
    "linear": Shape(_linear, 3, _complete("First", "Middle", "End"), _MIDDLE_FAILS),
    "diamond": Shape(_diamond, 14, _complete("First", "Left", "Middle", "End"), _MIDDLE_FAILS),
    "fan-in": Shape(_fan_in, 112, _complete("First", "Second", "Middle", "End"), _MIDDLE_FAILS, at=0),
    "optional": Shape(_optional, 3, {**_complete("First", "Middle", "End"), "Rare": "skipped"}, _MIDDLE_FAILS),
    "conditional": Shape(
        _conditional,
        3,
        {**_complete("First", "Middle", "End"), "Deep": "skipped", "Other": "skipped"},
        _MIDDLE_FAILS,
    ),
    "loop": Shape(
        _loop,
        13,
        _complete("Several", "Each", "Middle", "End", *_IN_LOOP),
        {**_MIDDLE_FAILS, "Middle[1]": "failed"},
        at=3,
    ),
    "sub-pipeline": Shape(
        _sub_pipeline,
        13,
        _complete("First", "sub", "sub.First", "sub.Middle", "End"),
        {"sub": "failed", "sub.Middle": "failed", "End": "skipped"},
        at=11,
        reused_whole=frozenset({"sub.First", "sub.Middle"}),
    ),
}
