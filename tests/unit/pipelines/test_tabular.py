"""tabular_pipeline: how the parts are wired, and how each of them is replaced."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlops_tfx.components import ImportExampleGen
from mlops_tfx.components.evaluator import Evaluator
from mlops_tfx.components.pusher import Pusher
from mlops_tfx.components.trainer import Trainer
from mlops_tfx.components.transform import Transform
from mlops_tfx.config import TrainArgs
from mlops_tfx.errors import ConfigError
from mlops_tfx.eval_config import EvalConfig, MetricDirection, ModelSpec
from mlops_tfx.node import Node
from mlops_tfx.pipeline import Pipeline
from mlops_tfx.pipelines.tabular import default_eval_config, tabular_pipeline


def make(**arguments: Any) -> Pipeline:
    settings = {"name": "p", "data": "in", "label": "y", "task": "binary", "pipeline_root": "root", "push_to": "out"}
    return tabular_pipeline(**{**settings, **arguments})


def node(pipeline: Pipeline, name: str) -> Any:
    found = {n.id: n for n in pipeline.nodes}
    return found[name]


def ids(nodes: list[Node]) -> set[str]:
    return {n.id for n in nodes}


def test_the_chain_is_wired_from_csv_to_push() -> None:
    pipeline = make()
    assert ids(list(pipeline.nodes)) == {
        "CsvExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "Transform", "Trainer",
        "latest_blessed_model", "Evaluator", "Pusher",
    }  # fmt: skip
    assert ids(node(pipeline, "Trainer").upstream_nodes()) == {"Transform", "SchemaGen"}
    assert ids(node(pipeline, "Evaluator").upstream_nodes()) == {
        "CsvExampleGen", "SchemaGen", "Trainer", "latest_blessed_model",
    }  # fmt: skip
    assert ids(node(pipeline, "Pusher").upstream_nodes()) == {"Trainer", "Evaluator"}
    pusher: Pusher = node(pipeline, "Pusher")
    assert pusher.push_destination is not None and pusher.push_destination.filesystem is not None
    assert pusher.push_destination.filesystem.base_directory == "out"


def test_label_task_and_ignored_columns_reach_the_users_functions() -> None:
    pipeline = make(ignore=["id"], custom_config={"epochs": 2}, train_args=TrainArgs(num_steps=7))
    expected = {"epochs": 2, "label": "y", "task": "binary", "ignore": ["id"]}
    transform: Transform = node(pipeline, "Transform")
    trainer: Trainer = node(pipeline, "Trainer")
    assert transform.custom_config == trainer.custom_config == expected
    assert trainer.train_args == TrainArgs(num_steps=7)


def own_function(inputs: Any) -> Any:
    return inputs


@pytest.mark.parametrize(
    ("given", "module_file", "function"),
    [
        (Path("mine/preprocessing.py"), "mine/preprocessing.py", None),
        ("mine/preprocessing.py", "mine/preprocessing.py", None),
        ("mine.preprocessing.fn", None, "mine.preprocessing.fn"),
        (own_function, None, own_function),
    ],
)
def test_own_functions_as_file_path_or_function(given: Any, module_file: Any, function: Any) -> None:
    pipeline = make(preprocessing_fn=given, run_fn=given)
    transform: Transform = node(pipeline, "Transform")
    trainer: Trainer = node(pipeline, "Trainer")
    assert (transform.module_file, transform.preprocessing_fn) == (module_file, function)
    assert (trainer.module_file, trainer.run_fn) == (module_file, function)


def test_own_schema_evaluation_and_example_gen() -> None:
    evaluation = EvalConfig(model_specs=[ModelSpec(label_key="other")])
    gen = ImportExampleGen(input_base="records").with_id("Records")
    pipeline = make(schema_file="schema.pbtxt", eval_config=evaluation, example_gen=gen)
    assert {"Records", "ImportSchemaGen"} < ids(list(pipeline.nodes))
    assert not {"CsvExampleGen", "SchemaGen"} & ids(list(pipeline.nodes))
    evaluator: Evaluator = node(pipeline, "Evaluator")
    assert evaluator.eval_config == evaluation


def test_anomalies_stop_what_follows_only_when_asked_to() -> None:
    assert "ExampleValidator" not in ids(node(make(), "Transform").upstream_nodes())
    strict = make(fail_on_anomalies=True)
    assert "ExampleValidator" in ids(node(strict, "Transform").upstream_nodes())
    assert node(strict, "ExampleValidator").fail_on_anomalies is True


@pytest.mark.parametrize(
    ("task", "first", "lower", "upper", "direction"),
    [
        ("binary", "AUC", 0.7, None, MetricDirection.HIGHER_IS_BETTER),
        ("multiclass", "SparseCategoricalAccuracy", 0.7, None, MetricDirection.HIGHER_IS_BETTER),
        ("regression", "MeanSquaredError", None, 0.7, MetricDirection.LOWER_IS_BETTER),
    ],
)
def test_evaluation_of_each_task(
    task: Any, first: str, lower: float | None, upper: float | None, direction: MetricDirection
) -> None:
    config = default_eval_config("y", task, ["a", "b"], 0.7)
    assert [spec.feature_keys for spec in config.slicing_specs] == [[], ["a"], ["b"]]
    (metrics,) = config.metrics_specs
    assert metrics.metrics[0].class_name == first
    assert "ExampleCount" in [metric.class_name for metric in metrics.metrics]
    (decisive,) = metrics.metrics[0].per_slice_thresholds
    assert [spec.feature_keys for spec in decisive.slicing_specs] == [[]]
    assert decisive.threshold is not None
    value, change = decisive.threshold.value_threshold, decisive.threshold.change_threshold
    assert value is not None and change is not None
    assert (value.lower_bound, value.upper_bound) == (lower, upper)
    assert change.direction == direction


@pytest.mark.parametrize(
    ("task", "lower", "upper"), [("binary", 0.5, None), ("multiclass", 0.0, None), ("regression", None, math.inf)]
)
def test_without_a_threshold_a_first_model_is_judged_all_the_same(
    task: Any, lower: float | None, upper: float | None
) -> None:
    config = default_eval_config("y", task, [], None)
    (decisive,) = config.metrics_specs[0].metrics[0].per_slice_thresholds
    assert decisive.threshold is not None and decisive.threshold.value_threshold is not None
    value = decisive.threshold.value_threshold
    assert (value.lower_bound, value.upper_bound) == (lower, upper)


def test_an_unknown_task_is_an_error_that_shows_the_near_one() -> None:
    with pytest.raises(ConfigError, match=r"task='multi_class'; did you mean 'multiclass'"):
        make(task="multi_class")


def test_a_pipeline_file_loads_no_heavy_library() -> None:
    code = (
        "import sys; from mlops_tfx.pipelines.tabular import tabular_pipeline as t; "
        "t('p', 'in', 'y', 'binary', 'root', 'out'); "
        "print(sorted({'tensorflow', 'apache_beam', 'pandas', 'pyarrow', 'numpy', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
