"""``@component``: what a function's annotations declare."""

from __future__ import annotations

from typing import TypedDict

import apache_beam as beam
import pytest

from mlops_tfx.artifacts import Examples, Float, Integer, Model, String
from mlops_tfx.channel import Channel
from mlops_tfx.component import (
    BeamComponentParameter,
    InputArtifact,
    OutputArtifact,
    OutputDict,
    Parameter,
    component,
)
from mlops_tfx.errors import UserCodeError
from mlops_tfx.execution.testing import run_component


class Counts(TypedDict):
    """Result of Count."""

    total: int
    note: str | None


@component
def Count(
    examples: InputArtifact[Examples],
    model: OutputArtifact[Model],
    factor: Parameter[int] = 2,
    extra: int = 1,
) -> Counts:
    """Counts."""
    with open(f"{model.uri}/made_from", "w") as file:
        file.write(examples.uri)
    return {"total": factor * extra, "note": None}


@component
def Wrong(examples: InputArtifact[Examples]) -> Counts:
    """Returns too little."""
    return {"total": 1}


@component
def Many(examples: InputArtifact[list[Examples]]) -> OutputDict(joined=str):
    """Takes a list."""
    return {"joined": "+".join(example.uri for example in examples)}


@component(use_beam=True)
def WithBeam(values: list, pipeline: BeamComponentParameter[beam.Pipeline] = None) -> OutputDict(ran=bool):
    """Sums on Beam."""
    pipeline | beam.Create(values) | beam.CombineGlobally(sum) | beam.Map(_expect_six)
    return {"ran": True}


def _expect_six(total):
    if total != 6:
        raise ValueError(f"expected 6, received {total}")


def test_declaration():
    assert {name: port.artifact_type for name, port in Count.INPUTS.items()} == {"examples": Examples, "extra": Integer}
    assert {name: port.artifact_type for name, port in Count.OUTPUTS.items()} == {
        "model": Model,
        "total": Integer,
        "note": String,
    }
    assert Count.PARAMETERS == {"factor": int}
    assert Count.__doc__ == "Counts."


def test_run_gives_values_and_writes_results(tmp_path):
    extra = Integer(str(tmp_path / "extra"))
    extra.value = 21
    outputs = run_component(Count(factor=2), {"examples": Examples("/in"), "extra": extra}, tmp_path)
    assert outputs["total"][0].value == 42
    assert Integer(outputs["total"][0].uri).value == 42, "the value is in the file"
    assert outputs["note"][0].value is None
    assert (tmp_path / "Count" / "model" / "made_from").read_text() == "/in"


def test_absent_value_input_takes_its_default(tmp_path):
    outputs = run_component(Count(factor=5), {"examples": Examples("/in")}, tmp_path)
    assert outputs["total"][0].value == 5


def test_list_of_artifacts(tmp_path):
    outputs = run_component(Many(), {"examples": [Examples("/a"), Examples("/b")]}, tmp_path)
    assert outputs["joined"][0].value == "/a+/b"


def test_beam_pipeline_runs(tmp_path):
    from mlops_tfx.artifacts import JsonValue

    values = JsonValue(str(tmp_path / "values"))
    values.value = [1, 2, 3]
    assert run_component(WithBeam(), {"values": values}, tmp_path)["ran"][0].value is True


def test_result_that_breaks_the_declaration(tmp_path):
    with pytest.raises(UserCodeError, match="must return a dict with the keys total, note"):
        run_component(Wrong(), {"examples": Examples("/in")}, tmp_path)


def test_wiring_is_checked():
    assert Count(Channel(type=Model)).problems != []
    assert Count(Channel(type=Examples), factor="2").problems != []


def test_plain_call():
    assert Many.test_call([Examples("/a")]) == {"joined": "/a"}


def test_argument_without_annotation():
    with pytest.raises(TypeError, match="argument 'x' has no annotation"):

        @component
        def bad(x):
            pass


def test_argument_of_unknown_type():
    with pytest.raises(TypeError, match="expected InputArtifact"):

        @component
        def bad(x: set):
            pass


def test_result_of_unknown_type():
    with pytest.raises(TypeError, match="expected None, a TypedDict or OutputDict"):

        @component
        def bad() -> int:
            return 1


@pytest.mark.parametrize("use_beam", [True, False])
def test_beam_argument_and_flag_go_together(use_beam):
    def without(x: Parameter[int]) -> None: ...
    def with_one(p: BeamComponentParameter[beam.Pipeline] = None) -> None: ...

    with pytest.raises(TypeError, match="use_beam=True"):
        component(use_beam=use_beam)(without if use_beam else with_one)


def test_float_results_accept_ints(tmp_path):
    @component
    def half(n: Parameter[int]) -> OutputDict(value=float):
        return {"value": n}

    assert run_component(half(n=3), {}, tmp_path)["value"][0].value == 3
    assert half.OUTPUTS["value"].artifact_type is Float
