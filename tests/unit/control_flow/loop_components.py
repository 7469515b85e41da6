"""Small components for loops and pipelines within pipelines."""

from __future__ import annotations

import os

from mlops_tfx import ForEach
from mlops_tfx.artifacts import Integer
from mlops_tfx.channel import Loopable
from mlops_tfx.component import Component, Input, Inputs, OptionalInput, OptionalInputs, Output, Outputs
from mlops_tfx.execution import Observer


class Numbers(Component):
    """Writes each of the numbers as an artifact of its own."""

    numbers: list[int]
    out = Outputs(Integer)

    def run(self):
        for artifact, number in zip(self.out.make(len(self.numbers)), self.numbers, strict=True):
            artifact.write(number)


class Number(Component):
    """Writes one number."""

    number: int = 7
    out = Output(Integer)

    def run(self):
        self.out.write(self.number)


class Plus(Component):
    """Adds; fails where ``fail_at`` is a number and a file of that name is not in ``folder``."""

    value: Input[Integer]
    more: OptionalInput[Integer] = OptionalInput()
    add: int = 1
    fail_at: int | None = None
    folder: str = ""
    out = Output(Integer)

    def run(self):
        value = self.value.read()
        if value == self.fail_at and not os.path.exists(os.path.join(self.folder, "repaired")):
            raise ValueError(f"{value} is not wanted")
        self.out.write(value + self.add + (1000 * self.more.read() if self.more else 0))

    def cache_ingredients(self):
        # The repair is outside of what the cache knows, as a repaired service would be.
        return {}


class Total(Component):
    """Writes the sum of many numbers, in base 100 in their order."""

    values: Inputs[Integer]
    more: OptionalInputs[Integer] = OptionalInputs()
    out = Output(Integer)

    def run(self):
        total = 0
        for value in [*self.values, *self.more]:
            total = 100 * total + value.read()
        self.out.write(total)


class Leading(Loopable):
    """The first so many artifacts of a channel, also none."""

    def __init__(self, channel, count):
        self.channel = channel
        self.count = count

    def loop_types(self):
        return {"": self.channel.type}

    def producers(self):
        return self.channel.producers()

    def loop_elements(self, source):
        return [{"": [artifact]} for artifact in self.channel.find(source)[: self.count]]


def loop_over(numbers, name="Numbers"):
    """A node that writes the numbers, which may be none, and a loop over them."""
    source = Numbers(numbers=numbers or [0]).with_id(name)
    channel = source.outputs["out"]
    return source, ForEach(channel if numbers else Leading(channel, 0))


class Heard(Observer):
    """Keeps what it hears."""

    def __init__(self):
        self.started = []
        self.ended = {}
        self.lines = []

    def node_started(self, node_id):
        self.started.append(node_id)

    def node_ended(self, report):
        self.ended[report.node_id] = report

    def logged(self, node_id, text):
        self.lines.append((node_id, text))


def states(result):
    """The states of a run's reports by name."""
    return {report.node_id: report.state.value for report in result.reports}


def values(result, node, key="out"):
    """The numbers that a node put out."""
    return [artifact.read() for artifact in result.outputs[node][key]]
