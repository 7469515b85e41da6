"""DistributionValidator: TFX's verdicts on the same statistics, and what it reports besides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlops_tfx.artifacts import ExampleAnomalies, ExampleStatistics
from mlops_tfx.channel import Channel
from mlops_tfx.components import DistributionValidator
from mlops_tfx.config import DistributionValidatorConfig, FeatureComparator
from mlops_tfx.errors import ConfigError, DataError, ValidationFailure
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io.protos import read_anomalies, write_statistics
from tests.golden.statistics.real_data import to_batch

GOLDEN = Path(__file__).parents[2] / "golden"
CASES: dict[str, Any] = json.loads((GOLDEN / "validation" / "configs.json").read_text())
PAIRS = [("train", "eval"), ("train", "train")]


def golden_statistics(name: str) -> ExampleStatistics:
    statistics = ExampleStatistics(str(GOLDEN / "statistics" / name / "statistics"))
    statistics.splits = ["train", "eval"]
    return statistics


def write_stats(uri: Path, splits: dict[str, pd.DataFrame]) -> ExampleStatistics:
    from tensorflow_data_validation.statistics import stats_impl

    statistics = ExampleStatistics(str(uri))
    statistics.splits = list(splits)
    for split, frame in splits.items():
        computed = stats_impl.generate_statistics_in_memory(to_batch(frame))
        write_statistics(f"{statistics.path(split)}/FeatureStats.pb", computed)
    return statistics


def validate(
    root: Path, statistics: ExampleStatistics, baseline: ExampleStatistics | None, **parameters: Any
) -> ExampleAnomalies:
    inputs = {"statistics": statistics, **({} if baseline is None else {"baseline_statistics": baseline})}
    (anomalies,) = run_component(DistributionValidator(**parameters), inputs, root)["anomalies"]
    assert isinstance(anomalies, ExampleAnomalies)
    return anomalies


def config(**thresholds: float) -> DistributionValidatorConfig:
    """Every feature by Jensen-Shannon divergence."""
    comparators = [
        FeatureComparator(
            path={"step": [name]}, distribution_comparator={"jensen_shannon_divergence": {"threshold": threshold}}
        )
        for name, threshold in thresholds.items()
    ]
    return DistributionValidatorConfig(default_slice_config={"feature": comparators})


def frame(values: str, numbers: range) -> pd.DataFrame:
    return pd.DataFrame({"letter": list(values) * 10, "number": list(numbers)})


def as_json(anomalies: ExampleAnomalies, pair: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(anomalies.uri, f"SplitPair-{pair}", "anomalies.json").read_text())
    return content


@pytest.mark.parametrize("case", CASES)
def test_files_are_tfxs(tmp_path: Path, case: str) -> None:
    # Written by TFX 1.16: see tests/golden/validation/make_golden.py.
    name = CASES[case]["data"]
    anomalies = validate(
        tmp_path, golden_statistics(name), golden_statistics(name),
        config=CASES[case]["config"], include_split_pairs=PAIRS,
    )  # fmt: skip
    blessed = anomalies.custom_properties["blessed"]
    assert blessed == json.loads((GOLDEN / "validation" / case / "blessed.json").read_text())
    assert blessed["train_eval"] == 0
    assert set(anomalies.splits) == {"train_train", "train_eval"}
    for pair in anomalies.splits:
        expected = read_anomalies(str(GOLDEN / "validation" / case / f"SplitPair-{pair}" / "SchemaDiff.pb"))
        assert read_anomalies(f"{anomalies.uri}/SplitPair-{pair}/SchemaDiff.pb") == expected


def test_all_distances_are_reported(tmp_path: Path) -> None:
    now = write_stats(tmp_path / "now", {"train": frame("aab", range(30))})
    then = write_stats(tmp_path / "then", {"train": frame("abb", range(30))})
    anomalies = validate(tmp_path, now, then, config=config(letter=0.9))
    assert anomalies.custom_properties["blessed"] == {"train_train": 1}
    found = as_json(anomalies, "train_train")
    values = {(item["feature"], item["measure"]): (item["value"], item["threshold"]) for item in found["distances"]}
    assert values["letter", "L_INFTY"] == (pytest.approx(1 / 3), None)
    assert values["letter", "JENSEN_SHANNON_DIVERGENCE"][1] == 0.9
    assert values["number", "JENSEN_SHANNON_DIVERGENCE"] == (0.0, None)
    table = Path(anomalies.uri, "SplitPair-train_train", "distances.txt").read_text()
    assert table.splitlines()[1].startswith("letter ")


def test_a_feature_that_cannot_be_compared_is_an_anomaly(tmp_path: Path) -> None:
    now = write_stats(tmp_path / "now", {"train": frame("aab", range(30))})
    anomalies = validate(tmp_path, now, now, config=config(absent=0.1, letter=0.1))
    (found,) = as_json(anomalies, "train_train")["anomalies"]
    assert (found["feature"], found["types"]) == ("absent", ["STATS_NOT_AVAILABLE"])
    assert found["description"].startswith("Validation could not be done")


def test_rows_that_went_missing(tmp_path: Path) -> None:
    now = write_stats(tmp_path / "now", {"train": frame("aab", range(30))[:10]})
    then = write_stats(tmp_path / "then", {"train": frame("aab", range(30))})
    rows = {"default_slice_config": {"num_examples_comparator": {"min_fraction_threshold": 0.5}}}
    (found,) = as_json(validate(tmp_path, now, then, config=rows), "train_train")["anomalies"]
    assert (found["feature"], found["types"]) == ("", ["COMPARATOR_LOW_NUM_EXAMPLES"])


def test_without_a_baseline_every_split_is_let_through(tmp_path: Path) -> None:
    anomalies = validate(tmp_path, golden_statistics("penguins"), None, config=config(species=0.1))
    assert anomalies.custom_properties["blessed"] == {"train": 2, "eval": 2}
    assert list(Path(anomalies.uri).iterdir()) == []


def test_the_run_fails_if_asked_to(tmp_path: Path) -> None:
    now = write_stats(tmp_path / "now", {"train": frame("aab", range(30))})
    then = write_stats(tmp_path / "then", {"train": frame("abb", range(30))})
    with pytest.raises(ValidationFailure, match=r"split pair train_train: 1 anomaly\n  letter: .*DIVERGENCE_HIGH"):
        validate(tmp_path, now, then, config=config(letter=0.01), fail_on_anomalies=True)
    validate(tmp_path, now, then, config=config(letter=0.9), fail_on_anomalies=True)


def test_wrong_pairs_and_files(tmp_path: Path) -> None:
    penguins = golden_statistics("penguins")
    with pytest.raises(ConfigError, match="no base split 'evl'; did you mean 'eval'"):
        validate(tmp_path, penguins, penguins, config=config(species=0.1), include_split_pairs=[("train", "evl")])
    other = write_stats(tmp_path / "other", {"logs": frame("aab", range(30))})
    with pytest.raises(ConfigError, match="expected a pair of splits to compare"):
        validate(tmp_path, penguins, other, config=config(species=0.1))
    Path(other.path("logs"), "FeatureStats.pb").write_bytes(b"\xff\xff no proto")
    with pytest.raises(DataError, match="FeatureStats.pb: expected a DatasetFeatureStatisticsList"):
        validate(tmp_path, penguins, other, config=config(species=0.1), include_split_pairs=[("train", "logs")])


def test_wrong_parameters() -> None:
    statistics = Channel(type=ExampleStatistics)
    wrong = {"default_slice_config": {"feature": [{"path": {"step": ["x"]}, "distribution_comparator": {"linf": {}}}]}}
    (problem,) = DistributionValidator(statistics, config=wrong).problems
    assert "parameter 'config'" in problem
    assert "linf" in problem
    (problem,) = DistributionValidator(statistics).problems
    assert problem.startswith("parameter 'config': expected a feature or num_examples_comparator to compare")
    (problem,) = DistributionValidator(statistics, config=config(x=1), include_split_pairs=["train"]).problems
    assert "include_split_pairs" in problem
    with pytest.raises(ConfigError, match="greater than or equal to 0"):
        config(x=-1)
