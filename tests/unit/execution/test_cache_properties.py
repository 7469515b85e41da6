"""What is said of an input besides its content is part of the cache key: its span, that a value is None."""

from __future__ import annotations

from typing import Optional, TypedDict

import pytest

from mlops_tfx import LocalRunner, Pipeline
from mlops_tfx.artifacts import Examples, Integer
from mlops_tfx.component import Component, Input, Output, Parameter, component
from mlops_tfx.execution import Observer
from mlops_tfx.execution.explain import explain
from mlops_tfx.metadata import MetadataStore


class Gen(Component):
    """Writes the same examples under any span."""

    examples = Output(Examples)
    span: int = 0
    declared: bool = True
    note: str = ""

    def run(self):
        self.examples.splits = ["train"]
        self.examples.custom_properties.update({"note": self.note, **({} if self.declared else {"span": self.span})})
        if self.declared:
            self.examples.span = self.span


class Show(Component):
    """Writes the span that it sees."""

    examples: Input[Examples]
    seen = Output(Integer)

    def run(self):
        self.seen.write(self.examples.span or self.examples.custom_properties.get("span", 0))


class Said(TypedDict):
    text: Optional[str]  # noqa: UP045  # read at run time


@component
def Say(text: Parameter[str]) -> Said:
    return {"text": text or None if text != "empty" else ""}


class Answer(TypedDict):
    is_none: bool


@component
def Ask(text: str = "default") -> Answer:
    return {"is_none": text is None}


def run(root, *nodes):
    pipeline = Pipeline("p", root, components=nodes)
    return LocalRunner(observer=Observer()).run(pipeline), pipeline


@pytest.mark.parametrize("declared", [True, False])
def test_the_same_content_of_another_span_is_another_input(tmp_path, declared):
    seen = []
    for span, note in ((1, ""), (2, ""), (2, "again"), (1, "")):
        gen = Gen(span=span, declared=declared, note=note)
        result, pipeline = run(tmp_path, gen, Show(examples=gen.outputs["examples"]))
        seen.append((result.reports[1].state.value, result.outputs["Show"]["seen"][0].read()))
        if len(seen) == 2:
            with MetadataStore(pipeline.metadata_connection_config, read_only=True) as store:
                why = explain(store, "p", "Show")
            assert [str(change) for change in why.changes] == ["input examples[0] span: 1 -> 2"]
            assert why.upstream == ("Gen",)
    # A note does not count.
    assert seen == [("complete", 1), ("complete", 2), ("cached", 2), ("cached", 1)]


def test_no_text_is_not_empty_text(tmp_path):
    seen = []
    for text in ("", "empty", ""):
        say = Say(text=text)
        result, _ = run(tmp_path, say, Ask(text=say.outputs["text"]))
        seen.append((result.reports[1].state.value, result.outputs["Ask"]["is_none"][0].read()))
    assert seen == [("complete", True), ("complete", False), ("cached", True)]
