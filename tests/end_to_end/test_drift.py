"""January against July: the drift that a pipeline reports equals a second computation from the rows themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlops_tfx.components import (
    CsvExampleGen,
    DistributionValidator,
    ExampleDiff,
    ExampleValidator,
    FeatureUsefulness,
    SchemaGen,
    StatisticsGen,
)
from mlops_tfx.execution import LocalRunner, Observer
from mlops_tfx.pipeline import Pipeline
from tests.golden.statistics.real_data import flights

COLUMNS = ["month", "hour", "carrier", "origin", "temp", "distance", "dep_delay"]
SPLITS = {"split_config": {"splits": [{"name": "all", "hash_buckets": 1}]}}
BUCKETS = 10  # of equal width, in TFDV's statistics


def month(number: int) -> pd.DataFrame:
    table = flights()
    return table.loc[table["month"] == number, COLUMNS].sample(3_000, random_state=0).assign(row=range(3_000))


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> float:
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    return float(sum(np.sum(x[x > 0] * np.log2(x[x > 0] / middle[x > 0])) for x in (p, q)) / 2)


def categorical(first: pd.Series, second: pd.Series) -> dict[str, float]:
    values = sorted({*first, *second})
    p, q = (side.value_counts().reindex(values, fill_value=0).to_numpy(float) for side in (first, second))
    return {"L_INFTY": np.abs(p / p.sum() - q / q.sum()).max(), "JENSEN_SHANNON_DIVERGENCE": jensen_shannon(p, q)}


def numeric(first: pd.Series, second: pd.Series) -> float:
    """The divergence of two histograms of equal width, both cut at the edges of either; missing values left out."""
    sides = [side.dropna().to_numpy(np.float64) for side in (first, second)]
    histograms = [np.histogram(side, BUCKETS) for side in sides]
    cuts = np.unique(np.concatenate([edges for _, edges in histograms]))
    spread = [np.diff(np.interp(cuts, edges, np.concatenate([[0], np.cumsum(n)]))) for n, edges in histograms]
    return jensen_shannon(*spread)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("drift")
    nodes: list[Any] = []
    made: dict[str, Any] = {}
    for name, number in (("january", 1), ("july", 7)):
        (folder / name).mkdir()
        month(number).to_csv(folder / name / "flights.csv", index=False)
        examples = CsvExampleGen(str(folder / name), output_config=SPLITS).with_id(f"examples_{name}")
        statistics = StatisticsGen(examples.outputs["examples"]).with_id(f"statistics_{name}")
        made[name] = (examples.outputs["examples"], statistics.outputs["statistics"])
        nodes += [examples, statistics]
    schema = SchemaGen(made["january"][1])
    validator = ExampleValidator(made["july"][1], schema.outputs["schema"], previous_statistics=made["january"][1])
    compared = {
        "feature": [
            {"path": {"step": ["temp"]}, "distribution_comparator": {"jensen_shannon_divergence": {"threshold": 0.1}}},
            {"path": {"step": ["origin"]}, "distribution_comparator": {"infinity_norm": {"threshold": 0.1}}},
        ]
    }
    gate = DistributionValidator(made["july"][1], made["january"][1], {"default_slice_config": compared})
    diff = ExampleDiff(made["july"][0], made["january"][0], {"paired_example_skew": {"identifier_features": ["row"]}})
    useful = FeatureUsefulness(made["july"][0], "dep_delay", sample_rows=1_000)
    pipeline = Pipeline("drift", folder / "root", components=[*nodes, schema, validator, gate, diff, useful])
    result = LocalRunner(observer=Observer()).run(pipeline)
    return {node: {key: found[0] for key, found in keys.items()} for node, keys in result.outputs.items()}


def distances(outputs: dict[str, Any]) -> dict[tuple[str, str], float]:
    path = Path(outputs["ExampleValidator"]["anomalies"].uri, "Split-all", "anomalies.json")
    return {(d["feature"], d["measure"]): d["value"] for d in json.loads(path.read_text())["distances"]}


def test_drift_equals_a_second_computation(outputs: dict[str, Any]) -> None:
    january, july = month(1), month(7)
    found = distances(outputs)
    assert {feature for feature, _ in found} == {*COLUMNS, "row"}
    for name in ("carrier", "origin"):
        for measure, value in categorical(july[name], january[name]).items():
            assert found[name, measure] == pytest.approx(value, abs=1e-6), name
    for name in ("hour", "temp", "distance", "dep_delay"):
        # TFDV's buckets come from a sketch, whose error is 1 % of the rows.
        value = found[name, "JENSEN_SHANNON_DIVERGENCE"]
        assert value == pytest.approx(numeric(july[name], january[name]), abs=0.02), name


def test_what_changes_with_the_season_comes_first(outputs: dict[str, Any]) -> None:
    anomalies = outputs["ExampleValidator"]["anomalies"]
    table = Path(anomalies.uri, "Split-all", "distances.txt").read_text().splitlines()
    assert [line.split()[0] for line in table[1:3]] == ["month", "temp"]
    largest = json.loads(anomalies.custom_properties["largest_drift"])["all"]
    assert largest == {"feature": "month", "measure": "JENSEN_SHANNON_DIVERGENCE", "value": pytest.approx(1.0)}
    assert distances(outputs)["temp", "JENSEN_SHANNON_DIVERGENCE"] > 0.5


def test_the_gate_refuses_the_temperature_and_nothing_else(outputs: dict[str, Any]) -> None:
    anomalies = outputs["DistributionValidator"]["anomalies"]
    assert anomalies.custom_properties["blessed"] == {"all_all": 0}
    found = json.loads(Path(anomalies.uri, "SplitPair-all_all", "anomalies.json").read_text())
    assert [entry["feature"] for entry in found["anomalies"]] == ["temp"]


def test_rows_and_features(outputs: dict[str, Any]) -> None:
    differing = json.loads(outputs["ExampleDiff"]["example_diff"].custom_properties["differing_features"])["all_all"]
    assert differing["month"] == 3_000
    paired = month(1).merge(month(7), on="row")
    assert differing["origin"] == (paired["origin_x"] != paired["origin_y"]).sum()
    report = json.loads(
        Path(outputs["FeatureUsefulness"]["usefulness"].uri, "Split-all", "usefulness.json").read_text()
    )
    verdicts = {feature["feature"]: feature["verdict"] for feature in report["features"]}
    assert (verdicts["hour"], verdicts["month"], verdicts["row"]) == ("helps", "dead weight", "dead weight")
