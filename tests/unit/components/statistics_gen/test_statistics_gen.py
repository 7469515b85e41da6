"""StatisticsGen: its numbers against pandas, on real data in both payload formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlops_tfx.artifacts import Examples, ExampleStatistics, Schema
from mlops_tfx.components.statistics_gen import StatisticsGen, StatsOptions
from mlops_tfx.errors import ArtifactError, ConfigError, DataError, WiringError
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io.protos import read_statistics, write_schema
from tests.golden.statistics.real_data import as_stored, flights_sample, penguins, write_examples

EPSILON = 0.01  # TFDV's default error of quantiles, as a share of the rows
GOLDEN = Path(__file__).parents[3] / "golden" / "statistics"
FORMATS = ("tfrecords_gzip", "parquet")


def run(examples: Examples, root: Any, schema: Schema | None = None, **parameters: Any) -> ExampleStatistics:
    inputs = {"examples": examples} | ({"schema": schema} if schema else {})
    (statistics,) = run_component(StatisticsGen(**parameters), inputs, root)["statistics"]
    assert isinstance(statistics, ExampleStatistics)
    return statistics


def features_of(statistics: ExampleStatistics, split: str) -> dict[str, Any]:
    (dataset,) = read_statistics(f"{statistics.path(split)}/FeatureStats.pb").datasets
    return {feature.path.step[0]: feature for feature in dataset.features}


def rows_of(statistics: ExampleStatistics, split: str) -> int:
    (dataset,) = read_statistics(f"{statistics.path(split)}/FeatureStats.pb").datasets
    return int(dataset.num_examples)


def common_of(feature: Any) -> Any:
    return getattr(feature, feature.WhichOneof("stats")).common_stats


def check_common(common: Any, column: pd.Series) -> None:
    assert common.num_non_missing == column.notna().sum()
    assert common.num_missing == column.isna().sum()
    assert common.tot_num_values == column.notna().sum()
    assert (common.min_num_values, common.max_num_values) == (1, 1)


def check_numbers(stats: Any, column: pd.Series) -> None:
    values = as_stored(column)
    check_common(stats.common_stats, column)
    assert stats.mean == pytest.approx(values.mean(), rel=1e-9, abs=1e-12)
    assert stats.std_dev == pytest.approx(values.std(ddof=0), rel=1e-6, abs=1e-9)
    assert (stats.min, stats.max) == (values.min(), values.max())
    assert stats.num_zeros == (values == 0).sum()
    check_rank(stats.median, 0.5, values)
    (quantiles,) = [histogram for histogram in stats.histograms if histogram.type == histogram.QUANTILES]
    assert len(quantiles.buckets) == 10
    for index, bucket in enumerate(quantiles.buckets):
        check_rank(bucket.high_value, (index + 1) / 10, values)
    (standard,) = [histogram for histogram in stats.histograms if histogram.type == histogram.STANDARD]
    assert sum(bucket.sample_count for bucket in standard.buckets) == pytest.approx(len(values))


def check_rank(value: float, quantile: float, values: np.ndarray) -> None:
    # With ties a value has a range of ranks; the wanted one must be within the sketch's error of that range.
    low, high = (values < value).mean(), (values <= value).mean()
    assert low - 2 * EPSILON <= quantile <= high + 2 * EPSILON, (value, quantile, low, high)


def check_strings(stats: Any, column: pd.Series) -> None:
    values = as_stored(column)
    check_common(stats.common_stats, column)
    counts = pd.Series(values).value_counts()
    assert stats.unique == len(counts)
    assert stats.avg_length == pytest.approx(np.mean([len(value.encode()) for value in values]), rel=1e-6)
    top = [(entry.value, int(entry.frequency)) for entry in stats.top_values]
    assert len(top) == min(20, len(counts))
    assert [count for _, count in top] == counts.iloc[:20].tolist()
    assert all(counts[value] == count for value, count in top)


def check_frame(features: dict[str, Any], frame: pd.DataFrame) -> None:
    assert sorted(features) == sorted(frame.columns)
    for name, feature in features.items():
        if frame[name].dtype == object:
            assert feature.type == feature.STRING
            check_strings(feature.string_stats, frame[name])
        else:
            assert feature.type == (feature.INT if frame[name].dtype.kind == "i" else feature.FLOAT)
            check_numbers(feature.num_stats, frame[name])


@pytest.fixture(scope="module", params=FORMATS)
def flights_20k(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    frame = flights_sample(20_000)
    splits = {"train": frame.iloc[:15_000].reset_index(drop=True), "eval": frame.iloc[15_000:].reset_index(drop=True)}
    root = tmp_path_factory.mktemp(request.param)
    # Small batches and shards, so that the partial results of several are merged.
    parts = {name: [part[start : start + 2500] for start in range(0, len(part), 2500)] for name, part in splits.items()}
    examples = write_examples(root / "examples", parts, request.param, max_shard_bytes=150_000)
    shards = len(list((root / "examples" / "Split-train").iterdir()))
    assert shards > 2 or request.param == "parquet"
    return splits, run(examples, root)


@pytest.mark.parametrize("split", ["train", "eval"])
def test_statistics_of_flights_agree_with_pandas(flights_20k: Any, split: str) -> None:
    splits, statistics = flights_20k
    assert rows_of(statistics, split) == len(splits[split])
    check_frame(features_of(statistics, split), splits[split])


@pytest.mark.parametrize("file_format", FORMATS)
def test_statistics_of_penguins_agree_with_pandas(tmp_path: Any, file_format: str) -> None:
    examples = write_examples(tmp_path / "examples", {"all": penguins()}, file_format)
    reported: list[int] = []
    outputs = run_component(StatisticsGen(), {"examples": examples}, tmp_path, report_rows=reported.append)
    (statistics,) = outputs["statistics"]
    assert isinstance(statistics, ExampleStatistics)
    check_frame(features_of(statistics, "all"), penguins())
    assert reported == [344]


@pytest.mark.parametrize("name", ["penguins", "flights"])
def test_statistics_are_tfxs(tmp_path: Any, name: str) -> None:
    # Examples and statistics written by TFX 1.16: see tests/golden/statistics/make_golden.py.
    examples = Examples(str(GOLDEN / name / "examples"))
    examples.splits = ["train", "eval"]
    expected = ExampleStatistics(str(GOLDEN / name / "statistics"))
    expected.splits = ["train", "eval"]
    statistics = run(examples, tmp_path)
    for split in ("train", "eval"):
        assert rows_of(statistics, split) == rows_of(expected, split)
        features, golden = features_of(statistics, split), features_of(expected, split)
        assert sorted(features) == sorted(golden)
        for column, feature in features.items():
            ours, theirs = common_of(feature), common_of(golden[column])
            if theirs.min_num_values == 0:
                # TFX writes an empty cell as an empty list and counts it as present; here it is missing.
                assert ours.num_missing > 0 == theirs.num_missing
                assert ours.num_non_missing == ours.tot_num_values == theirs.tot_num_values
                theirs.CopyFrom(ours)
            assert feature == golden[column]


def test_two_runs_give_the_same_bytes_and_both_formats_the_same_statistics(tmp_path: Any) -> None:
    content, features = [], []
    for index, file_format in enumerate((*FORMATS, *FORMATS)):
        folder = tmp_path / str(index)
        statistics = run(write_examples(folder / "examples", {"all": flights_sample(5_000)}, file_format), folder)
        content.append((folder / "StatisticsGen/statistics/Split-all/FeatureStats.pb").read_bytes())
        features.append(features_of(statistics, "all"))
    assert content[:2] == content[2:]
    # Batches of different sizes move means in their last digits, and quantiles within the error checked above.
    for name, feature in features[0].items():
        other = features[1][name]
        assert common_of(feature) == common_of(other)
        assert feature.string_stats == other.string_stats
        ours, theirs = feature.num_stats, other.num_stats
        assert (ours.min, ours.max, ours.num_zeros) == (theirs.min, theirs.max, theirs.num_zeros)
        assert (ours.mean, ours.std_dev) == pytest.approx((theirs.mean, theirs.std_dev), rel=1e-12)


def test_properties_of_the_artifact(tmp_path: Any) -> None:
    examples = write_examples(tmp_path / "examples", {"train": penguins(), "eval": penguins(), "test": penguins()})
    examples.custom_properties["span"] = 7
    statistics = run(examples, tmp_path, exclude_splits=["eval"])
    assert statistics.splits == ["train", "test"]
    assert statistics.span == 7
    assert json.loads(str(statistics.custom_properties["sample_rate_by_split"])) == {"train": 1.0, "test": 1.0}
    written = sorted(path.name for path in (tmp_path / "StatisticsGen/statistics").rglob("*"))
    assert written == [
        "FeatureStats.pb",
        "FeatureStats.pb",
        "PartialStats.bin",
        "PartialStats.bin",
        "Split-test",
        "Split-train",
    ]


def test_a_column_without_values_and_lists_of_several(tmp_path: Any) -> None:
    frame = pd.DataFrame({"empty": [None, None, None], "list": [[1, 2], [3], None]})
    features = features_of(run(write_examples(tmp_path / "examples", {"all": frame}), tmp_path), "all")
    common = features["list"].num_stats.common_stats
    assert (common.num_missing, common.min_num_values, common.max_num_values, common.tot_num_values) == (1, 1, 2, 3)
    assert common_of(features["empty"]).num_missing == 3


# Options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["twin", "dict", "tfdv", "json"])
def test_options_in_every_form(tmp_path: Any, kind: str) -> None:
    import tensorflow_data_validation as tfdv

    fields = {"num_top_values": 2, "num_histogram_buckets": 4, "feature_allowlist": ["species", "bill_length_mm"]}
    options: Any = {
        "twin": StatsOptions(**fields),
        "dict": fields,
        "tfdv": tfdv.StatsOptions(**fields),
        "json": tfdv.StatsOptions(**fields).to_json(),
    }[kind]
    features = features_of(
        run(write_examples(tmp_path / "examples", {"all": penguins()}), tmp_path, stats_options=options), "all"
    )
    assert sorted(features) == ["bill_length_mm", "species"]
    top = [(entry.value, entry.frequency) for entry in features["species"].string_stats.top_values]
    assert top == [("Adelie", 152), ("Gentoo", 124)]
    assert len(features["bill_length_mm"].num_stats.histograms[0].buckets) == 4


def test_every_field_of_the_twin_is_one_of_tfdvs(tmp_path: Any) -> None:
    import tensorflow_data_validation as tfdv

    twin, original = StatsOptions(), tfdv.StatsOptions()
    own = {"slicing_features", "slice_functions", "generators", "per_feature_weight_override"}
    for name in set(StatsOptions.model_fields) - own:
        assert getattr(twin, name) == getattr(original, name), name


def test_weights(tmp_path: Any) -> None:
    frame = penguins().dropna().reset_index(drop=True)
    options = StatsOptions(weight_feature="body_mass_g")
    features = features_of(
        run(write_examples(tmp_path / "examples", {"all": frame}), tmp_path, stats_options=options), "all"
    )
    values, weights = as_stored(frame["bill_length_mm"]), as_stored(frame["body_mass_g"])
    weighted = features["bill_length_mm"].num_stats.weighted_numeric_stats
    assert weighted.mean == pytest.approx(np.average(values, weights=weights), rel=1e-9)
    heaviest = frame.groupby("species")["body_mass_g"].sum().sort_values(ascending=False)
    top = features["species"].string_stats.weighted_string_stats.top_values
    assert [entry.value for entry in top] == heaviest.index.tolist()
    assert [entry.frequency for entry in top] == pytest.approx(heaviest.tolist())


def test_sampling_takes_rows_not_whole_batches_and_repeats(tmp_path: Any) -> None:
    examples = write_examples(tmp_path / "examples", {"all": flights_sample(20_000)})
    options = StatsOptions(sample_rate=0.1)
    counts = [rows_of(run(examples, tmp_path / str(i), stats_options=options), "all") for i in range(2)]
    # 20,000 rows at 0.1: 2,000 with a standard deviation of 42; TFDV alone would take 0 or 20,000.
    assert abs(counts[0] - 2_000) < 5 * 42
    assert counts[0] == counts[1]


def test_a_schema_makes_integers_categories(tmp_path: Any) -> None:
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    text = 'feature { name: "year" type: INT int_domain { is_categorical: true } }'
    schema = Schema(str(tmp_path / "schema"))
    write_schema(f"{schema.uri}/schema.pbtxt", text_format.Parse(text, schema_pb2.Schema()))
    features = features_of(
        run(write_examples(tmp_path / "examples", {"all": penguins()}), tmp_path, schema=schema), "all"
    )
    top = {entry.value: entry.frequency for entry in features["year"].string_stats.top_values}
    assert top == penguins()["year"].astype(str).value_counts().to_dict()


# Wrong input -----------------------------------------------------------------------------------------------------


def test_an_excluded_split_that_is_unknown(tmp_path: Any) -> None:
    examples = write_examples(tmp_path / "examples", {"train": penguins(), "eval": penguins()})
    with pytest.raises(ConfigError, match=r"exclude_splits: Examples at .* has no split 'evl'; did you mean 'eval'\?"):
        run(examples, tmp_path, exclude_splits=["evl"])


def test_all_splits_excluded(tmp_path: Any) -> None:
    examples = write_examples(tmp_path / "examples", {"train": penguins()})
    with pytest.raises(ConfigError, match=r"at least one split .* received splits=\['train'\], exclude_splits="):
        run(examples, tmp_path, exclude_splits=["train"])


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_split_without_rows(tmp_path: Any, file_format: str) -> None:
    splits = {"train": penguins(), "eval": penguins().iloc[:0]}
    examples = write_examples(tmp_path / "examples", splits, file_format)
    statistics = run(examples, tmp_path)
    (dataset,) = read_statistics(f"{statistics.path('eval')}/FeatureStats.pb").datasets
    assert (dataset.num_examples, list(dataset.features)) == (0, [])
    (dataset,) = read_statistics(f"{statistics.path('train')}/FeatureStats.pb").datasets
    assert dataset.num_examples == len(penguins())


def test_a_sample_without_rows(tmp_path: Any) -> None:
    examples = write_examples(tmp_path / "examples", {"train": penguins().iloc[:3]})
    with pytest.raises(DataError, match=r"sample_rate=1e-09 left none of its 3 rows; .*raise the sample rate"):
        run(examples, tmp_path, stats_options=StatsOptions(sample_rate=1e-9))


def test_files_that_were_removed(tmp_path: Any) -> None:
    examples = Examples(str(tmp_path / "examples"))
    examples.splits = ["train"]
    with pytest.raises(ArtifactError, match="expected files of split 'train'"):
        run(examples, tmp_path)


def test_a_schema_given_twice_is_a_wiring_problem() -> None:
    import tensorflow_data_validation as tfdv
    from tensorflow_metadata.proto.v0 import schema_pb2

    from mlops_tfx.components.import_schema_gen import ImportSchemaGen
    from mlops_tfx.resolvers import Importer

    examples = Importer("data", Examples).outputs["result"]
    schema = ImportSchemaGen("schema.pbtxt").outputs["schema"]
    options = tfdv.StatsOptions(schema=schema_pb2.Schema(feature=[schema_pb2.Feature(name="x")]))
    for form in (options, options.to_json()):
        problems = StatisticsGen(examples, schema, form).problems
        assert problems == ["a schema is given both as input 'schema' and in 'stats_options'; leave one of them out"]
        assert StatisticsGen(examples, stats_options=form).problems == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("{", "expected options that can be written as JSON, received '{'"),
        ("[]", r"expected the JSON text of a tfdv.StatsOptions \(its to_json\(\)\), received '\[\]'"),
        (5, "parameter 'stats_options': expected .*StatsOptions"),
        ({"num_top_value": 3}, "num_top_value"),
        ({"sample_rate": 0.0}, "sample_rate"),
    ],
)
def test_options_that_cannot_be_read(options: Any, message: str) -> None:
    from mlops_tfx.resolvers import Importer

    (problem,) = StatisticsGen(Importer("data", Examples).outputs["result"], stats_options=options).problems
    with pytest.raises(WiringError, match=message):
        raise WiringError([problem])


def test_options_with_code_in_them_are_refused() -> None:
    import tensorflow_data_validation as tfdv

    from mlops_tfx.resolvers import Importer

    options = tfdv.StatsOptions(experimental_slice_functions=[lambda batch: []])
    (problem,) = StatisticsGen(Importer("data", Examples).outputs["result"], stats_options=options).problems
    assert "cannot be converted with experimental_slice_functions" in problem
