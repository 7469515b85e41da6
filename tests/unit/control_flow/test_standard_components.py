"""The standard components take runtime parameters wherever TFX's do, and other placeholders too."""

from __future__ import annotations

from typing import Any

import pytest

from mlops_tfx import RuntimeParameter, components, config
from mlops_tfx.artifacts import Examples, ExampleStatistics, Model, Schema
from mlops_tfx.channel import Channel
from mlops_tfx.errors import ConfigError
from mlops_tfx.parameters import to_json
from mlops_tfx.placeholders import Known, environment_variable, join_path, make_proto, resolve

EXAMPLES, MODEL, SCHEMA = Channel(Examples), Channel(Model), Channel(Schema)
TRAINER = {"examples": EXAMPLES, "module_file": "m.py", "train_args": {"num_steps": 1}, "eval_args": {"num_steps": 1}}
TRANSFORM = {"examples": EXAMPLES, "schema": SCHEMA, "module_file": "m.py"}
INFERRER = {"examples": EXAMPLES, "model": MODEL}
PUSHER = {"model": MODEL, "push_destination": {"filesystem": {"base_directory": "b"}}}
GEN = {"input_base": "data"}
SPANS = {"input_base": "data", "input_config": {"splits": [{"name": "a", "pattern": "{SPAN}/*"}]}}
EVALUATOR = {"examples": EXAMPLES, "model": MODEL, "eval_config": {"model_specs": [{"label_key": "y"}]}}
INPUT = config.Input(splits=[{"name": "a", "pattern": "a*"}])
RANGE = config.RangeConfig(static_range={"start_span_number": 2, "end_span_number": 2})

# Component, its other arguments, parameter, what is given at run time, what the component then has.
TFX_SAYS = [
    ("BulkInferrer", INFERRER, "data_spec", '{"example_splits": ["eval"]}', config.DataSpec(example_splits=["eval"])),
    ("BulkInferrer", INFERRER, "model_spec", '{"tag": ["serve"]}', config.ModelSpec(tag=["serve"])),
    (
        "BulkInferrer",
        INFERRER,
        "output_example_spec",
        '{"output_columns_spec": [{"regress_output": {"value_column": "v"}}]}',
        config.OutputExampleSpec(output_columns_spec=[{"regress_output": {"value_column": "v"}}]),
    ),
    *(
        (gen, SPANS if name == "range_config" else GEN, name, text, value)
        for gen in ("CsvExampleGen", "ImportExampleGen")
        for name, text, value in (
            ("input_config", '{"splits": [{"name": "a", "pattern": "a*"}]}', INPUT),
            ("output_config", '{"splitConfig": {"splits": []}}', config.Output(split_config={"splits": []})),
            ("range_config", '{"static_range": {"start_span_number": 2, "end_span_number": 2}}', RANGE),
        )
    ),
    ("Evaluator", EVALUATOR, "fairness_indicator_thresholds", "[0.1, 0.5]", [0.1, 0.5]),
    ("Pusher", PUSHER, "push_destination", '{"filesystem": {"base_directory": "x"}}',
     config.PushDestination(filesystem={"base_directory": "x"})),
    ("SchemaGen", {"statistics": Channel(ExampleStatistics)}, "infer_feature_shape", "false", False),
    ("Trainer", TRAINER, "module_file", "other.py", "other.py"),
    ("Trainer", {k: v for k, v in TRAINER.items() if k != "module_file"}, "run_fn", "package.train", "package.train"),
    ("Trainer", TRAINER, "train_args", '{"num_steps": 7}', config.TrainArgs(num_steps=7)),
    ("Trainer", TRAINER, "eval_args", '{"num_steps": 7}', config.EvalArgs(num_steps=7)),
    ("Trainer", TRAINER, "custom_config", '{"rate": 0.5}', {"rate": 0.5}),
    ("Transform", TRANSFORM, "module_file", "other.py", "other.py"),
    ("Transform", {k: v for k, v in TRANSFORM.items() if k != "module_file"}, "preprocessing_fn", "p.f", "p.f"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "others", "parameter", "given", "expected"),
    TFX_SAYS,
    ids=lambda v: v if isinstance(v, str) and v.isidentifier() else "",
)
def test_runtime_parameters_where_tfx_takes_them(
    name: str, others: Any, parameter: str, given: str, expected: Any
) -> None:
    cls = getattr(components, name)
    node = cls(**{**others, parameter: RuntimeParameter("p", str)})
    assert node.problems == []
    assert set(node.unresolved) == {parameter}
    settled = node.with_values(resolve(node.unresolved, Known(parameters={"p": given})))
    assert to_json(settled.exec_properties[parameter]) == to_json(expected)
    assert to_json(getattr(settled, parameter)) == to_json(expected)
    assert settled.unresolved == {} and set(node.unresolved) == {parameter}
    if not isinstance(expected, str):
        with pytest.raises(ConfigError, match=f"parameter '{parameter}': expected"):
            node.with_values({parameter: "no JSON"})


def test_a_number_for_a_flag() -> None:
    """TFX's runtime parameters are no bool."""
    node = components.SchemaGen(statistics=Channel(ExampleStatistics), infer_feature_shape=RuntimeParameter("p", int))
    assert [node.with_values({"infer_feature_shape": n}).infer_feature_shape for n in (0, 1)] == [False, True]
    with pytest.raises(ConfigError, match="expected bool, received 2"):
        node.with_values({"infer_feature_shape": 2})


def test_checks_of_a_component_wait_for_its_values() -> None:
    node = components.Trainer(**{**TRAINER, "run_fn": RuntimeParameter("run_fn", str)})
    assert node.problems == []
    with pytest.raises(ConfigError, match="run_fn"):
        node.with_values({"run_fn": "package.train"})


def test_placeholders_inside_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSH_ROOT", "/push")
    base = join_path(environment_variable("PUSH_ROOT"), RuntimeParameter("name", str))
    known = Known(parameters={"name": "penguins", "steps": 5})
    expected = config.PushDestination(filesystem={"base_directory": "/push/penguins"})
    filesystem = make_proto(config.PushDestination.Filesystem(base_directory="x"), base_directory=base)
    for destination in (
        {"filesystem": {"base_directory": base}},
        config.PushDestination(filesystem=config.PushDestination.Filesystem(base_directory=base)),
        make_proto(config.PushDestination(), filesystem=filesystem),
    ):
        node = components.Pusher(model=MODEL, push_destination=destination)
        assert node.problems == []
        settled = node.with_values(resolve(node.unresolved, known))
        assert settled.push_destination == expected
    node = components.Trainer(**{**TRAINER, "train_args": {"num_steps": RuntimeParameter("steps", int)}})
    assert node.with_values(resolve(node.unresolved, known)).train_args == config.TrainArgs(num_steps=5)


def test_messages_made_at_run_time() -> None:
    from mlops_tfx.protos import example_gen_pb2

    message = make_proto(
        example_gen_pb2.Input(),
        splits=[make_proto(example_gen_pb2.Input.Split(name="a"), pattern=RuntimeParameter("pattern", str))],
    )
    node = components.CsvExampleGen(input_base="data", input_config=message)
    assert node.problems == []
    settled = node.with_values(resolve(node.unresolved, Known(parameters={"pattern": "day-1/*"})))
    assert settled.input_config == config.Input(splits=[{"name": "a", "pattern": "day-1/*"}])
