"""MergeStatistics: a window's statistics from those of its spans, against pandas, TFDV and a direct computation."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlops_tfx.artifacts import Examples, ExampleStatistics
from mlops_tfx.components.statistics_gen import StatsOptions
from mlops_tfx.errors import ArtifactError, ConfigError, DataError
from mlops_tfx.statistics import partial_state
from tests.golden.statistics.real_data import as_stored, flights, to_batch, write_examples
from tests.unit.components.statistics_gen.cases import (
    check_equal,
    check_rank,
    common_of,
    compute,
    datasets_of,
    features_in,
    features_of,
    merge,
)

GOLDEN = Path(__file__).parents[3] / "golden" / "statistics"
MONTHS = (1, 2, 7)


def month(number: int) -> pd.DataFrame:
    frame = flights()[flights()["month"] == number].sample(4_000, random_state=number)
    # A column that only one month has, and one that one month has not.
    if number == 2:
        frame = frame.assign(only_february=np.arange(len(frame), dtype=np.float32)).drop(columns="wind_gust")
    return frame.reset_index(drop=True)


def of_month(number: int, root: Path, split: str = "all") -> Examples:
    examples = write_examples(root / f"examples{number}", {split: month(number)}, max_shard_bytes=300_000)
    examples.custom_properties["span"] = number
    return examples


@pytest.fixture(scope="module", params=["exact", "sketch", "weights", "slices"])
def window(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Statistics of three months: of each, merged, and computed directly."""
    options = {
        "exact": {},
        "sketch": {"use_sketch_based_topk_uniques": True},
        "weights": {"weight_feature": "distance"},
        "slices": {"slicing_features": ["origin"]},
    }[request.param]
    root = tmp_path_factory.mktemp(request.param)
    examples = [of_month(number, root) for number in MONTHS]
    given = StatsOptions(**options)  # type: ignore[arg-type]
    parts = [compute(one, root / str(index), stats_options=given) for index, one in enumerate(examples)]
    return merge(parts, root), compute(examples, root / "direct", stats_options=given)


def frame_of(name: str) -> pd.DataFrame:
    frame = pd.concat([month(number) for number in MONTHS], ignore_index=True)
    return frame if name in ("", "All Examples") else frame[frame["origin"] == name.removeprefix("origin_")]


def test_merged_statistics_equal_the_direct_ones(window: Any, request: pytest.FixtureRequest) -> None:
    estimated = "sketch" in request.node.name
    merged, direct = (datasets_of(statistics) for statistics in window)
    assert sorted(merged) == sorted(direct)
    for name, dataset in merged.items():
        frame, features, expected = frame_of(name), features_in(dataset), features_in(direct[name])
        assert dataset.num_examples == direct[name].num_examples == len(frame)
        assert sorted(features) == sorted(expected) == sorted(frame.columns)
        for column, feature in features.items():
            values = None if frame[column].dtype == object else as_stored(frame[column])
            if column == "tailnum" and estimated:
                # More different values than the sketch has buckets: what it estimates depends on the order.
                assert feature.string_stats.unique == pytest.approx(frame[column].nunique(), rel=0.02)
                continue
            check_equal(feature, expected[column], values)
            assert common_of(feature).num_missing == frame[column].isna().sum()
            assert common_of(feature).num_non_missing == frame[column].notna().sum()


def test_merged_statistics_agree_with_pandas(window: Any) -> None:
    for name, dataset in datasets_of(window[0]).items():
        frame, features = frame_of(name), features_in(dataset)
        for column in ("dep_delay", "only_february", "wind_gust", "month"):
            values, stats = as_stored(frame[column]), features[column].num_stats
            assert (stats.min, stats.max, stats.num_zeros) == (values.min(), values.max(), (values == 0).sum())
            np.testing.assert_allclose((stats.mean, stats.std_dev), (values.mean(), values.std()), rtol=1e-7)
            check_rank(stats.median, 0.5, values)
        counts = frame["carrier"].value_counts()
        top = {entry.value: entry.frequency for entry in features["carrier"].string_stats.top_values}
        assert features["carrier"].string_stats.unique == len(counts)
        assert top == counts.to_dict()


def test_merged_statistics_equal_tfdvs_over_all_rows(tmp_path: Path) -> None:
    import apache_beam as beam
    import tensorflow_data_validation as tfdv

    from mlops_tfx.execution.beam import beam_pipeline
    from mlops_tfx.io.protos import read_statistics, write_statistics

    parts = [compute(of_month(number, tmp_path), tmp_path / str(number)) for number in MONTHS]
    batch, path = to_batch(frame_of("")), str(tmp_path / "tfdv.pb")
    with beam_pipeline() as pipeline:
        found = pipeline | beam.Create([batch]) | tfdv.GenerateStatistics(tfdv.StatsOptions())
        _ = found | beam.Map(lambda statistics: write_statistics(path, statistics))
    (expected,) = read_statistics(path).datasets
    theirs = features_in(expected)
    for column, feature in features_of(merge(parts, tmp_path)).items():
        check_equal(feature, theirs[column])


def test_merged_statistics_merge_again_and_have_the_spans(tmp_path: Path) -> None:
    one, two, three = (compute(of_month(number, tmp_path), tmp_path / str(number)) for number in MONTHS)
    twice = merge([merge([one, two], tmp_path / "a"), three], tmp_path / "b")
    once = merge([one, two, three], tmp_path / "c")
    assert (twice.span, twice.custom_properties["spans"]) == (7, "[1, 2, 7]")
    assert json.loads(str(twice.custom_properties["sample_rate_by_split"])) == {"all": 1.0}
    assert twice.splits == ["all"]
    expected = features_of(once)
    for column, feature in features_of(twice).items():
        check_equal(feature, expected[column])
    again = merge([one, two, three], tmp_path / "d")
    assert (
        Path(again.path("all"), "FeatureStats.pb").read_bytes()
        == Path(once.path("all"), "FeatureStats.pb").read_bytes()
    )


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[ExampleStatistics]:
    root = tmp_path_factory.mktemp("parts")
    return [compute(of_month(number, root), root / str(number)) for number in (1, 2)]


def test_statistics_by_tfx_are_refused(parts: list[ExampleStatistics], tmp_path: Path) -> None:
    of_tfx = ExampleStatistics(str(GOLDEN / "penguins" / "statistics"))
    of_tfx.splits = ["train", "eval"]
    with pytest.raises(ArtifactError, match=r"expected PartialStats.bin in split 'train', received none: TFX, or"):
        merge([of_tfx], tmp_path)


def test_different_splits_are_refused(parts: list[ExampleStatistics], tmp_path: Path) -> None:
    other = compute(of_month(7, tmp_path, split="train"), tmp_path)
    with pytest.raises(ArtifactError, match=r"only in the first: \['all'\], only in the second: \['train'\]"):
        merge([parts[0], other], tmp_path)


def test_different_options_are_refused(parts: list[ExampleStatistics], tmp_path: Path) -> None:
    options = StatsOptions(num_top_values=3, sample_rate=0.5)
    other = compute(of_month(7, tmp_path), tmp_path, stats_options=options)
    with pytest.raises(
        ArtifactError, match=r"num_top_values=20 and 3; sample_rate=1.0 and 0.5 \(first at .*again with"
    ):
        merge([parts[0], other], tmp_path)


def test_the_same_statistics_twice_are_refused(parts: list[ExampleStatistics], tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="received several times: .*would count twice"):
        merge([*parts, parts[0]], tmp_path)


def copied(statistics: ExampleStatistics, folder: Path, data: bytes) -> ExampleStatistics:
    (folder / "Split-all").mkdir(parents=True)
    (folder / "Split-all" / "PartialStats.bin").write_bytes(data)
    copy = ExampleStatistics(str(folder))
    copy.splits = ["all"]
    return copy


def test_damaged_files_are_refused(parts: list[ExampleStatistics], tmp_path: Path) -> None:
    data = Path(parts[0].path("all"), "PartialStats.bin").read_bytes()
    place = data.index(b"\n") + 1
    cases = {
        "something else": b"PAR1" + data,
        "version=9": data[:place] + struct.pack("<I", 9) + data[place + 4 :],
        "damaged": data[:-100],
        "damaged header": data[: place + 30],
    }
    for index, (message, content) in enumerate(cases.items()):
        with pytest.raises(DataError, match=f"Split-all/PartialStats.bin: expected partial statistics.*{message}"):
            merge([copied(parts[0], tmp_path / str(index), content)], tmp_path / f"out{index}")


@pytest.mark.parametrize(
    "tree",
    [
        {"object": ["subprocess.Popen", {"args": "true"}]},
        {"object": ["basic_stats_generator._PartialStringStats", {"__class__": 1}]},
        {"named": ["os.system", ["true"]]},
        {"default": ["os.system", []]},
        {"sketch": ["__import__", 0]},
        {"array": ["O", [1], 0]},
        {"unknown": 1},
    ],
)
def test_only_known_classes_are_made(parts: list[ExampleStatistics], tmp_path: Path, tree: Any) -> None:
    header = partial_state.loads_header(Path(parts[0].path("all"), "PartialStats.bin").read_bytes(), "here")
    text = json.dumps({"tree": [4, [], tree], "blobs": [8]}).encode()
    body = zlib.compress(struct.pack("<Q", len(text)) + text + b"\0" * 8)
    data = partial_state.dumps(header, None)
    head = data[: len(data) - len(zlib.compress(struct.pack("<Q", 0), 1))]
    start = len(b"mlops_tfx partial statistics\n") + 8
    (length,) = struct.unpack_from("<I", data, start - 4)
    head = data[: start + length]
    with pytest.raises(DataError, match="damaged ones"):
        merge([copied(parts[0], tmp_path / "copy", head + body)], tmp_path)


def test_lift_cannot_be_merged(tmp_path: Path) -> None:
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    from mlops_tfx.artifacts import Schema
    from mlops_tfx.io.protos import write_schema

    text = (
        'feature { name: "origin" type: BYTES string_domain { value: "JFK" } } feature { name: "carrier" type: BYTES }'
    )
    schema = Schema(str(tmp_path / "schema"))
    write_schema(f"{schema.uri}/schema.pbtxt", text_format.Parse(text, schema_pb2.Schema()))
    frame = month(1)[["origin", "carrier"]]
    examples = write_examples(tmp_path / "examples", {"all": frame})
    statistics = compute(examples, tmp_path, schema, stats_options=StatsOptions(label_feature="origin"))
    custom = {entry.name for entry in features_of(statistics)["carrier"].custom_stats}
    assert custom >= {"Lift (Y=JFK)"}, custom
    with pytest.raises(
        ArtifactError, match=r"cannot be merged: LiftStatsGenerator.* can only be computed from the data"
    ):
        merge([statistics], tmp_path)


GENERATORS = "own_generators"


def test_own_generators_are_merged_if_they_are_named(tmp_path: Path) -> None:
    options = StatsOptions(generators=[f"{GENERATORS}.rows"])
    frames = {number: month(number) for number in (1, 2)}
    made = [compute(of_month(number, tmp_path), tmp_path / str(number), stats_options=options) for number in frames]
    with pytest.raises(
        ConfigError, match=r"expected the generators .*own_generators.rows'\], received generators=\[\]"
    ):
        merge(made, tmp_path / "refused")
    merged = merge(made, tmp_path, generators=(f"{GENERATORS}.rows",))
    (custom,) = features_of(merged)["carrier"].custom_stats
    assert (custom.name, custom.num) == ("rows", 8_000)


def test_own_generators_with_objects_cannot_be_merged(tmp_path: Path) -> None:
    name = f"{GENERATORS}.rows_in_an_object"
    made = compute(of_month(1, tmp_path), tmp_path, stats_options=StatsOptions(generators=[name]))
    with pytest.raises(ArtifactError, match="cannot be merged: a generator keeps objects of .*own_generators.Count"):
        merge([made], tmp_path, generators=(name,))
