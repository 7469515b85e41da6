"""Partial runs of pipelines with loops and with pipelines within."""

from __future__ import annotations

import shutil

import pytest

from mlops_tfx import ForEach, LocalRunner, Pipeline, PipelineInputs
from mlops_tfx.errors import PipelineFailedError, ResolutionError, WiringError
from mlops_tfx.run_options import RunOptions
from tests.unit.control_flow.loop_components import Heard, Number, Numbers, Plus, Total, states, values


def run(root, nodes, *, to=None, base=None, **starts):
    pipeline = Pipeline("partial", root, components=nodes, enable_cache=False)
    start = starts.get("start")
    options = RunOptions(start, to, base) if start or to else None
    return LocalRunner(observer=Heard()).run(pipeline, run_options=options)


def looping(add=10, fail_at=None, folder=""):
    source = Numbers(numbers=[1, 2, 3])
    with ForEach(source.outputs["out"]) as number:
        first = Plus(value=number, fail_at=fail_at, folder=folder).with_id("First")
        second = Plus(value=first.outputs["out"], add=add).with_id("Second")
    return source, first, second, Total(values=second.outputs["out"], more=first.outputs["out"])


def test_from_a_node_in_a_loop_every_element_takes_its_own(tmp_path):
    run(tmp_path, looping())
    result = run(tmp_path, looping(add=20), start=["Second"])
    assert values(result, "Second") == [22, 23, 24]
    assert values(result, "Total") == [222324020304]
    assert [states(result)[f"First[{i}]"] for i in range(3)] == ["cached"] * 3
    assert (states(result)["Numbers"], states(result)["Second"]) == ("cached", "complete")
    # The partial run is a base as good as the first.
    assert values(run(tmp_path, looping(add=20), start=["Total"]), "Total") == [222324020304]


def test_to_a_node_in_a_loop(tmp_path):
    result = run(tmp_path, looping(), to=["First"])
    assert values(result, "First") == [2, 3, 4]
    assert (states(result)["Second"], states(result)["Total"]) == ("skipped", "skipped")


def test_a_base_in_which_one_element_failed_is_no_base(tmp_path):
    with pytest.raises(PipelineFailedError):
        run(tmp_path, looping(fail_at=2, folder=str(tmp_path)))
    with pytest.raises(ResolutionError, match=r"Second needs First.*First\[1\] ended as FAILED there"):
        run(tmp_path, looping(), start=["Second"])


def test_a_base_in_which_one_element_was_not_reached_is_no_base(tmp_path):
    with pytest.raises(PipelineFailedError):
        run(tmp_path, looping(fail_at=2, folder=str(tmp_path)))
    with pytest.raises(ResolutionError, match=r"Total needs Second.*Second\[1\] did not run there"):
        run(tmp_path, looping(), start=["Total"])


def test_what_a_loop_went_through_may_be_gone(tmp_path):
    run(tmp_path, looping())
    shutil.rmtree(tmp_path / "Numbers" / "out")
    result = run(tmp_path, looping(), start=["Total"])
    assert values(result, "Total") == [121314020304]
    assert (states(result)["Numbers"], states(result)["Second"]) == ("skipped", "cached")


def nested(add=10):
    """Number, within the pipeline ``inner`` Plus and Again, and Plus outside, of the same id as within."""
    seven = Number()
    inputs = PipelineInputs({"value": seven.outputs["out"]})
    first = Plus(value=inputs["value"])
    second = Plus(value=first.outputs["out"], add=add).with_id("Again")
    inner = Pipeline(
        "inner", components=[first, second], inputs=inputs,
        outputs={"out": second.outputs["out"], "first": first.outputs["out"]},
    )  # fmt: skip
    return seven, inner, Plus(value=inner.outputs["out"], add=100)


def test_from_and_after_a_pipeline_within(tmp_path):
    run(tmp_path, nested())
    whole = run(tmp_path, nested(add=20), start=["inner"])
    assert states(whole) == {
        "Number": "cached", "inner": "complete", "inner.Plus": "complete", "inner.Again": "complete",
        "Plus": "complete",
    }  # fmt: skip
    assert values(whole, "Plus") == [128]
    after = run(tmp_path, nested(add=20), start=["Plus"])
    assert states(after) == {"Number": "cached", "inner": "cached", "Plus": "complete"}
    assert values(after, "inner", "first") == [8]
    assert values(after, "Plus") == [128]


def test_from_a_node_of_a_pipeline_within(tmp_path):
    first = run(tmp_path, nested())
    result = run(tmp_path, nested(add=30), start=["inner.Again"])
    assert states(result) == {
        "Number": "cached", "inner": "complete", "inner.Plus": "cached", "inner.Again": "complete", "Plus": "complete",
    }  # fmt: skip
    assert values(result, "Plus") == [138]
    assert result.outputs["inner"]["first"][0].id == first.outputs["inner"]["first"][0].id
    to = run(tmp_path, nested(add=30), start=["inner"], to=["inner.Plus"])
    assert (states(to)["inner.Plus"], states(to)["inner.Again"], states(to)["Plus"]) == (
        "complete",
        "skipped",
        "skipped",
    )


def test_wrong_names(tmp_path):
    with pytest.raises(WiringError, match=r"pipeline 'partial' has no node 'outer.Again'"):
        run(tmp_path, nested(), start=["outer.Again"])
    run(tmp_path, nested())
    with pytest.raises(WiringError, match=r"pipeline 'inner' has no node 'Agan'; did you mean 'Again'"):
        run(tmp_path, nested(), start=["inner.Agan"])
    source = Numbers(numbers=[1])
    with ForEach(source.outputs["out"]) as number:
        inputs = PipelineInputs({"value": number})
        inner = Pipeline("inner", components=[Plus(value=inputs["value"])], inputs=inputs)
    with pytest.raises(WiringError, match="is in a loop"):
        run(tmp_path, [source, inner], start=["inner.Plus"])
