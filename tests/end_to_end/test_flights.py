"""Flights, from the CSV file to answers over gRPC: the numbers are computed a second time, independently."""

from __future__ import annotations

import csv
import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlops_tfx.components.evaluator import read_metrics
from mlops_tfx.io.examples import count_rows, read_batches
from mlops_tfx.serving.local import serve
from tests.end_to_end.planted_skews import FLIGHTS, SKEWS, Served, check_right_rewrite, check_skew
from tests.end_to_end.rewritten_preprocessing import Rewrite

# pandas 1.5 calls a function that NumPy 1.25 deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:np.find_common_type is deprecated:DeprecationWarning")
NODES = ("CsvExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "Transform", "Trainer",
         "latest_blessed_model", "Evaluator", "SkewValidator", "Pusher")  # fmt: skip
FORBIDDEN = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "tailnum"}


def raw_rows(example: Any, split: str) -> pd.DataFrame:
    parts = []
    for batch in read_batches(example.examples("CsvExampleGen", "examples"), split):
        columns = {name: batch.column(index).to_pylist() for index, name in enumerate(batch.schema.names)}
        parts.append(pd.DataFrame({name: [v[0] if v else None for v in values] for name, values in columns.items()}))
    return pd.concat(parts, ignore_index=True)


def serialized_rows(example: Any, split: str, node: str = "CsvExampleGen", key: str = "examples") -> list[bytes]:
    import tensorflow as tf

    folder = example.examples(node, key).path(split)
    files = sorted(tf.io.gfile.glob(f"{folder}/*"))
    return list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())


def overall_auc(example: Any) -> float:
    rows = read_metrics(str(example.output("Evaluator", "evaluation")))
    return next(row["value"] for row in rows if row["slice"] == "Overall" and row["metric"] == "auc")


def hist_gradient_boosting_auc(example: Any) -> float:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    train, evaluation = raw_rows(example, "train"), raw_rows(example, "eval")
    features = [name for name in train.columns if name not in ("late", "flight")]
    both = pd.concat([train, evaluation])[features]
    for name in ("carrier", "origin", "dest"):
        both[name] = both[name].astype("category").cat.codes
    both = both.astype(float)
    model = HistGradientBoostingClassifier(random_state=0).fit(both[: len(train)], train["late"])
    return float(roc_auc_score(evaluation["late"], model.predict_proba(both[len(train) :])[:, 1]))


def test_what_the_program_prints(flights_sample: tuple[Any, str]) -> None:
    example, printed = flights_sample
    for node in NODES:
        assert re.search(rf"│ {node} +│ complete +│", printed), printed
    assert re.search(r"│ CsvExampleGen +│ complete +│ 20,000 │ +\d+\.\d │", printed)
    assert re.search(rf"Overall +{overall_auc(example):.4f}  \(\d,\d+ flights\)", printed)
    assert {f"origin={name}" for name in ("EWR", "JFK", "LGA")} <= set(printed.split())
    question = r"will \w\w \d+ from \w{3} to \w{3} on 2013-\d\d-\d\d .* late\?"
    assert re.search(question + r"\n .* gRPC: \d+\.\d% likely", printed)
    assert str(example.output("Trainer", "model")) in printed
    assert str(example.pushed) in printed


def test_what_is_served_is_what_training_saw(flights_sample: tuple[Any, str]) -> None:
    example, _ = flights_sample
    report = json.loads((example.output("SkewValidator", "report") / "skew.json").read_text())
    assert report["reasons"] == []
    assert report["blessed"] is True
    assert (report["rows"]["sampled"], sum(report["rows"]["of_each_split"].values())) == (256, 20_000)
    compared = {(found["path"], found["signature"]) for found in report["results"] if found["outputs"]}
    assert len(compared) == 4 * 3
    here = [outcome for found in report["results"] if found["path"] == "in_process"
            for outcome in (*found["outputs"], *found["inside_the_graph"])]  # fmt: skip
    assert {outcome["worst"] for outcome in here} == {None}, "equal to the last bit"
    assert {outcome["name"] for outcome in here} >= {"distance_number", "carrier_category", "probability"}


@pytest.fixture(scope="module")
def served(flights_sample: tuple[Any, str], tmp_path_factory: pytest.TempPathFactory) -> Served:
    return Served(flights_sample[0], FLIGHTS, tmp_path_factory.mktemp("planted"))


# The penguins' tests plant the others, too, and take a third of the time.
@pytest.mark.parametrize("kind", [SKEWS[0], *(pytest.param(kind, marks=pytest.mark.slow) for kind in SKEWS[1:])])
def test_planted_skew_is_refused_and_the_feature_named(served: Served, kind: str) -> None:
    check_skew(served, kind)


@pytest.mark.slow
def test_preprocessing_written_twice_and_rightly_is_blessed(served: Served) -> None:
    check_right_rewrite(served)


@pytest.mark.slow
def test_the_worst_element_of_one_rounding_is_what_numpy_computes(served: Served) -> None:
    model = served.rewritten("counted", Rewrite(multiplied=("pressure",)))
    _, report = served.validate(model, paths=("in_process",), num_rows=2000)
    place = next(place for place in report["skewed_features"]["pressure_number"]
                 if "sampled rows together" in place["where"])  # fmt: skip
    assert 0 < place["differing"] < place["elements"] == 2000
    worst, (mean, variance) = place["worst"], served.trained.moments["pressure"]
    value = np.float32(worst["features"]["pressure"][0])
    assert np.float32(worst["training"]) == (value - mean) / np.sqrt(variance)
    assert np.float32(worst["served"]) == (value - mean) * (np.float32(1) / np.sqrt(variance))


def test_no_column_tells_what_is_known_only_after_departure(flights_sample: tuple[Any, str]) -> None:
    example, _ = flights_sample
    with open(example.runs / "data" / "flights.csv", encoding="utf-8") as file:
        header = next(csv.reader(file))
    assert not FORBIDDEN & set(header)
    assert header[-1] == "late"


def test_every_row_is_ingested_and_transformed(flights_sample: tuple[Any, str]) -> None:
    example, _ = flights_sample
    raw = example.examples("CsvExampleGen", "examples")
    transformed = example.examples("Transform", "transformed_examples")
    counts = {split: count_rows(raw, split) for split in ("train", "eval")}
    assert sum(counts.values()) == 20_000
    assert {split: count_rows(transformed, split) for split in counts} == counts


def test_answers_over_grpc_equal_the_trained_model_on_the_transformed_examples(flights_sample: tuple[Any, str]) -> None:
    import keras
    import tensorflow as tf
    import tensorflow_transform as tft

    example, _ = flights_sample
    raw = serialized_rows(example, "eval")[:1000]
    transformed = serialized_rows(example, "eval", "Transform", "transformed_examples")[:1000]
    spec = tft.TFTransformOutput(str(example.output("Transform", "transform_graph"))).transformed_feature_spec()
    features = tf.io.parse_example(transformed, spec)
    model = keras.models.load_model(example.output("Trainer", "model_run") / "model.keras")
    expected = model({name: features[name] for name in model.input}, training=False).numpy()
    with serve("flights", example.pushed) as client:
        answered = client.predict("flights", raw)["probability"]
    assert answered.shape == expected.shape == (1000, 1)
    assert np.ptp(expected) > 0.3
    np.testing.assert_allclose(answered, expected, rtol=0, atol=1e-6)


def test_raw_features_as_named_tensors_give_the_same_answers(flights_sample: tuple[Any, str]) -> None:
    example, _ = flights_sample
    rows = raw_rows(example, "eval")[:50]
    complete = rows.dropna(axis=0).drop(columns=["late"])
    assert len(complete) > 5
    with serve("flights", example.pushed) as client:
        named = {name: complete[name].tolist() for name in complete.columns}
        by_name = client.predict("flights", named, signature_name="serving_raw")["probability"]
        by_row = client.predict("flights", complete.to_dict("records"))["probability"]
    np.testing.assert_allclose(by_name, by_row, rtol=0, atol=1e-6)


def test_auc_overall_and_per_slice_equals_scikit_learns_on_the_served_answers(flights_sample: tuple[Any, str]) -> None:
    from sklearn.metrics import roc_auc_score

    example, _ = flights_sample
    rows = raw_rows(example, "eval")
    with serve("flights", example.pushed) as client:
        rows["score"] = client.predict("flights", serialized_rows(example, "eval"))["probability"][:, 0]
    metrics = read_metrics(str(example.output("Evaluator", "evaluation")))
    measured = {row["slice"]: row["value"] for row in metrics if row["metric"] == "auc"}
    counts = {row["slice"]: row["value"] for row in metrics if row["metric"] == "example_count"}
    slices = {"Overall": rows}
    for column in ("carrier", "origin"):
        slices.update({f"{column}={value.decode()}": part for value, part in rows.groupby(column)})
    assert counts == {name: len(part) for name, part in slices.items()}
    for name, part in slices.items():
        if part["late"].nunique() == 2:
            assert measured[name] == pytest.approx(roc_auc_score(part["late"], part["score"]), abs=2e-3), name


@pytest.mark.slow
def test_the_model_is_as_good_as_gradient_boosting_on_the_same_rows(all_flights: tuple[Any, str]) -> None:
    example, _ = all_flights
    raw = example.examples("CsvExampleGen", "examples")
    assert count_rows(raw, "train") + count_rows(raw, "eval") == 336_776
    ours, theirs = overall_auc(example), hist_gradient_boosting_auc(example)
    assert 0.79 < theirs < 0.83
    assert ours > theirs - 0.02
