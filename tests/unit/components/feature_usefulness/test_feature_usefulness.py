"""FeatureUsefulness: TFDV's figures, scikit-learn's and pandas', and what is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mlops_tfx.artifacts import Examples
from mlops_tfx.channel import Channel
from mlops_tfx.components.feature_usefulness import FeatureUsefulness
from mlops_tfx.components.feature_usefulness.sample import draw_rows
from mlops_tfx.errors import ArtifactError, DataError
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io.protos import read_statistics
from tests.golden.statistics.real_data import penguins, to_batch, write_examples

ROWS = 3_000


def made_up() -> pd.DataFrame:
    """Features of which it is known what they say about the label."""
    rng = np.random.default_rng(11)
    label = rng.choice(list("abc"), ROWS, p=[0.5, 0.3, 0.2])
    frame = pd.DataFrame({"label": label})
    frame["copy"] = np.where(rng.random(ROWS) < 0.8, label, "x")
    frame["shifted"] = rng.normal(size=ROWS) + (label == "a")
    frame["noise"] = rng.normal(size=ROWS)
    frame["coin"] = rng.integers(0, 2, ROWS)
    frame["many"] = rng.integers(0, 300, ROWS).astype(str)
    frame["id"] = np.arange(ROWS).astype(str)
    frame["constant"] = 1
    frame["holes"] = np.where(rng.random(ROWS) < 0.5, (label == "b") * 1.0, np.nan)
    frame["weight"] = rng.integers(1, 5, ROWS)
    return frame


def judge(root: Path, examples: Examples | list[Examples], **parameters: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The JSON of split train, and its features by name."""
    outputs = run_component(FeatureUsefulness(**parameters), {"examples": examples}, root)
    (artifact,) = outputs["usefulness"]
    content = json.loads(Path(artifact.uri, "Split-train", "usefulness.json").read_text())
    return content, {feature["feature"]: feature for feature in content["features"]}


def tfdv_s_bits(frame: pd.DataFrame, label: str, categorical: list[str], multivalent: list[str]) -> dict[str, float]:
    from tensorflow_data_validation import types
    from tensorflow_data_validation.statistics.generators.mutual_information import MutualInformation

    def paths(names: list[str]) -> set[Any]:
        return {types.FeaturePath([name]) for name in names}

    generator = MutualInformation(
        types.FeaturePath([label]), multivalent_features=paths(multivalent), categorical_features=paths(categorical),
        max_encoding_length=8,
    )  # fmt: skip
    found = generator.compute(to_batch(frame))
    return {feature.path.step[0]: feature.custom_stats[0].num for feature in found.features}


@pytest.fixture
def examples(tmp_path: Path) -> Examples:
    frame = made_up()
    return write_examples(tmp_path / "examples", {"train": [frame[:1000], frame[1000:]]})


@pytest.mark.filterwarnings("ignore")  # NumPy's, from TFDV's generator
def test_bits_are_tfdv_s(tmp_path: Path) -> None:
    frame = made_up().drop(columns=["weight"])[:800]
    rng = np.random.default_rng(3)
    frame["words"] = [list(rng.choice(list("abcdefghijkl"), rng.integers(1, 4))) for _ in range(800)]
    frame["numbers"] = [list(rng.normal(size=rng.integers(1, 3))) for _ in range(800)]
    expected = tfdv_s_bits(
        frame, "label", ["label", "copy", "coin", "many", "id", "constant", "words"], ["words", "numbers"]
    )
    written = write_examples(tmp_path / "e", {"train": frame})
    _, found = judge(tmp_path, written, label="label")
    bits = {name: feature["adjusted_mutual_information"] for name, feature in found.items()}
    assert bits == pytest.approx(expected, abs=1e-9)
    assert found["words"]["kind"] == "categorical, several values"
    assert found["numbers"]["kind"] == "numeric, several values"


@pytest.mark.filterwarnings("ignore")
def test_a_numeric_label(tmp_path: Path) -> None:
    frame = penguins()[["species", "flipper_length_mm", "body_mass_g", "sex"]].dropna(subset=["body_mass_g"])
    written = write_examples(tmp_path / "e", {"train": frame})
    content, found = judge(tmp_path, written, label="body_mass_g", min_x_count=1)
    expected = tfdv_s_bits(frame, "body_mass_g", ["species", "sex"], [])
    bits = {name: feature["adjusted_mutual_information"] for name, feature in found.items()}
    assert bits == pytest.approx(expected, abs=1e-9)
    assert content["label_bits"] is None
    quarters = pd.qcut(frame["body_mass_g"], 4, labels=False)
    heaviest = next(e for e in found["species"]["lift"] if e["label"].endswith("inf)") and e["value"] == "Gentoo")
    gentoo = frame["species"] == "Gentoo"
    low = float(heaviest["label"][1:].split(",")[0])
    top = frame["body_mass_g"] >= low
    assert abs(int(top.sum()) - int((quarters == 3).sum())) < 10
    assert heaviest["lift"] == pytest.approx((top & gentoo).sum() / gentoo.sum() / top.mean())


def test_bits_of_categories_are_scikit_learns(tmp_path: Path, examples: Examples) -> None:
    from sklearn.metrics import mutual_info_score

    frame = made_up()
    content, found = judge(tmp_path, examples, label="label")
    exact = mutual_info_score(frame["label"], frame["copy"]) / np.log(2)
    assert found["copy"]["adjusted_mutual_information"] == pytest.approx(exact, abs=0.01)
    shares = frame["label"].value_counts(normalize=True)
    assert content["label_bits"] == pytest.approx(-(shares * np.log2(shares)).sum())
    share = found["copy"]["adjusted_mutual_information"] / content["label_bits"]
    assert found["copy"]["share_of_label"] == pytest.approx(share)


def test_verdicts(tmp_path: Path, examples: Examples) -> None:
    _, found = judge(tmp_path, examples, label="label")
    verdicts = {name: feature["verdict"] for name, feature in found.items()}
    useful = {"copy", "shifted", "holes"}
    assert {name for name, verdict in verdicts.items() if verdict == "helps"} == useful
    assert next(iter(found)) == "copy"
    assert 0.4 < found["holes"]["present"] < 0.6
    _, found = judge(tmp_path, examples, label="label", dead_weight_below=10.0)
    assert {feature["verdict"] for feature in found.values()} == {"dead weight"}


def test_lift_against_pandas(tmp_path: Path, examples: Examples) -> None:
    frame = made_up()
    _, found = judge(tmp_path, examples, label="label", min_x_count=1)
    entries = {(entry["label"], entry["value"]): entry for entry in found["copy"]["lift"]}
    assert len(entries) == 3 * 4
    for (label, value), entry in entries.items():
        given = frame[frame["copy"] == value]
        assert entry["lift"] == pytest.approx((given["label"] == label).mean() / (frame["label"] == label).mean())
        assert (entry["x_count"], entry["x_and_y_count"]) == (len(given), (given["label"] == label).sum())
    lifts = [entry["lift"] for entry in found["copy"]["lift"] if entry["label"] == "a"]
    assert lifts == sorted(lifts, reverse=True)


def test_weights(tmp_path: Path, examples: Examples) -> None:
    frame = made_up()
    _, found = judge(tmp_path, examples, label="label", weight_feature="weight", min_x_count=1)
    assert "weight" not in found
    entry = next(e for e in found["copy"]["lift"] if (e["label"], e["value"]) == ("a", "x"))
    weights, given, labelled = frame["weight"], frame["copy"] == "x", frame["label"] == "a"
    share = weights[given & labelled].sum() / weights[given].sum()
    assert entry["lift"] == pytest.approx(share / (weights[labelled].sum() / weights.sum()))
    _, plain = judge(tmp_path, examples, label="label")
    bits = [f["copy"]["adjusted_mutual_information"] for f in (found, plain)]
    assert 0 < abs(bits[0] - bits[1]) < 0.1


def test_what_is_written(tmp_path: Path, examples: Examples) -> None:
    logged: list[str] = []
    outputs = run_component(
        FeatureUsefulness(label="label", min_x_count=1), {"examples": examples}, tmp_path, log=logged.append
    )
    folder = Path(outputs["usefulness"][0].uri, "Split-train")
    found = json.loads((folder / "usefulness.json").read_text())
    table = (folder / "usefulness.md").read_text()
    assert logged == [table]
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")][2:]
    assert rows == [feature["feature"] for feature in found["features"]]
    page = (folder / "usefulness.html").read_text()
    assert page.count("<tr") == 1 + len(rows)
    dead = json.loads(str(outputs["usefulness"][0].custom_properties["dead_weight"]))["train"]
    assert {"noise", "coin", "id"} <= set(dead)
    statistics = read_statistics(f"{outputs['statistics'][0].uri}/Split-train/FeatureStats.pb").datasets[0]
    copy = next(feature for feature in statistics.features if feature.path.step[0] == "copy")
    assert copy.custom_stats[0].num == found["features"][0]["adjusted_mutual_information"]
    assert {stat.name for stat in copy.custom_stats[1:]} == {"Lift (Y=a)", "Lift (Y=b)", "Lift (Y=c)"}
    cross = next(entry for entry in statistics.cross_features if entry.path_x.step[0] == "copy")
    series = cross.categorical_cross_stats.lift.lift_series
    assert [entry.y_string for entry in series] == ["a", "b", "c"]
    assert series[0].y_count == (made_up()["label"] == "a").sum()


def test_several_examples_and_rows_without_label(tmp_path: Path) -> None:
    frame = made_up()
    whole = write_examples(tmp_path / "whole", {"train": frame})
    parts = [write_examples(tmp_path / f"p{i}", {"train": frame[i : i + 1000]}) for i in (0, 1000, 2000)]
    assert judge(tmp_path, parts, label="label") == judge(tmp_path, whole, label="label")
    frame.loc[:499, "label"] = None
    content, _ = judge(tmp_path, write_examples(tmp_path / "holes", {"train": frame}), label="label")
    assert (content["rows"], content["sampled_rows_with_label"]) == (ROWS, ROWS - 500)


def test_the_sample_does_not_depend_on_batches() -> None:
    batch = to_batch(pd.DataFrame({"x": range(5_000)}))
    one, rows = draw_rows([batch], 300)
    many, _ = draw_rows([batch.slice(start, 70) for start in range(0, 5_000, 70)], 300)
    assert rows == 5_000
    assert one.equals(many)
    values = [value for (value,) in one.column("x").to_pylist()]
    assert values == sorted(values)
    assert abs(np.mean(values) - 2_500) < 300
    everything, _ = draw_rows([batch.slice(0, 10), pa.RecordBatch.from_arrays([pa.nulls(3)], ["x"])], 300)
    assert everything.num_rows == 13


def test_wrong_labels_and_weights(tmp_path: Path, examples: Examples) -> None:
    with pytest.raises(DataError, match="no feature label='labl'; did you mean 'label'"):
        judge(tmp_path, examples, label="labl")
    with pytest.raises(DataError, match="no feature weight_feature='wieght'; did you mean 'weight'"):
        judge(tmp_path, examples, label="label", weight_feature="wieght")
    with pytest.raises(DataError, match="expected one number, 0 or more, in every row of weight_feature='holes'"):
        judge(tmp_path, examples, label="label", weight_feature="holes")
    bad = pd.DataFrame({"empty": [None, None], "several": [["a", "b"], ["a"]], "x": [1, 2]})
    written = write_examples(tmp_path / "bad", {"train": bad})
    with pytest.raises(DataError, match="no value of label 'empty' in 2 rows"):
        judge(tmp_path, written, label="empty")
    with pytest.raises(DataError, match="expected one value of label 'several' in a row"):
        judge(tmp_path, written, label="several")
    for path in Path(written.path("train")).iterdir():
        path.unlink()
    with pytest.raises(ArtifactError, match="expected files of split 'train'"):
        judge(tmp_path, written, label="x")


def test_wrong_parameters() -> None:
    examples = Channel(type=Examples)
    assert FeatureUsefulness(examples).problems == ["parameter 'label' is required"]
    (problem,) = FeatureUsefulness(examples, "x", sample_rows=3).problems
    assert problem == "parameter 'sample_rows': expected at least 10, received 3"
