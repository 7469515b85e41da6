"""Kinds of evaluation that TFMA knows, each against TFMA: several outputs, payloads, and what is left to TFMA."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format

from mlops_tfx.artifacts import Examples
from mlops_tfx.components.evaluator import Evaluator
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io.examples import ExamplesWriter
from tests.unit.components.evaluator.cases import binary, random_table, record_batch, tfma_metrics

Write = Callable[..., Examples]
Save = Callable[..., Any]
ROWS = 80


def two_outputs(x: Any) -> Mapping[str, Any]:
    import tensorflow as tf

    return {"first": tf.sigmoid(x), "second": tf.sigmoid(-0.5 * x + 0.1)}


PER_OUTPUT = " ".join(
    f'metrics {{ class_name: "{name}" }}'
    for name in ("ExampleCount", "AUC", "Precision", "Calibration", "MeanSquaredError", "BinaryCrossentropy")
)
ARRAYS = {
    "two outputs with labels and weights of their own": (
        'model_specs { label_keys { key: "first" value: "y" } label_keys { key: "second" value: "z" } '
        'example_weight_keys { key: "first" value: "w" } example_weight_keys { key: "second" value: "v" } } '
        'slicing_specs {} slicing_specs { feature_keys: "o" } '
        f'metrics_specs {{ {PER_OUTPUT} output_names: ["first", "second"] }}',
        two_outputs,
    ),
    "one output of two by its key": (
        f'model_specs {{ label_key: "y" prediction_key: "second" }} metrics_specs {{ {PER_OUTPUT} }}',
        two_outputs,
    ),
}
LEFT_TO_TFMA = {
    "metrics per query": (
        'model_specs { label_key: "y" } slicing_specs {} slicing_specs { feature_keys: "n" } '
        'metrics_specs { metrics { class_name: "QueryStatistics" } metrics { class_name: "MinLabelPosition" } '
        'metrics { class_name: "NDCG" config: "\\"gain_key\\": \\"gain\\", \\"top_k_list\\": [1, 2]" } '
        'query_key: "query" } metrics_specs { metrics { class_name: "AUC" } metrics { class_name: "ExampleCount" } }'
    ),
    "cross slices": (
        'model_specs { label_key: "y" } slicing_specs {} slicing_specs { feature_keys: "o" } '
        'cross_slicing_specs { baseline_spec {} slicing_specs { feature_keys: "o" } } '
        'metrics_specs { metrics { class_name: "AUC" } metrics { class_name: "ExampleCount" } }'
    ),
}


def table() -> dict[str, Any]:
    rng = np.random.default_rng(3)
    columns = random_table(ROWS)
    columns["z"] = [int(value) for value in rng.integers(0, 2, ROWS)]
    columns["v"] = [float(value) for value in rng.uniform(0.1, 2, ROWS).astype(np.float32)]
    columns["gain"] = [float(value) for value in rng.integers(0, 4, ROWS)]
    columns["query"] = [b"q%d" % (index // 5) for index in range(ROWS)]
    return columns


def evaluate(root: Path, config: Any, examples: Examples, model: Any) -> tuple[str, str]:
    outputs = run_component(Evaluator(eval_config=config), {"examples": examples, "model": model}, root)
    uri = outputs["evaluation"][0].uri
    return uri, json.loads(Path(uri, "metrics.json").read_text(encoding="utf-8"))["engine"]


def parsed(text: str) -> Any:
    import tensorflow_model_analysis as tfma

    return text_format.Parse(text, tfma.EvalConfig())


def assert_same_metrics(ours: str, theirs: str) -> None:
    one, other = tfma_metrics(ours), tfma_metrics(theirs)
    assert one.keys() == other.keys()
    for slice_key, values in other.items():
        assert one[slice_key].keys() == values.keys()
        for key, value in values.items():
            kind = value.WhichOneof("type")
            assert kind == one[slice_key][key].WhichOneof("type")
            if kind == "double_value":
                np.testing.assert_allclose(
                    one[slice_key][key].double_value.value, value.double_value.value, rtol=1e-6, err_msg=str(key)
                )
            else:
                assert one[slice_key][key] == value


@pytest.mark.parametrize("name", ARRAYS)
def test_outputs_are_evaluated_on_arrays_as_by_tfma(
    name: str, tmp_path: Path, write_examples: Write, save_model: Save, oracle: Callable[..., str]
) -> None:
    text, function = ARRAYS[name]
    examples, model, config = write_examples(table()), save_model(function), parsed(text)
    ours, engine = evaluate(tmp_path, config, examples, model)
    assert engine == "arrays"
    assert_same_metrics(ours, oracle(examples, model, config))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # TFMA converts arrays to scalars row by row
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # and divides by zero where a query has no relevant row
@pytest.mark.parametrize("name", LEFT_TO_TFMA)
def test_what_only_tfma_can_do_is_left_to_it(
    name: str, tmp_path: Path, write_examples: Write, save_model: Save, oracle: Callable[..., str]
) -> None:
    examples, model, config = write_examples(table()), save_model(binary), parsed(LEFT_TO_TFMA[name])
    ours, engine = evaluate(tmp_path, config, examples, model)
    assert engine == "tfma"
    assert_same_metrics(ours, oracle(examples, model, config))


def test_parquet_gives_the_metrics_of_tfrecords(tmp_path: Path, write_examples: Write, save_model: Save) -> None:
    columns, model = table(), save_model(binary)
    parquet = Examples(str(tmp_path / "parquet"))
    parquet.splits = ["eval"]
    parquet.custom_properties.update(payload_format="FORMAT_PARQUET", file_format="parquet")
    with ExamplesWriter(parquet.path("eval"), file_format="parquet") as writer:
        writer.write(record_batch(columns))
    config = parsed(f'model_specs {{ label_key: "y" example_weight_key: "w" }} slicing_specs {{}} '
                    f'slicing_specs {{ feature_keys: "tags" }} metrics_specs {{ {PER_OUTPUT} }}')  # fmt: skip
    expected, _ = evaluate(tmp_path / "tfrecord", config, write_examples(columns), model)
    found, engine = evaluate(tmp_path / "own", config, parquet, model)
    assert engine == "arrays"
    assert_same_metrics(found, expected)
