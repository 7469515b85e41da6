"""StatsOptions in full: slices, weights, semantic domains and the user's own generators, against TFDV and pandas."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from google.protobuf import text_format

from mlops_tfx.artifacts import Schema
from mlops_tfx.components.statistics_gen import SliceFeature, StatsOptions
from mlops_tfx.errors import ConfigError, DataError, UserCodeError
from mlops_tfx.io.protos import read_statistics, write_schema, write_statistics
from tests.golden.statistics.real_data import as_stored, flights_sample, to_batch, write_examples
from tests.unit.components.statistics_gen.cases import check_equal, compute, datasets_of, features_in, features_of

OWN = "own_generators"
COLUMNS = ["origin", "carrier", "month", "dep_delay", "distance"]


@functools.cache
def frame() -> pd.DataFrame:
    return flights_sample(5_000)[COLUMNS]


@pytest.fixture
def examples(tmp_path: Path) -> Any:
    parts = [frame()[:2_000], frame()[2_000:4_000], frame()[4_000:]]
    return write_examples(tmp_path / "examples", {"all": parts}, max_shard_bytes=1 << 20)


def by_tfdv(options: Any, folder: Path, data: pd.DataFrame | None = None) -> dict[str, Any]:
    """TFDV's own statistics, by its own Beam pipeline."""
    import apache_beam as beam
    import tensorflow_data_validation as tfdv

    from mlops_tfx.execution.beam import beam_pipeline

    path = str(folder / "tfdv.pb")
    with beam_pipeline() as pipeline:
        found = pipeline | beam.Create([to_batch(frame() if data is None else data)]) | tfdv.GenerateStatistics(options)
        _ = found | beam.Map(lambda statistics: write_statistics(path, statistics))
    return {dataset.name: dataset for dataset in read_statistics(path).datasets}


def check_datasets(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert sorted(ours) == sorted(theirs)
    for name, dataset in ours.items():
        assert dataset.num_examples == theirs[name].num_examples
        assert dataset.weighted_num_examples == pytest.approx(theirs[name].weighted_num_examples)
        expected = features_in(theirs[name])
        assert sorted(features_in(dataset)) == sorted(expected)
        for column, feature in features_in(dataset).items():
            check_equal(feature, expected[column])


# Slices --------------------------------------------------------------------------------------------------------------


def test_slices_are_tfdvs(examples: Any, tmp_path: Path) -> None:
    import tensorflow_data_validation as tfdv
    from tensorflow_data_validation.utils.slicing_util import get_feature_value_slicer as slicer

    given = ["origin", ["origin", "carrier"], {"feature": "month", "values": [1, "2", 77]}]
    slices = [{"origin": None}, {"origin": None, "carrier": None}, {"month": [1, 2, 77]}]
    theirs = tfdv.StatsOptions(experimental_slice_functions=[slicer(one) for one in slices])
    options = StatsOptions(slicing_features=given)  # type: ignore[arg-type]
    ours = datasets_of(compute(examples, tmp_path, stats_options=options))
    check_datasets(ours, by_tfdv(theirs, tmp_path))
    sizes = frame().groupby(["carrier", "origin"]).size()
    assert {name: ours[f"carrier_{name[0]}_origin_{name[1]}"].num_examples for name in sizes.index} == sizes.to_dict()
    assert next(iter(ours)) == "All Examples"
    assert "month_77" not in ours


def test_values_of_text_are_found(examples: Any, tmp_path: Path) -> None:
    # TFDV's own slicer compares text with bytes, and finds nothing.
    options = StatsOptions(slicing_features=[SliceFeature(feature="origin", values=["JFK", "LGA"])])
    ours = datasets_of(compute(examples, tmp_path, stats_options=options))
    counts = frame()["origin"].value_counts()
    assert {name: dataset.num_examples for name, dataset in ours.items()} == {
        "All Examples": 5_000,
        "origin_JFK": counts["JFK"],
        "origin_LGA": counts["LGA"],
    }


@pytest.mark.parametrize("form", ["field", "tfdv", "config"])
def test_slices_in_sql(examples: Any, tmp_path: Path, form: str) -> None:
    import tensorflow_data_validation as tfdv
    from tfx_bsl.public.proto import slicing_spec_pb2

    sql = "SELECT STRUCT(origin) FROM example.origin WHERE origin != b'JFK'"
    config = text_format.Parse(f'slicing_specs {{ slice_keys_sql: "{sql}" }}', slicing_spec_pb2.SlicingConfig())
    options: Any = {
        "field": StatsOptions(experimental_slice_sqls=[sql]),
        "tfdv": tfdv.StatsOptions(experimental_slice_sqls=[sql]),
        "config": tfdv.StatsOptions(slicing_config=config),
    }[form]
    ours = datasets_of(compute(examples, tmp_path, stats_options=options))
    counts = frame()["origin"].value_counts()
    assert {name: dataset.num_examples for name, dataset in ours.items()} == {
        "All Examples": 5_000,
        "origin_EWR": counts["EWR"],
        "origin_LGA": counts["LGA"],
    }


def test_slices_by_a_function(examples: Any, tmp_path: Path) -> None:
    options = StatsOptions(slice_functions=[f"{OWN}.late"])
    late = features_of(compute(examples, tmp_path, stats_options=options), name="late")["dep_delay"].num_stats
    values = as_stored(frame()["dep_delay"])
    values = values[values > 60]
    assert (late.common_stats.num_non_missing, late.min) == (len(values), values.min())
    assert late.mean == pytest.approx(values.mean())


# Weights -------------------------------------------------------------------------------------------------------------


def test_weights_are_tfdvs(examples: Any, tmp_path: Path) -> None:
    import tensorflow_data_validation as tfdv

    options = StatsOptions(weight_feature="distance")
    ours = datasets_of(compute(examples, tmp_path, stats_options=options))
    check_datasets(ours, by_tfdv(tfdv.StatsOptions(weight_feature="distance"), tmp_path))


def test_weights_of_single_features(examples: Any, tmp_path: Path) -> None:
    options = StatsOptions(weight_feature="distance", per_feature_weight_override={"dep_delay": "month"})
    ours = features_of(compute(examples, tmp_path, stats_options=options))
    present = frame().dropna()
    for name, weight in (("dep_delay", "month"), ("month", "distance")):
        rows = present if name == "dep_delay" else frame()
        expected = np.average(as_stored(rows[name]), weights=rows[weight])
        assert ours[name].num_stats.weighted_numeric_stats.mean == pytest.approx(expected, rel=1e-6)


# Semantic domains, own generators ------------------------------------------------------------------------------------


def test_text_and_images_are_recognised(tmp_path: Path) -> None:
    import tensorflow as tf

    pixels = np.zeros((3, 5, 3), np.uint8)
    image = tf.io.encode_png(pixels).numpy()
    sentence = b"the quick brown fox jumps over the lazy dog near the river bank"
    columns = {"image": [image] * 300, "text": [sentence] * 300, "code": [b"x"] * 300, "time": [b"2020-01-02"] * 300}
    made = write_examples(tmp_path / "examples", {"all": pd.DataFrame(columns)})
    options = StatsOptions(enable_semantic_domain_stats=True)
    found = features_of(compute(made, tmp_path, stats_options=options))
    domains = {
        name: next((stat.str for stat in feature.custom_stats if stat.name == "domain_info"), "")
        for name, feature in found.items()
    }
    assert domains["image"] == "image_domain {}"
    assert domains["text"] == "natural_language_domain {}"
    assert domains["code"] == ""
    assert """string_format: '%Y-%m-%d' """.strip() in domains["time"]


def schema_of(folder: Path, text: str) -> Schema:
    from tensorflow_metadata.proto.v0 import schema_pb2

    schema = Schema(str(folder / "schema"))
    write_schema(f"{schema.uri}/schema.pbtxt", text_format.Parse(text, schema_pb2.Schema()))
    return schema


def test_natural_language_with_a_vocabulary(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("fox\ndog\n")
    text = 'feature { name: "words" type: BYTES natural_language_domain { vocabulary: "english" } }'
    values: list[Any] = [["fox", "dog"], ["fox", "xyz"], ["dog"]]
    made = write_examples(tmp_path / "examples", {"all": pd.DataFrame({"words": values})})
    options = StatsOptions(vocab_paths={"english": str(tmp_path / "words.txt")})
    feature = features_of(compute(made, tmp_path, schema_of(tmp_path, text), stats_options=options))["words"]
    import tensorflow_data_validation as tfdv
    from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

    theirs = tfdv.StatsOptions(schema=text_format.Parse(text, schema_pb2.Schema()), vocab_paths=options.vocab_paths)
    (expected,) = by_tfdv(theirs, tmp_path, pd.DataFrame({"words": values}))[""].features
    found, wanted = statistics_pb2.NaturalLanguageStatistics(), statistics_pb2.NaturalLanguageStatistics()
    assert feature.custom_stats[0].any.Unpack(found)
    assert expected.custom_stats[0].any.Unpack(wanted)
    assert found == wanted
    assert found.avg_token_length == pytest.approx(3.0)


def test_own_generators(examples: Any, tmp_path: Path) -> None:
    options = StatsOptions(generators=[f"{OWN}.rows", f"{OWN}.rows_in_an_object"], add_default_generators=False)
    (feature,) = features_of(compute(examples, tmp_path, stats_options=options)).values()
    assert [(custom.name, custom.num) for custom in feature.custom_stats] == [("rows", 5_000), ("rows", 5_000)]


# Wrong forms ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"slicing_features": []}, "slicing_features"),
        ({"slicing_features": [[]]}, "expected one or more different features in every slice"),
        ({"slicing_features": [["origin", "origin"]]}, "expected one or more different features in every slice"),
        ({"slicing_features": [{"feature": "month", "value": [1]}]}, "value"),
        ({"slicing_features": [{"feature": "month", "values": []}]}, "values"),
        ({"slice_functions": ["late"]}, "slice_functions: expected dotted paths such as 'package.module.function'"),
        ({"generators": ["a b.c"]}, "generators: expected dotted paths"),
        ({"per_feature_weight_override": ["distance"]}, "per_feature_weight_override"),
        ({"num_top_values": 0}, "num_top_values"),
        ({"vocab_paths": {"english": 5}}, "vocab_paths"),
    ],
)
def test_options_that_make_no_sense(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        StatsOptions(**fields)


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        (
            {"slicing_features": ["orign"]},
            DataError,
            "no feature 'orign', .*slicing_features=orign; did you mean 'origin'",
        ),
        ({"slicing_features": [["origin", "carier"]]}, DataError, "'carier'.*did you mean 'carrier'"),
        (
            {"slicing_features": [{"feature": "month", "values": ["May"]}]},
            DataError,
            "feature 'month' holds integers, received value='May'",
        ),
        ({"weight_feature": "distnce"}, DataError, "distnce"),
        ({"weight_feature": "dep_delay"}, DataError, "Weight column"),
        ({"feature_allowlist": ["orign", "destination"]}, DataError, "none of feature_allowlist=.*mean 'origin'"),
        (
            {"experimental_slice_sqls": ["SELECT STRUCT(nothing) FROM example.nothing"]},
            DataError,
            "expected a query on .*nothing",
        ),
        ({"slice_functions": [f"{OWN}.fails"]}, UserCodeError, "own_generators.fails' raised KeyError"),
        ({"slice_functions": [f"{OWN}.wrong"]}, UserCodeError, "expected pairs of a name and a RecordBatch"),
        ({"slice_functions": [f"{OWN}.lat"]}, UserCodeError, "defines no function 'lat'; did you mean 'late'"),
        ({"generators": [f"{OWN}.not_a_generator"]}, ConfigError, "returns TFDV StatsGenerators, received 'rows'"),
    ],
)
def test_options_that_do_not_fit_the_data(
    examples: Any, tmp_path: Path, fields: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        compute(examples, tmp_path, stats_options=StatsOptions(**fields))


def test_features_to_look_at_that_a_split_lacks_are_left_out(examples: Any, tmp_path: Path) -> None:
    found = compute(examples, tmp_path, stats_options=StatsOptions(feature_allowlist=["origin", "label"]))
    (dataset,) = read_statistics(f"{found.path(found.splits[0])}/FeatureStats.pb").datasets
    assert [feature.path.step[0] for feature in dataset.features] == ["origin"]
