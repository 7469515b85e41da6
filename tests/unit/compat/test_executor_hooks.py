"""What standard executors call of themselves, in classes derived from them; refusals of what they do not call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import mlops_tfx.v1 as tfx
from mlops_tfx.artifacts import Examples, Model, ModelBlessing, PushedModel, Schema
from mlops_tfx.channel import Channel
from mlops_tfx.compat import standard_executors
from mlops_tfx.compat.executor_specs import BeamExecutorSpec, ExecutorClassSpec
from mlops_tfx.execution.testing import run_component


class MoreArguments(standard_executors.GenericExecutor):
    def _GetFnArgs(self, input_dict: Any, output_dict: Any, exec_properties: Any) -> Any:
        fn_args = super()._GetFnArgs(input_dict, output_dict, exec_properties)
        fn_args.custom_config = {**(fn_args.custom_config or {}), "more": sorted(input_dict)}
        return fn_args


class MoreTrainer(tfx.components.Trainer):
    EXECUTOR_SPEC = ExecutorClassSpec(MoreArguments)


def write_model(fn_args: Any) -> None:
    Path(fn_args.serving_model_dir).mkdir(parents=True)
    (Path(fn_args.serving_model_dir) / "model").write_text(json.dumps([fn_args.custom_config, fn_args.train_steps]))


def test_get_fn_args_of_a_trainer_is_called(tmp_path: Path) -> None:
    examples = Examples(str(tmp_path / "examples"))
    examples.splits = ["train", "eval"]
    for split in examples.splits:
        Path(examples.path(split)).mkdir(parents=True)
        (Path(examples.path(split)) / "data_tfrecord-00000-of-00001.gz").write_bytes(b"")
    node = MoreTrainer(
        examples=Channel(Examples),
        run_fn=f"{__name__}.write_model",
        train_args=tfx.proto.TrainArgs(num_steps=3),
        custom_config={"one": 1},
    )
    (model,) = run_component(node, {"examples": examples}, tmp_path)["model"]
    written = json.loads((Path(model.uri) / "Format-Serving" / "model").read_text())
    assert written == [{"one": 1, "more": ["examples"]}, 3]
    assert "trained_on" in model.custom_properties


class Discerning(standard_executors.PusherExecutor):
    """Pushes what nobody has blessed, another folder than usual, and says so."""

    def CheckBlessing(self, input_dict: Any) -> bool:
        return not super().CheckBlessing(input_dict)

    def GetModelPath(self, input_dict: Any) -> str:
        return super().GetModelPath(input_dict).replace("Format-Serving", "Other")

    def _MarkPushed(self, model_push: Any, pushed_destination: str, pushed_version: str | None = None) -> None:
        super()._MarkPushed(model_push, pushed_destination, pushed_version)
        model_push.set_string_custom_property("announced", f"{pushed_destination} is {pushed_version}")

    def _MarkNotPushed(self, model_push: Any) -> None:
        super()._MarkNotPushed(model_push)
        model_push.set_string_custom_property("announced", "no")


class DiscerningPusher(tfx.components.Pusher):
    EXECUTOR_SPEC = ExecutorClassSpec(Discerning)


@pytest.mark.parametrize("blessed", [0, 1])
def test_what_a_pusher_asks_of_itself(tmp_path: Path, blessed: int) -> None:
    for name in ("Format-Serving", "Other"):
        (tmp_path / "model" / name).mkdir(parents=True)
        (tmp_path / "model" / name / "saved_model.pb").write_text(name)
    base = tmp_path / "serving"
    destination = tfx.proto.PushDestination(filesystem={"base_directory": str(base)})
    node = DiscerningPusher(model=Channel(Model), model_blessing=Channel(ModelBlessing), push_destination=destination)
    blessing = ModelBlessing("/nowhere", custom_properties={"blessed": blessed})
    inputs = {"model": Model(str(tmp_path / "model")), "model_blessing": blessing}
    (pushed,) = run_component(node, inputs, tmp_path)["pushed_model"]
    assert isinstance(pushed, PushedModel)
    if blessed:
        assert (pushed.custom_properties["pushed"], pushed.custom_properties["announced"]) == (0, "no")
        assert not base.exists()
    else:
        (version,) = base.iterdir()
        assert (version / "saved_model.pb").read_text() == "Other"
        assert pushed.custom_properties["announced"] == f"{version} is {version.name}"


def test_a_pusher_with_an_executor_needs_no_destination() -> None:
    assert DiscerningPusher(model=Channel(Model)).problems == []
    assert len(tfx.components.Pusher(model=Channel(Model)).problems) == 1


class Halving(standard_executors.TransformExecutor):
    """Changes the function that the module file has."""

    def _GetPreprocessingFn(self, inputs: Any, unused_outputs: Any) -> Any:
        return _Halved(super()._GetPreprocessingFn(inputs, unused_outputs))


class _Halved:
    def __init__(self, function: Any) -> None:
        self._function = function

    def __call__(self, inputs: Any) -> Any:
        return {name: value / 2 for name, value in self._function(inputs).items()}


class HalvingTransform(tfx.components.Transform):
    EXECUTOR_SPEC = BeamExecutorSpec(Halving)


def test_the_preprocessing_fn_that_an_executor_gives_is_the_one_that_is_used(tmp_path: Path) -> None:
    from tests.unit.components.transform.cases import examples_of, read_frame, write_schema

    (tmp_path / "prepare.py").write_text(
        "import tensorflow as tf\n"
        "def preprocessing_fn(inputs, custom_config):\n"
        "    return {'out': tf.cast(inputs['distance'], tf.float32) * custom_config['factor']}\n"
    )
    frame = pd.DataFrame({"month": [1, 2, 3], "distance": [1, 2, 5], "carrier": ["a", "b", "c"]})
    node = HalvingTransform(
        examples=Channel(Examples),
        schema=Channel(Schema),
        module_file=str(tmp_path / "prepare.py"),
        custom_config={"factor": 3},
        disable_statistics=True,
    )
    inputs = {"examples": examples_of(tmp_path / "examples", train=frame), "schema": write_schema(tmp_path / "schema")}
    outputs = run_component(node, inputs, tmp_path)
    (transformed,) = outputs["transformed_examples"]
    assert transformed.splits == ["train"]
    assert read_frame(transformed, "train")["out"].tolist() == [1.5, 3.0, 7.5]


@pytest.mark.parametrize(
    ("base", "method"),
    [
        (standard_executors.BulkInferrerExecutor, "_run_model_inference"),
        (standard_executors.EvaluatorExecutor, "_get_slice_spec_from_feature_slicing_spec"),
        (standard_executors.ExampleValidatorExecutor, "_Validate"),
        (standard_executors.InfraValidatorExecutor, "_ValidateOnce"),
        (standard_executors.StatisticsGenExecutor, "_make_beam_pipeline"),
    ],
)
def test_methods_that_would_not_be_called_are_refused(base: Any, method: str) -> None:
    with pytest.raises(TypeError, match=f"Mine: {method} would not be called: TFX's executor of {base.COMPONENT}"):
        type("Mine", (base,), {method: print, "__module__": __name__})
    # With a Do of its own a class may use the names as it likes, unless it goes on to ours.
    alone = type("Mine", (base,), {method: print, "Do": _do_nothing, "__module__": __name__})
    alone().Do({}, {}, {})
    going_on = type("Mine", (base,), {method: print, "Do": base.Do, "__module__": __name__})
    with pytest.raises(TypeError, match="would not be called"):
        going_on().Do({}, {}, {})


def _do_nothing(self: Any, input_dict: Any, output_dict: Any, exec_properties: Any) -> None:
    pass
