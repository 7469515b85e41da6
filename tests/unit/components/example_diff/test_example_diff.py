"""ExampleDiff: the counts of TFDV's own detector on the same examples, read with TFDV's own readers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlops_tfx.artifacts import Examples
from mlops_tfx.channel import Channel
from mlops_tfx.components.example_diff import ExampleDiff
from mlops_tfx.components.example_diff import component as module
from mlops_tfx.components.example_diff.comparison import Comparison
from mlops_tfx.config import PairedExampleSkew
from mlops_tfx.errors import ArtifactError, ConfigError, DataError
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io.examples import count_rows, read_batches
from tests.golden.statistics.real_data import flights_sample, write_examples

KEY = ["carrier", "flight_key"]


def base_and_test(rows: int = 600) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Flights, and the same with every kind of difference: values, missing values, rows, duplicates, a column."""
    rng = np.random.default_rng(5)
    base = flights_sample(rows)[["carrier", "origin", "dep_delay", "temp", "distance"]].copy()
    base["flight_key"] = np.arange(rows)
    test = base.sample(frac=1, random_state=1).reset_index(drop=True)
    test.loc[rng.choice(rows, 40, replace=False), "dep_delay"] += 1
    test.loc[rng.choice(rows, 30, replace=False), "temp"] = np.nan
    test.loc[rng.choice(rows, 25, replace=False), "origin"] = "XXX"
    test["temp"] += rng.normal(0, 0.004, rows)
    test["only_in_test"] = 1
    base["carrier"] = base["carrier"].astype(object)
    base.loc[rng.choice(rows, 7, replace=False), "carrier"] = None
    test = pd.concat([test[20:], test[100:103], test[100:102]], ignore_index=True)
    return base, pd.concat([test, test[-1:].assign(flight_key=10**6)], ignore_index=True)


def tfdv_s_answer(base: Examples, test: Examples, folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """What TFDV's detector writes for one split of each."""
    import apache_beam as beam
    import tensorflow as tf
    from tensorflow_data_validation.skew import feature_skew_detector as tfdv

    confusion = [tfdv.ConfusionConfig(item["feature_name"]) for item in config.get("confusion_config", ())]
    impl = tfdv.DetectFeatureSkewImpl(
        list(config["identifier_features"]), list(config.get("ignore_features", ())),
        config.get("skew_sample_size", 0), config.get("float_round_ndigits"),
        config.get("allow_duplicate_identifiers", False), confusion,
    )  # fmt: skip
    with beam.Pipeline() as pipeline:
        sides = [
            pipeline
            | f"Read[{name}]" >> beam.io.ReadFromTFRecord(f"{examples.path('train')}/*")
            | f"Parse[{name}]" >> beam.Map(tf.train.Example.FromString)
            for name, examples in (("base", base), ("test", test))
        ]
        results = tuple(sides) | impl
        _ = results["skew_results"] | tfdv.skew_results_sink(str(folder / "skew_stats"))
        _ = results["match_stats"] | "M" >> tfdv.match_stats_sink(str(folder / "match_stats"))
        _ = results["skew_pairs"] | "P" >> tfdv.skew_pair_sink(str(folder / "sample_pairs"))
        if confusion:
            _ = results["confusion_pairs"] | "C" >> tfdv.confusion_count_sink(str(folder / "confusion"))
    return read_with_tfdv(folder, bool(confusion))


def read_with_tfdv(folder: Path, confusion: bool) -> dict[str, Any]:
    """Everything below a folder, read by TFDV's own readers."""
    from tensorflow_data_validation.skew import feature_skew_detector as tfdv

    pairs = list(tfdv.skew_pair_iterator(str(folder / "sample_pairs")))
    (matched,) = tfdv.match_stats_iterator(str(folder / "match_stats"))
    counted = tfdv.confusion_count_iterator(str(folder / "confusion")) if confusion else ()
    return {
        "skews": {skew.feature_name: str(skew) for skew in tfdv.skew_results_iterator(str(folder / "skew_stats"))},
        "match": str(matched),
        "confusion": {(c.feature_name, c.base.bytes_value, c.test.bytes_value): c.count for c in counted},
        "pairs": pairs,
    }


def pair_as_data(pair: Any) -> tuple[Any, ...]:
    """A sampled pair, so that equal ones compare equal: the order of features in an Example is left to chance."""
    import tensorflow as tf

    rows = tuple(
        str(sorted((name, str(f)) for name, f in tf.train.Example.FromString(data).features.feature.items()))
        for data in (pair.base, pair.test)
    )
    kinds = ("matched_features", "mismatched_features", "base_only_features", "test_only_features")
    return (*rows, *(tuple(sorted(getattr(pair, kind))) for kind in kinds))


class Case:
    """Base and test examples of one split, in either format."""

    def __init__(self, root: Path, file_format: str = "tfrecords_gzip") -> None:
        base, test = base_and_test()
        self.root = root
        self.logged: list[str] = []
        self.base = write_examples(root / "base", {"train": [base[:250], base[250:]]}, file_format)
        self.test = write_examples(root / "test", {"train": test}, file_format)

    def run(self, config: Mapping[str, Any], **parameters: Any) -> Any:
        inputs = {"examples_test": self.test, "examples_base": self.base}
        component = ExampleDiff(config={"paired_example_skew": config}, **parameters)
        (diff,) = run_component(component, inputs, self.root, log=self.logged.append)["example_diff"]
        return diff

    def answer(self, config: Mapping[str, Any]) -> dict[str, Any]:
        folder = Path(self.run(config).uri, "SplitPair-train_train")
        return read_with_tfdv(folder, bool(config.get("confusion_config")))


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


CONFIGS: dict[str, dict[str, Any]] = {
    "plain": {"identifier_features": KEY},
    "rounded": {"identifier_features": KEY, "float_round_ndigits": 1, "ignore_features": ["distance"]},
    "duplicates": {"identifier_features": ["flight_key"], "allow_duplicate_identifiers": True},
    "many_to_many": {"identifier_features": ["origin", "distance"], "allow_duplicate_identifiers": True},
    "confusion": {
        "identifier_features": ["flight_key"],
        "confusion_config": [{"feature_name": "origin"}, {"feature_name": "carrier"}],
    },
}


@pytest.mark.filterwarnings("ignore")  # Beam's and TensorFlow's own
@pytest.mark.parametrize("name", CONFIGS)
def test_counts_are_tfdv_s(case: Case, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PARTITION_BYTES", 2_000)
    expected = tfdv_s_answer(case.base, case.test, case.root, CONFIGS[name])
    found = case.answer(CONFIGS[name])
    assert found["match"] == expected["match"]
    assert found["skews"] == expected["skews"]
    assert found["confusion"] == expected["confusion"]
    assert len(found["skews"]) > 3


@pytest.mark.filterwarnings("ignore")
def test_the_sample_is_of_the_pairs_that_tfdv_finds(case: Case) -> None:
    everything = {**CONFIGS["plain"], "skew_sample_size": 10_000}
    expected = {pair_as_data(pair) for pair in tfdv_s_answer(case.base, case.test, case.root, everything)["pairs"]}
    found = [pair_as_data(pair) for pair in case.answer(everything)["pairs"]]
    assert set(found) == expected
    assert len(found) == len(expected) > 100
    few = [pair_as_data(pair) for pair in case.answer({**everything, "skew_sample_size": 7})["pairs"]]
    assert len(set(few)) == 7
    assert set(few) < expected
    again = [pair_as_data(pair) for pair in case.answer({**everything, "skew_sample_size": 7})["pairs"]]
    assert again == few


def test_parquet_gives_the_same(tmp_path: Path, case: Case) -> None:
    config = {**CONFIGS["confusion"], "float_round_ndigits": 2}
    (tmp_path / "other").mkdir()
    found, expected = Case(tmp_path / "other", "parquet").answer(config), case.answer(config)
    assert found == expected


def test_partitions_do_not_change_anything(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    one = case.answer(CONFIGS["many_to_many"])
    monkeypatch.setattr(module, "_PARTITION_BYTES", 500)
    monkeypatch.setattr("mlops_tfx.components.example_diff.partitions._BUFFERED_BYTES", 10_000)
    monkeypatch.setattr("mlops_tfx.components.example_diff.comparison._PAIRS_AT_ONCE", 100)
    assert case.answer(CONFIGS["many_to_many"]) == one


def test_equal_examples_do_not_differ(case: Case) -> None:
    case.test = case.base
    diff = case.run(CONFIGS["plain"])
    assert json.loads(diff.custom_properties["differing_features"]) == {"train_train": {}}
    assert case.logged[-1].endswith("no feature differs")


def test_what_the_log_and_the_property_say(case: Case) -> None:
    diff = case.run({"identifier_features": ["flight_key"]})
    differing = json.loads(diff.custom_properties["differing_features"])["train_train"]
    base, test = base_and_test()
    joined = base.merge(test.drop_duplicates("flight_key", keep=False), on="flight_key", suffixes=("", "_test"))
    assert differing["origin"] == (joined["origin"] != joined["origin_test"]).sum()
    assert differing["only_in_test"] == len(joined)
    assert f"origin: {differing['origin']} differ ({differing['origin']} in value, 0 only in base" in case.logged[0]


def test_base_is_base(tmp_path: Path) -> None:
    # TFX 1.16 reads the two the other way round.
    base = write_examples(tmp_path / "base", {"train": pd.DataFrame({"id": [1, 2], "x": [1, 1]})})
    test = write_examples(tmp_path / "test", {"train": pd.DataFrame({"id": [1, 3], "y": [1, 1]})})
    component = ExampleDiff(config={"paired_example_skew": {"identifier_features": ["id"]}})
    (diff,) = run_component(component, {"examples_test": test, "examples_base": base}, tmp_path)["example_diff"]
    found = read_with_tfdv(Path(diff.uri, "SplitPair-train_train"), False)
    assert "base_only: 1" in found["skews"]["x"]
    assert "test_only: 1" in found["skews"]["y"]


def test_pairs_of_splits(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": range(6), "x": 1})
    examples = write_examples(tmp_path / "e", {"train": frame[:4], "eval": frame[2:]})
    inputs = {"examples_test": examples, "examples_base": examples}
    config = {"paired_example_skew": {"identifier_features": ["id"]}}
    (diff,) = run_component(ExampleDiff(config=config), inputs, tmp_path)["example_diff"]
    names = ["SplitPair-eval_eval", "SplitPair-eval_train", "SplitPair-train_eval", "SplitPair-train_train"]
    assert sorted(path.name for path in Path(diff.uri).iterdir()) == names
    crossed = read_with_tfdv(Path(diff.uri, "SplitPair-eval_train"), False)
    assert "matching_pairs_count: 2" in crossed["match"]
    with pytest.raises(ConfigError, match="no test split 'evl'; did you mean 'eval'"):
        run_component(ExampleDiff(config=config, include_split_pairs=[("evl", "train")]), inputs, tmp_path)


def test_values_that_cannot_be_confused(case: Case) -> None:
    with pytest.raises(DataError, match="expected text or bytes in feature 'distance', received int64"):
        case.run({**CONFIGS["plain"], "confusion_config": [{"feature_name": "distance"}]})


def test_files_that_are_gone(case: Case) -> None:
    for path in Path(case.test.path("train")).iterdir():
        path.unlink()
    with pytest.raises(ArtifactError, match="expected files of split 'train'"):
        case.run(CONFIGS["plain"])


def test_no_rows_with_an_identifier(case: Case) -> None:
    found = case.answer({"identifier_features": ["absent"]})
    rows = count_rows(case.base, "train"), count_rows(case.test, "train")
    assert found["skews"] == {}
    assert f"base_missing_id_count: {rows[0]}" in found["match"]
    assert f"test_missing_id_count: {rows[1]}" in found["match"]
    assert sum(batch.num_rows for batch in read_batches(case.base, "train")) == rows[0]


def test_wrong_parameters() -> None:
    examples = Channel(type=Examples)
    (problem,) = ExampleDiff(examples, examples).problems
    assert problem.startswith("parameter 'config': expected paired_example_skew with identifier_features")
    (problem,) = ExampleDiff(examples, examples, {"paired_example_skew": {"identifier_features": []}}).problems
    assert "identifier_features" in problem
    wrong = {"paired_example_skew": {"identifier_features": ["x"], "float_round_digits": 3}}
    (problem,) = ExampleDiff(examples, examples, wrong).problems
    assert "float_round_digits" in problem
    with pytest.raises(ConfigError, match="less than or equal to 12"):
        PairedExampleSkew(identifier_features=["x"], float_round_ndigits=13)
    with pytest.raises(ConfigError, match="config: expected paired_example_skew, received none"):
        _ = ExampleDiff(examples, examples)._skew
    assert Comparison(PairedExampleSkew(identifier_features=["x"])).result.skews == {}
