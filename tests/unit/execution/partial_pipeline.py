"""Gen -> Split -> Train -> Evaluate, Train -> Push; and Report, after Gen. Programs of test_partial_runs.py."""

from __future__ import annotations

import os

from mlops_tfx import LocalRunner, Pipeline
from mlops_tfx.artifacts import Examples, Model, ModelEvaluation
from mlops_tfx.component import Component, Input, OptionalInput, Output

ROOT = os.environ.get("ROOT", "")


class Gen(Component):
    """Writes examples."""

    examples = Output(Examples)
    text: str = "abc"

    def run(self) -> None:
        """Writes a text."""
        _write(self.examples.uri, self.text)


class Train(Component):
    """Copies the examples into a model; fails while a file is there."""

    examples: Input[Examples]
    model = Output(Model)
    steps: int = 1
    stop_file: str = ""

    def run(self) -> None:
        """Writes, or fails."""
        if os.path.exists(self.stop_file):
            raise ValueError("loss is NaN")
        _write(self.model.uri, _read(self.examples.uri) * self.steps)


class Evaluate(Component):
    """Counts; the examples are optional."""

    model: Input[Model]
    examples: OptionalInput[Examples] = OptionalInput()
    evaluation = Output(ModelEvaluation)

    def run(self) -> None:
        """Writes how long the model is."""
        rest = "" if self.examples is None else " with examples"
        _write(self.evaluation.uri, str(len(_read(self.model.uri))) + rest)


class Report(Component):
    """Depends on examples only."""

    examples: Input[Examples]

    def run(self) -> None:
        """Does nothing."""


def _write(folder: str, text: str) -> None:
    with open(os.path.join(folder, "data"), "w") as file:
        file.write(text)


def _read(folder: str) -> str:
    with open(os.path.join(folder, "data")) as file:
        return file.read()


def pipeline(root: str = ROOT, text: str = "abc", steps: int = 1, cache: bool = True) -> Pipeline:
    """The pipeline."""
    gen = Gen(text=text)
    train = Train(gen.outputs["examples"], steps=steps, stop_file=os.path.join(root, "stop here"))
    evaluate = Evaluate(train.outputs["model"], gen.outputs["examples"])
    report = Report(gen.outputs["examples"])
    return Pipeline("p", root, components=[gen, train, evaluate, report], enable_cache=cache)


def create_pipeline() -> Pipeline:
    """For the command line: without a cache."""
    return pipeline(cache=os.environ.get("CACHE") == "1")


if __name__ == "__main__":
    LocalRunner().run(create_pipeline())
