"""The whole component on real files: equal to TFMA, blessings as TFX gives them, clear errors."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from sklearn.metrics import roc_auc_score

from mlops_tfx.artifacts import Artifact, Examples, Model
from mlops_tfx.components.evaluator import Evaluator, read_metrics
from mlops_tfx.errors import ArtifactError, ConfigError, DataError, MlopsTfxError, UserCodeError, ValidationFailure
from mlops_tfx.eval_config import (
    EvalConfig,
    GenericChangeThreshold,
    GenericValueThreshold,
    MetricConfig,
    MetricsSpec,
    MetricThreshold,
    ModelSpec,
    Options,
    PerSliceMetricThreshold,
    SlicingSpec,
)  # fmt: skip
from mlops_tfx.execution.testing import run_component
from tests.unit.components.evaluator.cases import (
    binary,
    named_classes,
    random_table,
    tfma_metrics,
    three_classes,
)  # fmt: skip

Save = Callable[..., Model]
Write = Callable[..., Examples]


def config(*metrics: str | MetricConfig, slices: tuple[str, ...] = (), **spec: Any) -> EvalConfig:
    named = [MetricConfig(class_name=metric) if isinstance(metric, str) else metric for metric in metrics]
    return EvalConfig(
        model_specs=[ModelSpec(**{"label_key": "y", **spec})],
        slicing_specs=[SlicingSpec(), *(SlicingSpec(feature_keys=[name]) for name in slices)],
        metrics_specs=[MetricsSpec(metrics=named)],
    )


def auc(lower_bound: float, **change: Any) -> MetricConfig:
    threshold = MetricThreshold(value_threshold=GenericValueThreshold(lower_bound=lower_bound))
    if change:
        threshold.change_threshold = GenericChangeThreshold(**change)
    return MetricConfig(class_name="AUC", threshold=threshold)


def evaluate(root: Path, eval_config: Any, examples: Any, model: Model | None, **others: Any) -> dict[str, Artifact]:
    inputs: dict[str, Any] = {"examples": examples} | ({"model": model} if model is not None else {})
    inputs |= {key: others.pop(key) for key in ("baseline_model", "schema") if key in others}
    log = others.pop("log", lambda text: None)
    outputs = run_component(Evaluator(eval_config=eval_config, **others), inputs, root, log=log)
    return {key: artifacts[0] for key, artifacts in outputs.items()}


def verdict(uri: str) -> tuple[bool, list[str], list[str], list[str]]:
    """TFMA's ValidationResult; TFMA leaves slices in the order of Beam's hashes, so they are sorted."""
    import tensorflow_model_analysis as tfma

    result = tfma.load_validation_result(uri)
    failures = []
    for item in result.metric_validations_per_slice:
        for failure in item.failures:
            value = f"{failure.metric_value.double_value.value:.6f}"
            failures.append(
                f"{item.slice_key} {failure.metric_key} {failure.metric_threshold} {failure.message} {value}"
            )
    details = sorted(str(item) for item in result.validation_details.slicing_details)
    return result.validation_ok, sorted(failures), sorted(map(str, result.missing_slices)), details


def assert_same_files(ours: str, theirs: str) -> None:
    import tensorflow_model_analysis as tfma

    one, other = tfma_metrics(ours), tfma_metrics(theirs)
    assert one.keys() == other.keys()
    for slice_key, values in other.items():
        assert one[slice_key].keys() == values.keys()
        for key, value in values.items():
            if value.WhichOneof("type") == "double_value":
                np.testing.assert_allclose(
                    one[slice_key][key].double_value.value,
                    value.double_value.value,
                    rtol=1e-6,
                    err_msg=f"{slice_key} {key}",
                )
            else:
                assert one[slice_key][key] == value
    plots = [sorted(str(message) for message in tfma.load_plots(uri)) for uri in (ours, theirs)]
    assert len(plots[0]) == len(plots[1])
    assert verdict(ours) == verdict(theirs)
    assert tfma.load_eval_result(ours).config == tfma.load_eval_result(theirs).config


THRESHOLDS = """
    metrics_specs {
      metrics { class_name: "ExampleCount" }
      metrics { class_name: "AUC"
        threshold { value_threshold { lower_bound { value: 0.99 } } change_threshold { direction: HIGHER_IS_BETTER absolute { value: 0.0 } } }
        per_slice_thresholds {
          slicing_specs { feature_keys: "o" }
          threshold { value_threshold { lower_bound { value: 0.1 } upper_bound { value: 0.2 } } }
        }
      }
      metrics { class_name: "MeanSquaredError"
        threshold { change_threshold { direction: LOWER_IS_BETTER relative { value: 0.01 } } }
      }
      thresholds { key: "example_count" value { value_threshold { lower_bound { value: 10 } } } }
    }
"""  # noqa: E501  # text protos
COMMON = " ".join(
    f'metrics {{ class_name: "{name}" }}'
    for name in ("ExampleCount", "AUC", "Precision", "BinaryCrossentropy", "Calibration", "CalibrationPlot")
)
SLICES = 'slicing_specs {} slicing_specs { feature_keys: ["c", "n"] } slicing_specs { feature_keys: "tags" }'
ORACLE_CASES = {
    "binary, weighted, sliced": (
        f'model_specs {{ label_key: "y" example_weight_key: "w" }} {SLICES} '
        f"metrics_specs {{ {COMMON} example_weights {{ weighted: true unweighted: true }} }}",
        binary,
        False,
    ),
    "three classes by name": (
        'model_specs { label_key: "names" } metrics_specs { metrics { class_name: "SparseCategoricalAccuracy" } '
        'metrics { class_name: "MultiClassConfusionMatrixPlot" } metrics { class_name: "ExampleCount" } } '
        'metrics_specs { metrics { class_name: "AUC" } binarize { class_ids { values: [0, 2] } } }',
        named_classes,
        False,
    ),
    "label and slices from the transform graph, model called with named columns": (
        'model_specs { label_key: "made" preprocessing_function_names: "transform_features" signature_name: "named" } '
        f'slicing_specs {{}} slicing_specs {{ feature_keys: "sign" }} metrics_specs {{ {COMMON} }}',
        binary,
        False,
    ),
    "baseline and thresholds, some of them missed": (
        f'model_specs {{ label_key: "y" }} slicing_specs {{}} slicing_specs {{ feature_keys: "o" }} {THRESHOLDS}',
        binary,
        True,
    ),
    "thresholds without a baseline": (f'model_specs {{ label_key: "y" }} {THRESHOLDS}', binary, False),
}


@pytest.mark.parametrize("name", ORACLE_CASES)
def test_files_and_verdict_are_those_of_tfma(
    name: str, tmp_path: Path, write_examples: Write, save_model: Save, oracle: Callable[..., str]
) -> None:
    import tensorflow as tf
    import tensorflow_model_analysis as tfma

    text, function, compared = ORACLE_CASES[name]
    eval_config = text_format.Parse(text, tfma.EvalConfig())
    table = random_table(150, classes=3 if function is named_classes else 2)
    table["raw"] = [float(value) for value in np.random.default_rng(5).normal(size=150)]
    examples, model = write_examples(table), save_model(function)
    baseline = save_model(lambda x: {"probability": tf.sigmoid(x + 0.3)}, name="baseline") if compared else None
    others = {"baseline_model": baseline} if baseline else {}
    logged: list[str] = []
    outputs = evaluate(tmp_path, eval_config, examples, model, log=logged.append, **others)
    assert not any("TFMA's own pipeline" in line for line in logged)
    assert_same_files(outputs["evaluation"].uri, oracle(examples, model, eval_config, baseline))


def test_auc_per_slice_is_that_of_scikit_learn(tmp_path: Path, write_examples: Write, save_model: Save) -> None:
    table = random_table(4000)
    outputs = evaluate(
        tmp_path, config("AUC", "ExampleCount", slices=("o",)), write_examples(table), save_model(binary)
    )
    rows = {(row["slice"], row["metric"]): row["value"] for row in read_metrics(outputs["evaluation"].uri)}
    y, x = np.array(table["y"]), np.array(table["x"])
    o = np.array([value.decode() for value in table["o"]])
    for name, chosen in (("Overall", o != ""), ("o=JFK", o == "JFK"), ("o=LGA", o == "LGA")):
        assert rows[name, "example_count"] == chosen.sum()
        # TFMA interpolates between 10,000 thresholds.
        assert rows[name, "auc"] == pytest.approx(roc_auc_score(y[chosen], x[chosen]), abs=1e-4)


def test_several_artifacts_and_splits_are_evaluated_together(
    tmp_path: Path, write_examples: Write, save_model: Save
) -> None:
    first, second = write_examples(random_table(30), name="one"), write_examples(random_table(40, seed=1), name="two")
    rows: list[int] = []
    component = Evaluator(eval_config=config("ExampleCount", "MeanLabel"), example_splits=["eval"])
    inputs = {"examples": [first, second], "model": save_model(binary)}
    outputs = run_component(component, inputs, tmp_path, report_rows=rows.append)
    found = {row["metric"]: row["value"] for row in read_metrics(outputs["evaluation"][0].uri)}
    labels = random_table(30)["y"] + random_table(40, seed=1)["y"]
    assert (found["example_count"], sum(rows)) == (70, 70)
    assert found["mean_label"] == pytest.approx(np.mean(labels))


def test_a_model_that_meets_its_thresholds_is_blessed(tmp_path: Path, write_examples: Write, save_model: Save) -> None:
    model = save_model(binary)
    outputs = evaluate(tmp_path, config(auc(0.5)), write_examples(random_table(200)), model)
    assert os.listdir(outputs["blessing"].uri) == ["BLESSED"]
    assert os.path.getsize(os.path.join(outputs["blessing"].uri, "BLESSED")) == 0
    assert outputs["blessing"].custom_properties == {
        "blessed": 1, "current_model": model.uri, "current_model_id": model.id, "component_id": "Evaluator",
    }  # fmt: skip
    report = json.loads(Path(outputs["evaluation"].uri, "metrics.json").read_text())
    assert (report["blessed"], report["reasons"], report["engine"]) == (True, [], "arrays")


def test_a_refusal_names_metric_slice_value_and_bound(tmp_path: Path, write_examples: Write, save_model: Save) -> None:
    per_slice = PerSliceMetricThreshold(
        slicing_specs=[SlicingSpec(feature_keys=["o"])],
        threshold=MetricThreshold(value_threshold=GenericValueThreshold(upper_bound=0.25)),
    )
    metrics = (auc(0.99), MetricConfig(class_name="MeanLabel", per_slice_thresholds=[per_slice]))
    logged: list[str] = []
    examples = write_examples(random_table(200))
    outputs = evaluate(tmp_path, config(*metrics, slices=("o",)), examples, save_model(binary), log=logged.append)
    blessing = outputs["blessing"]
    assert os.listdir(blessing.uri) == ["NOT_BLESSED"]
    assert blessing.custom_properties["blessed"] == 0
    found = {(r["slice"], r["metric"]): r["value"] for r in read_metrics(outputs["evaluation"].uri)}
    expected = [
        f"auc: expected at least 0.99, received {found['Overall', 'auc']:.6g} (slice Overall)",
        f"mean_label: expected at most 0.25, received {found['o=JFK', 'mean_label']:.6g} (slice o=JFK)",
    ]
    for reason in expected:
        assert reason in blessing.custom_properties["not_blessed_reason"]
        assert any(reason in line for line in logged)
        assert reason in json.loads(Path(outputs["evaluation"].uri, "metrics.json").read_text())["reasons"]


def test_a_worse_model_than_the_baseline_is_refused(tmp_path: Path, write_examples: Write, save_model: Save) -> None:
    worse = save_model(lambda x: {"probability": 0.5 + 0.0 * x}, name="worse")
    better = save_model(binary, name="better")
    eval_config = config(auc(0.0, absolute=-0.01, direction="HIGHER_IS_BETTER"))
    examples = write_examples(random_table(200))
    outputs = evaluate(tmp_path, eval_config, examples, worse, baseline_model=better)
    properties = outputs["blessing"].custom_properties
    assert (properties["blessed"], properties["baseline_model"]) == (0, better.uri)
    assert properties["baseline_model_id"] == better.id
    assert "change of auc [model=candidate]: expected at least -0.01, received -0." in properties["not_blessed_reason"]
    # The other way round it passes; and a first run, without a baseline, is not measured against one.
    assert evaluate(tmp_path / "2", eval_config, examples, better, baseline_model=worse)["blessing"].custom_properties[
        "blessed"
    ]
    assert evaluate(tmp_path / "3", eval_config, examples, worse)["blessing"].custom_properties["blessed"] == 1


def test_without_thresholds_there_is_no_blessing(tmp_path: Path, write_examples: Write, save_model: Save) -> None:
    outputs = evaluate(tmp_path, config("AUC"), write_examples(random_table(50)), save_model(binary))
    assert os.listdir(outputs["blessing"].uri) == []
    assert outputs["blessing"].custom_properties == {}


def test_a_refusal_fails_the_run_when_asked_to(tmp_path: Path, write_examples: Write, save_model: Save) -> None:
    examples, model = write_examples(random_table(100)), save_model(binary)
    with pytest.raises(ValidationFailure, match=r"not blessed: auc: expected at least 0.999, received 0\.\d+"):
        evaluate(tmp_path, config(auc(0.999)), examples, model, fail_if_not_blessed=True)


def test_predictions_may_be_a_column(tmp_path: Path, write_examples: Write) -> None:
    table = random_table(100)
    outputs = evaluate(tmp_path, config("MeanPrediction", "AUC", prediction_key="w"), write_examples(table | {"w": [
        value / 3 for value in table["w"]
    ]}), None)  # fmt: skip
    found = {row["metric"]: row["value"] for row in read_metrics(outputs["evaluation"].uri)}
    assert found["mean_prediction"] == pytest.approx(np.mean(table["w"]) / 3, rel=1e-6)


def test_fairness_thresholds_add_confusion_matrices(tmp_path: Path, write_examples: Write, save_model: Save) -> None:
    examples, model = write_examples(random_table(60)), save_model(binary)
    outputs = evaluate(tmp_path, config("AUC"), examples, model, fairness_indicator_thresholds=[0.3, 0.6])
    (values,) = tfma_metrics(outputs["evaluation"].uri).values()
    (matrices,) = [v.confusion_matrix_at_thresholds for k, v in values.items() if "at_thresholds" in k]
    assert [matrix.threshold for matrix in matrices.matrices] == [0.3, 0.6]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # TFMA converts arrays to scalars row by row
def test_confidence_intervals_are_left_to_tfma(tmp_path: Path, write_examples: Write, save_model: Save) -> None:
    eval_config = config("AUC", auc(0.5))
    eval_config.options = Options(compute_confidence_intervals=True)
    outputs = evaluate(tmp_path, eval_config, write_examples(random_table(60)), save_model(binary))
    uri = outputs["evaluation"].uri
    assert json.loads(Path(uri, "metrics.json").read_text())["engine"] == "tfma"
    import tensorflow_model_analysis as tfma

    (message,) = tfma.load_metrics(uri)
    (item,) = [item for item in message.metric_keys_and_values if item.key.name == "auc"]
    bounds = item.confidence_interval
    assert bounds.lower_bound.double_value.value < item.value.double_value.value < bounds.upper_bound.double_value.value
    assert os.listdir(outputs["blessing"].uri) == ["BLESSED"]


MODULE = """
import tensorflow_model_analysis as tfma

def custom_eval_shared_model(eval_saved_model_path, model_name, eval_config, **kwargs):
    return tfma.default_eval_shared_model(eval_saved_model_path, model_name=model_name, eval_config=eval_config)

def custom_extractors(eval_shared_model, eval_config, tensor_adapter_config):
    FAIL
    return tfma.default_extractors(eval_shared_model=eval_shared_model, eval_config=eval_config)
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # TFMA converts arrays to scalars row by row
def test_functions_of_a_module_file_are_used(tmp_path: Path, write_examples: Write, save_model: Save) -> None:
    examples, model = write_examples(random_table(40)), save_model(binary)
    module = tmp_path / "evaluator_functions.py"
    module.write_text(MODULE.replace("FAIL", ""))
    outputs = evaluate(tmp_path, config("ExampleCount"), examples, model, module_file=str(module))
    rows = read_metrics(outputs["evaluation"].uri)
    assert rows == [{"slice": "Overall", "metric": "example_count", "value": 40.0}]
    module.write_text(MODULE.replace("FAIL", "raise KeyError('gone')"))
    with pytest.raises(UserCodeError, match=r"custom_extractors raised KeyError: 'gone'"):
        evaluate(tmp_path, config("ExampleCount"), examples, model, module_file=str(module))


def nan_where_large(x: Any) -> Any:
    import tensorflow as tf

    return {"probability": tf.where(x > 1.0, float("nan"), tf.sigmoid(x))}


def two_outputs(x: Any) -> Any:
    return binary(x) | {"other": x}


WRONG_INPUTS: dict[str, tuple[EvalConfig, Any, dict[str, Any], type[MlopsTfxError], str]] = {
    "label absent": (
        config("AUC", label_key="yy"), binary, {}, DataError,
        "expected the label in column 'yy' of the examples; .*'y'",
    ),
    "weight absent": (config("AUC", example_weight_key="ww"), binary, {}, DataError, "example weight in column 'ww'"),
    "label missing in rows": (config("AUC", label_key="c"), binary, {}, DataError, "'c' is missing in 4 of 40 rows"),
    "label of several values": (config("AUC", label_key="pair"), binary, {}, DataError, "every row, received 1 to 2"),
    "text label without vocabulary": (config("AUC", label_key="o"), binary, {}, DataError, "is text .* vocabulary"),
    "unknown slicing feature": (
        config("AUC", slices=("oo",)), binary, {}, DataError, "slicing feature 'oo' is no column of the examples"
    ),
    "unknown metric": (config("AUCC"), binary, {}, ConfigError, "class_name='AUCC'.; did you mean 'AUC'"),
    "unknown prediction key": (
        config("AUC", prediction_key="probabilty"), two_outputs, {}, ConfigError,
        "prediction_key='probabilty' is no output .* did you mean 'probability'",
    ),
    "several outputs and no prediction key": (config("AUC"), two_outputs, {}, DataError, "gives other, probability"),
    "NaN": (config("AUC"), nan_where_large, {}, DataError, r"predicts NaN in \d+ of 40 rows .*output 'probability'"),
    "unknown split": (config("AUC"), binary, {"example_splits": ["evl"]}, ArtifactError, "no split 'evl'; .*'eval'"),
    "unknown signature": (
        config("AUC", signature_name="serving"), binary, {}, ConfigError,
        "no signature 'serving'.*signatures: named, serving_default, transform_features",
    ),
    "named input absent": (
        config("AUC", signature_name="transform_features", preprocessing_function_names=["named2"]), binary, {},
        ConfigError, "no signature 'named2'; did you mean 'named'",
    ),
    "threshold on nothing": (
        EvalConfig(
            model_specs=[ModelSpec(label_key="y")],
            metrics_specs=[
                MetricsSpec(metrics=[MetricConfig(class_name="AUC")], thresholds={"acu": MetricThreshold()}),
            ],
        ),
        binary, {}, ConfigError, "threshold for 'acu', which is not computed; did you mean 'auc'",
    ),
    "labels that are no classes": (config("AUC", label_key="n"), binary, {}, DataError, "expected labels from 0 to 1"),
    "per-slice threshold without slices": (
        config(MetricConfig(class_name="AUC", per_slice_thresholds=[PerSliceMetricThreshold()])),
        binary, {}, ConfigError, "slicing_specs must be set on per_slice_thresholds",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_INPUTS)
def test_wrong_input_is_refused(name: str, tmp_path: Path, write_examples: Write, save_model: Save) -> None:
    eval_config, function, others, error, message = WRONG_INPUTS[name]
    table = random_table(40) | {"pair": [[1, 2] if i == 3 else [1] for i in range(40)]}
    with pytest.raises(error, match=f"(?s){message}"):
        evaluate(tmp_path, eval_config, write_examples(table), save_model(function), **others)


def test_a_folder_without_a_model_is_refused(tmp_path: Path, write_examples: Write) -> None:
    with pytest.raises(ArtifactError, match=r"expected a SavedModel in .*Format-Serving"):
        evaluate(tmp_path, config("AUC"), write_examples(random_table(10)), Model(str(tmp_path / "none")))


def test_neither_model_nor_predictions_is_refused(tmp_path: Path, write_examples: Write) -> None:
    with pytest.raises(ConfigError, match=r"expected a model, or ModelSpec.prediction_key"):
        evaluate(tmp_path, config("AUC"), write_examples(random_table(10)), None)


def test_reading_what_is_no_evaluation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"found neither metrics.json nor metrics-\*"):
        read_metrics(str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "eval_config is required"),
        ({"eval_config": config("AUC"), "feature_slicing_spec": object()}, "or feature_slicing_spec, received both"),
        ({"eval_config": {"model_spec": []}}, "EvalConfig has no field 'model_spec'; did you mean 'model_specs'"),
        ({"eval_config": "eval.json"}, "expected mlops_tfx.eval_config.EvalConfig, .* received str 'eval.json'"),
        ({"eval_config": config("AUC"), "module_file": "a.py", "module_path": "a"}, "or module_path, received both"),
        ({"eval_config": config("AUC"), "example_splits": "eval"}, "parameter 'example_splits'"),
        ({"eval_config": config("AUC"), "fairness_indicator_thresholds": ["high"]}, "'fairness_indicator_thresholds'"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_found_while_wiring(arguments: dict[str, Any], message: str) -> None:
    component = Evaluator(**arguments)
    problems = [problem for problem in component.problems if not problem.endswith("is missing")]
    problems = problems or list(component.check())
    assert len(problems) == 1
    with pytest.raises(ValueError, match=message):
        raise ValueError(problems[0])


def test_arguments_have_tfx_s_names_and_order() -> None:
    assert Evaluator._FIELDS == (
        "examples", "model", "baseline_model", "feature_slicing_spec", "fairness_indicator_thresholds",
        "example_splits", "eval_config", "schema", "module_file", "module_path", "fail_if_not_blessed",
    )  # fmt: skip


def test_all_three_forms_of_the_configuration_are_taken() -> None:
    import tensorflow_model_analysis as tfma

    twin = config("AUC")
    for form in (twin, twin.to_dict(), twin.to_proto()):
        assert list(Evaluator(eval_config=form).check()) == []
    assert isinstance(twin.to_proto(), tfma.EvalConfig)


def test_several_classes_are_evaluated_in_one_pass(tmp_path: Path, write_examples: Write, save_model: Save) -> None:
    table = random_table(300, classes=3)
    outputs = evaluate(
        tmp_path, config("SparseCategoricalAccuracy", slices=("n",)), write_examples(table), save_model(three_classes)
    )
    x, y, n = (np.array(table[name], np.float64) for name in ("x", "y", "n"))
    best = np.stack([-0.7 * x, 0.1 + 0 * x, 0.7 * x + 0.2], axis=1).argmax(axis=1)
    found = {row["slice"]: row["value"] for row in read_metrics(outputs["evaluation"].uri)}
    assert found["Overall"] == pytest.approx(np.mean(best == y), abs=1e-6)
    for value in (1, 2, 3):
        assert found[f"n={value}"] == pytest.approx(np.mean((best == y)[n == value]), abs=1e-6)


def test_a_metric_that_only_a_threshold_names(tmp_path: Path, write_examples: Write, save_model: Save) -> None:
    """How TFX's users ask for what the model was compiled with, which Keras 3 does not save."""
    bounds = MetricThreshold(value_threshold=GenericValueThreshold(lower_bound={"value": 0.1}))
    examples, model = write_examples(random_table(40)), save_model(binary)

    def evaluated(folder: str, **specs: Any) -> tuple[float, bool]:
        eval_config = EvalConfig(model_specs=[ModelSpec(label_key="y")], metrics_specs=[MetricsSpec(**specs)])
        given = {"examples": [examples], "model": model}
        found = run_component(Evaluator(eval_config=eval_config), given, tmp_path / folder)
        (row,) = [row for row in read_metrics(found["evaluation"][0].uri) if row["metric"] == "binary_accuracy"]
        return row["value"], found["blessing"][0].custom_properties["blessed"] == 1

    named = evaluated("named", thresholds={"binary_accuracy": bounds})
    assert named == evaluated("given", metrics=[MetricConfig(class_name="BinaryAccuracy", threshold=bounds)])
    assert named[1]
