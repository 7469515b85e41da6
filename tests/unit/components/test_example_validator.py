"""ExampleValidator: every kind of anomaly, with the values that are to blame."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlops_tfx.artifacts import ExampleAnomalies, Examples, ExampleStatistics, Schema
from mlops_tfx.channel import Channel
from mlops_tfx.components.example_validator import ExampleValidator
from mlops_tfx.errors import ArtifactError, ConfigError, DataError, PipelineFailedError, ValidationFailure
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io.protos import read_anomalies, write_schema, write_statistics
from tests.golden.statistics.real_data import flights_sample, to_batch, write_examples

GOLDEN = Path(__file__).parents[2] / "golden" / "statistics"


def write_stats(uri: Path, splits: dict[str, pd.DataFrame]) -> ExampleStatistics:
    """Statistics as TFDV computes them in memory: quick, and independent of StatisticsGen."""
    from tensorflow_data_validation.statistics import stats_impl

    statistics = ExampleStatistics(str(uri))
    statistics.splits = list(splits)
    for split, frame in splits.items():
        computed = stats_impl.generate_statistics_in_memory(to_batch(frame))
        write_statistics(f"{statistics.path(split)}/FeatureStats.pb", computed)
    return statistics


def write_flights_schema(uri: Path, change: Callable[[Any], None] = lambda schema: None) -> Schema:
    """The schema that TFDV infers from good flights, with the range that a person adds: hours are 0 to 23."""
    import tensorflow_data_validation as tfdv
    from tensorflow_data_validation.statistics import stats_impl

    schema = tfdv.infer_schema(stats_impl.generate_statistics_in_memory(to_batch(good_flights())))
    hour = tfdv.get_feature(schema, "hour")
    hour.int_domain.min, hour.int_domain.max = 0, 23
    change(schema)
    artifact = Schema(str(uri))
    write_schema(f"{artifact.uri}/schema.pbtxt", schema)
    return artifact


def good_flights() -> pd.DataFrame:
    return flights_sample(1_000)[["hour", "carrier", "distance", "dep_delay", "origin"]]


def bad_flights() -> pd.DataFrame:
    frame = good_flights()
    frame.loc[[500, 40, 41], "hour"] = 77
    frame.loc[7, "hour"] = -1
    frame["distance"] = frame["distance"].astype(float)
    frame.loc[[3, 900], "distance"] = 187.5
    frame.loc[[10, 20, 30], "carrier"] = "ZZ"
    frame.loc[11, "carrier"] = "QX"
    return frame


class Case:
    """Statistics, schema and examples of the splits train (good) and eval (bad)."""

    def __init__(self, root: Path, change: Callable[[Any], None] = lambda schema: None) -> None:
        splits = {"train": good_flights(), "eval": bad_flights()}
        self.root = root
        self.logged: list[str] = []
        self.inputs: dict[str, Any] = {
            "statistics": write_stats(root / "statistics", splits),
            "schema": write_flights_schema(root / "schema", change),
        }
        self.examples: Examples = write_examples(root / "examples", splits)

    def run(self, **parameters: Any) -> ExampleAnomalies:
        outputs = run_component(ExampleValidator(**parameters), self.inputs, self.root, log=self.logged.append)
        (anomalies,) = outputs["anomalies"]
        assert isinstance(anomalies, ExampleAnomalies)
        return anomalies


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def readable(anomalies: ExampleAnomalies, split: str) -> dict[str, Any]:
    content = json.loads(Path(anomalies.path(split), "anomalies.json").read_text())
    assert content["split"] == split
    return {entry["feature"]: entry for entry in content["anomalies"]}


def test_what_is_written(case: Case) -> None:
    import tensorflow_data_validation as tfdv

    from mlops_tfx.io.protos import read_schema, read_statistics

    case.inputs["statistics"].span = 3
    anomalies = case.run()
    assert anomalies.splits == ["train", "eval"]
    assert anomalies.span == 3
    assert anomalies.custom_properties["blessed"] == {"train": 1, "eval": 0}
    schema = read_schema(f"{case.root}/schema/schema.pbtxt")
    for split in ("train", "eval"):
        statistics = read_statistics(f"{case.root}/statistics/Split-{split}/FeatureStats.pb")
        expected = tfdv.validate_statistics(statistics, schema)
        assert read_anomalies(f"{anomalies.path(split)}/SchemaDiff.pb") == expected
        assert set(readable(anomalies, split)) == set(expected.anomaly_info)
    assert readable(anomalies, "train") == {}


@pytest.mark.parametrize("name", ["penguins", "flights"])
def test_anomalies_are_tfxs(tmp_path: Path, name: str) -> None:
    # Written by TFX 1.16: see tests/golden/statistics/make_golden.py.
    statistics = ExampleStatistics(str(GOLDEN / name / "statistics"))
    statistics.splits = ["train", "eval"]
    (tmp_path / "schema").mkdir()
    shutil.copy(GOLDEN / name / "narrow.pbtxt", tmp_path / "schema" / "schema.pbtxt")
    inputs = {"statistics": statistics, "schema": Schema(str(tmp_path / "schema"))}
    (anomalies,) = run_component(ExampleValidator(), inputs, tmp_path)["anomalies"]
    assert isinstance(anomalies, ExampleAnomalies)
    for split in statistics.splits:
        expected = read_anomalies(str(GOLDEN / name / "anomalies" / f"Split-{split}" / "SchemaDiff.pb"))
        assert len(expected.anomaly_info) > 4
        assert read_anomalies(f"{anomalies.path(split)}/SchemaDiff.pb") == expected


def test_an_hour_of_77_is_named_from_statistics(case: Case) -> None:
    hour = readable(case.run(), "eval")["hour"]
    assert sorted(hour["types"]) == ["INT_TYPE_BIG_INT", "INT_TYPE_SMALL_INT"]
    assert hour["severity"] == "ERROR"
    assert hour["expected"] == "INT from 0 to 23"
    assert sorted(hour["examples"]) == [-1, 77]
    assert hour["rows"] is None


def test_an_hour_of_77_is_counted_in_the_data(case: Case) -> None:
    case.inputs["examples"] = case.examples
    hour = readable(case.run(), "eval")["hour"]
    assert hour["examples"] == [77, -1]
    assert hour["rows"] == 4
    assert hour["first_row"] == 7


@pytest.mark.parametrize("with_data", [False, True])
def test_a_float_where_the_schema_says_int(case: Case, with_data: bool) -> None:
    # Statistics keep extremes and quantiles only, so one of them has to be a fraction.
    frame = bad_flights()
    frame.loc[3, "distance"] = 99_999.5
    splits = {"train": good_flights(), "eval": frame}
    case.inputs["statistics"] = write_stats(case.root / "other", splits)
    if with_data:
        case.inputs["examples"] = write_examples(case.root / "others", splits, "parquet")
    distance = readable(case.run(), "eval")["distance"]
    assert "UNEXPECTED_DATA_TYPE" in distance["types"]
    assert "Expected data of type: INT but got FLOAT" in distance["description"]
    assert distance["expected"] == "INT"
    assert distance["examples"] == ([99_999.5, 187.5] if with_data else [99_999.5])
    assert (distance["rows"], distance["first_row"]) == ((2, 3) if with_data else (None, None))


@pytest.mark.parametrize("with_data", [False, True])
def test_unexpected_strings(case: Case, with_data: bool) -> None:
    if with_data:
        case.inputs["examples"] = case.examples
    carrier = readable(case.run(), "eval")["carrier"]
    assert carrier["types"] == ["ENUM_TYPE_UNEXPECTED_STRING_VALUES"]
    assert carrier["expected"].startswith("BYTES, one of '9E', 'AA', ")
    assert carrier["examples"] == ["ZZ", "QX"]
    assert (carrier["rows"], carrier["first_row"]) == ((4, 10) if with_data else (None, None))


def test_text_where_the_schema_says_int(case: Case) -> None:
    frame = good_flights()
    frame["distance"] = frame["distance"].astype(str)
    frame.loc[[5, 6], "distance"] = "far"
    splits = {"eval": frame}
    case.inputs["statistics"] = write_stats(case.root / "other", splits)
    assert readable(case.run(), "eval")["distance"]["examples"] == ["far"]
    case.inputs["examples"] = write_examples(case.root / "others", splits)
    distance = readable(case.run(), "eval")["distance"]
    assert (distance["examples"], distance["rows"], distance["first_row"]) == (["far"], 2, 5)


def test_missing_and_new_columns(case: Case) -> None:
    frame = good_flights().rename(columns={"origin": "orgin"})
    frame.loc[:499, "carrier"] = None
    case.inputs["statistics"] = write_stats(case.root / "other", {"eval": frame})
    found = readable(case.run(), "eval")
    assert found["origin"]["types"] == ["SCHEMA_MISSING_COLUMN"]
    assert found["orgin"]["types"] == ["SCHEMA_NEW_COLUMN"]
    assert "FEATURE_TYPE_LOW_FRACTION_PRESENT" in found["carrier"]["types"]
    assert "actual = 0.500000" in found["carrier"]["description"]


def test_the_log_says_what_was_found(case: Case) -> None:
    case.run()
    (text,) = case.logged
    lines = text.splitlines()
    assert lines[0] == "split 'eval': 3 anomalies"
    assert any("hour: " in line and "the schema says INT from 0 to 23; seen 77, -1" in line for line in lines)
    assert "train" not in text


def test_the_log_says_so_if_all_is_well(case: Case) -> None:
    case.run(exclude_splits=["eval"])
    assert case.logged == ["no anomalies in train"]


def test_the_run_fails_if_asked_to(case: Case) -> None:
    case.inputs["examples"] = case.examples
    with pytest.raises(ValidationFailure) as caught:
        case.run(fail_on_anomalies=True)
    text = str(caught.value)
    assert "split 'eval': 3 anomalies" in text
    assert "Unexpectedly large value: 77." in text
    assert "seen 77, -1; in 4 rows, the first of them row 7" in text
    assert "seen 'ZZ', 'QX'; in 4 rows" in text
    assert "Expected data of type: INT but got FLOAT" in text
    assert "Correct the data, or, where it is right, the schema" in text
    case.run(fail_on_anomalies=True, exclude_splits=["eval"])


def test_environments_and_a_label_that_is_missing_at_serving(tmp_path: Path) -> None:
    def label_only_in_training(schema: Any) -> None:
        schema.default_environment.extend(["TRAINING", "SERVING"])
        next(f for f in schema.feature if f.name == "dep_delay").not_in_environment.append("SERVING")

    case = Case(tmp_path, label_only_in_training)
    case.inputs["statistics"] = write_stats(tmp_path / "other", {"serving": good_flights().drop(columns="dep_delay")})
    assert set(readable(case.run(environment="TRAINING"), "serving")) == {"dep_delay"}
    assert readable(case.run(environment="SERVING"), "serving") == {}
    with pytest.raises(ConfigError, match="no environment='SERVNG'; did you mean 'SERVING'"):
        case.run(environment="SERVNG")


def test_an_environment_of_a_schema_without_any(case: Case) -> None:
    with pytest.raises(ConfigError, match="environment='SERVING'; the schema has no default_environment"):
        case.run(environment="SERVING")


@pytest.mark.parametrize("comparator", ["drift", "skew"])
def test_drift_and_skew_against_numpy(tmp_path: Path, comparator: str) -> None:
    def compare_origins(schema: Any) -> None:
        origin = next(feature for feature in schema.feature if feature.name == "origin")
        getattr(origin, f"{comparator}_comparator").infinity_norm.threshold = 0.05

    case = Case(tmp_path, compare_origins)
    now, control = good_flights(), good_flights()
    control.loc[control.index[:200], "origin"] = "JFK"
    case.inputs["statistics"] = write_stats(tmp_path / "now", {"train": now})
    name, single = ("previous_statistics", "train") if comparator == "drift" else ("serving_statistics", "logged")
    case.inputs[name] = write_stats(tmp_path / "control", {single: control})
    anomalies = case.run()
    distance = (now["origin"].value_counts(normalize=True) - control["origin"].value_counts(normalize=True)).abs().max()
    listed = json.loads(Path(anomalies.path("train"), "anomalies.json").read_text())["distances"]
    assert {item["feature"] for item in listed} == set(now.columns)
    (measured,) = [item for item in listed if item["threshold"] is not None]
    assert measured["compared_with"] == name
    assert (measured["feature"], measured["measure"], measured["threshold"]) == ("origin", "L_INFTY", 0.05)
    assert measured["value"] == pytest.approx(distance, rel=1e-6)
    assert readable(anomalies, "train")["origin"]["types"] == ["COMPARATOR_L_INFTY_HIGH"]


def test_distances_are_reported_without_any_comparator(case: Case) -> None:
    later = good_flights()
    later["hour"] = (later["hour"] + 6) % 24
    case.inputs["previous_statistics"] = write_stats(case.root / "previous", {"train": good_flights()})
    case.inputs["serving_statistics"] = write_stats(case.root / "serving", {"logs": later})
    anomalies = case.run(exclude_splits=["eval"])
    assert anomalies.custom_properties["blessed"] == {"train": 1}
    listed = json.loads(Path(anomalies.path("train"), "anomalies.json").read_text())["distances"]
    assert {item["compared_with"] for item in listed} == {"previous_statistics", "serving_statistics"}
    drift = [item for item in listed if item["compared_with"] == "previous_statistics"]
    assert {item["feature"] for item in drift} == set(later.columns)
    assert {item["value"] for item in drift} == {0.0}
    skew = [item for item in listed if item["compared_with"] == "serving_statistics"]
    largest = json.loads(str(anomalies.custom_properties["largest_skew"]))["train"]
    assert largest["feature"] == skew[0]["feature"] == "hour"
    assert largest["value"] == skew[0]["value"] > 0.1
    assert largest["measure"] == "JENSEN_SHANNON_DIVERGENCE"
    table = Path(anomalies.path("train"), "distances.txt").read_text().splitlines()
    assert len(table) == 1 + 2 * len(later.columns)
    assert case.logged[0].splitlines()[0] == "split 'train': distances"
    assert case.logged[1] == "no anomalies in train"


def test_without_anything_to_compare_with_there_are_no_distances(case: Case) -> None:
    anomalies = case.run()
    assert json.loads(Path(anomalies.path("eval"), "anomalies.json").read_text())["distances"] == []
    assert not Path(anomalies.path("eval"), "distances.txt").exists()
    assert not {"largest_drift", "largest_skew"} & set(anomalies.custom_properties)


def test_fewer_rows_than_in_the_version_before(tmp_path: Path) -> None:
    def no_fewer_rows(schema: Any) -> None:
        schema.dataset_constraints.num_examples_version_comparator.min_fraction_threshold = 0.9

    case = Case(tmp_path, no_fewer_rows)
    case.inputs["statistics"] = write_stats(tmp_path / "now", {"train": good_flights()[:500]})
    case.inputs["previous_version_statistics"] = write_stats(tmp_path / "before", {"train": good_flights()})
    found = readable(case.run(), "train")
    assert found[""]["types"] == ["COMPARATOR_LOW_NUM_EXAMPLES"]
    assert "0.5" in found[""]["description"]


def test_control_statistics_of_other_splits(case: Case) -> None:
    splits = {"a": good_flights(), "b": good_flights()}
    case.inputs["previous_statistics"] = write_stats(case.root / "control", splits)
    with pytest.raises(ArtifactError, match=r"'previous_statistics': expected .* of split 'train'.*\['a', 'b'\]"):
        case.run()


def test_conditions_in_sql(case: Case) -> None:
    from google.protobuf import text_format
    from tensorflow_data_validation.anomalies.proto import custom_validation_config_pb2

    text = """feature_validations { feature_path { step: "distance" }
        validations { sql_expression: "feature.num_stats.max < 100" severity: WARNING description: "too far" } }"""
    config = text_format.Parse(text, custom_validation_config_pb2.CustomValidationConfig())
    for given in (config, text):
        distance = readable(case.run(custom_validation_config=given), "train")["distance"]
        assert (distance["types"], distance["severity"]) == (["CUSTOM_VALIDATION"], "WARNING")


def test_conditions_of_the_wrong_form(case: Case) -> None:
    with pytest.raises(ConfigError, match='expected the text of a CustomValidationConfig; .*no field named "feature"'):
        case.run(custom_validation_config="feature: 1")
    with pytest.raises(ConfigError, match="expected TFDV's CustomValidationConfig or its text, received 5"):
        case.run(custom_validation_config=5)
    wired = {key: Channel(type=type(artifact)) for key, artifact in case.inputs.items()}
    (problem,) = ExampleValidator(**wired, custom_validation_config=5).problems
    assert problem.startswith("parameter 'custom_validation_config': expected TFDV's CustomValidationConfig")


def test_statistics_that_are_missing_or_damaged(case: Case) -> None:
    path = case.root / "statistics/Split-eval/FeatureStats.pb"
    path.write_bytes(b"\xff\xff not a proto")
    with pytest.raises(DataError, match=r"Split-eval/FeatureStats.pb: expected a DatasetFeatureStatisticsList"):
        case.run()
    path.unlink()
    with pytest.raises(DataError, match=r"Split-eval/FeatureStats.pb"):
        case.run()


def test_a_schema_that_does_not_parse(case: Case) -> None:
    path = case.root / "schema/schema.pbtxt"
    path.write_text('feature {\n  name: "hour"\n  typ: INT\n}\n')
    with pytest.raises(DataError, match=r"schema.pbtxt, line 3.*did you mean 'type'"):
        case.run()


def test_an_excluded_split_that_is_unknown(case: Case) -> None:
    with pytest.raises(ConfigError, match=r"ExampleStatistics at .* has no split 'evl'; did you mean 'eval'"):
        case.run(exclude_splits=["evl"])


def test_statistics_of_no_rows(case: Case) -> None:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    empty = statistics_pb2.DatasetFeatureStatisticsList(datasets=[statistics_pb2.DatasetFeatureStatistics()])
    write_statistics(str(case.root / "statistics/Split-eval/FeatureStats.pb"), empty)
    anomalies = case.run()
    assert anomalies.custom_properties["blessed"]["eval"] == 0
    assert readable(anomalies, "eval")[""]["description"] == "The split 'eval' has no rows."


def test_the_pipeline_of_the_documentation_stops_at_an_hour_of_77(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, project_root: Path
) -> None:
    document = (project_root / "docs" / "data-validation.md").read_text()
    schema = document.split("```text\n")[1].split("```")[0]
    code = document.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    Path("schema.pbtxt").write_text(schema)
    Path("flights").mkdir()
    frame = good_flights()[["hour", "origin"]]
    frame.to_csv("flights/data.csv", index=False)
    exec(compile(code, "data-validation.md", "exec"), {})
    frame.loc[frame.index % 2 == 0, "hour"] = 77
    frame.to_csv("flights/data.csv", index=False)
    with pytest.raises(PipelineFailedError) as caught:
        exec(compile(code, "data-validation.md", "exec"), {})
    assert "node 'ExampleValidator' failed: the data has anomalies:" in str(caught.value)
    assert "Unexpectedly large value: 77. [INT_TYPE_BIG_INT]; the schema says INT from 0 to 23; seen 77" in str(
        caught.value
    )
    (only,) = Path("root/ExampleValidator/anomalies").iterdir()
    assert json.loads((only / "Split-train/anomalies.json").read_text())["blessed"]
