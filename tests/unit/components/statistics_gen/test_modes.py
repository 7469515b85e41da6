"""The three ways in which statistics are computed write the same bytes, and none loses a row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlops_tfx.artifacts import Examples
from mlops_tfx.components.statistics_gen import StatsOptions, results
from mlops_tfx.components.statistics_gen.modes import process_count
from mlops_tfx.components.statistics_gen.options import make_settings
from mlops_tfx.errors import ArtifactError, DataError
from mlops_tfx.io.examples import Shard, list_shards
from tests.golden.statistics.real_data import as_stored, flights_sample, penguins, write_examples
from tests.unit.components.statistics_gen.cases import FN_API, check_equal, compute, datasets_of, features_of

OWN = "own_generators"
TWO = "--direct_num_workers=2"


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    frame = flights_sample(12_000)
    parts = {
        "train": [frame[start : start + 1_500] for start in range(0, 9_000, 1_500)],
        "eval": [frame[9_000:10_500], frame[10_500:]],
    }
    made = write_examples(tmp_path_factory.mktemp("modes"), parts, max_shard_bytes=400_000)
    assert len(list_shards(made, "train")) >= 3
    return made


def files(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


@pytest.mark.parametrize(
    "options",
    [
        StatsOptions(),
        StatsOptions(weight_feature="distance", slicing_features=["origin", ["origin", "carrier"]]),
        StatsOptions(sample_rate=0.3, slice_functions=[f"{OWN}.late"]),
        StatsOptions(enable_semantic_domain_stats=True, semantic_domain_stats_sample_rate=0.5),
    ],
    ids=["default", "weights and slices", "sample and function", "semantic"],
)
def test_all_modes_write_the_same_bytes(examples: Examples, tmp_path: Path, options: StatsOptions) -> None:
    written = []
    for name, args in (("here", ()), ("processes", (TWO,)), ("beam", (FN_API,))):
        statistics = compute(examples, tmp_path / name, beam_args=args, stats_options=options)
        written.append({split: files(statistics.path(split)) for split in ("train", "eval")})
        assert sorted(written[-1]["train"]) == ["FeatureStats.pb", "PartialStats.bin"]
    assert written[0] == written[1] == written[2]


@pytest.mark.parametrize("args", [(), (TWO,), (FN_API,)], ids=["here", "processes", "beam"])
def test_a_truncated_file_is_named_in_every_mode(tmp_path: Path, args: tuple[str, ...]) -> None:
    frame = flights_sample(4_000)
    made = write_examples(tmp_path / "examples", {"all": [frame[:2_000], frame[2_000:]]}, max_shard_bytes=300_000)
    last = Path(list_shards(made, "all")[-1].uri)
    last.write_bytes(last.read_bytes()[:-2_000])
    with pytest.raises(Exception, match=rf"{last.name}.*(cut short|ends early|damaged|end)"):
        compute(made, tmp_path, beam_args=args)


def test_a_worker_that_is_killed(examples: Examples, tmp_path: Path) -> None:
    options = StatsOptions(slice_functions=[f"{OWN}.dies"])
    with pytest.raises(DataError, match="a worker process of StatisticsGen ended with code 1 before its shards"):
        compute(examples, tmp_path, beam_args=(TWO,), stats_options=options)


def test_rows_that_get_lost_on_the_way_are_noticed(examples: Examples, tmp_path: Path) -> None:
    statistics = compute(examples, tmp_path)
    with pytest.raises(DataError, match=r"split 'train' of .* has 9000 rows, but 8999 were read and statistics were"):
        results.check_rows([examples], "train", 8_999, statistics, make_settings(None), recount=True)
    with pytest.raises(DataError, match=r"has 8999 rows, but 8999 were read and statistics were computed over 9000"):
        results.check_rows([examples], "train", 8_999, statistics, make_settings(None), recount=False)


def test_how_many_processes_are_used(tmp_path: Path) -> None:
    for name, size in (("small", 1_000_000), ("large", 2_000_000_000)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    small = [Shard(str(tmp_path / "small"), "tfrecords_gzip")] * 4
    large = [Shard(str(tmp_path / "large"), "tfrecords_gzip"), *small]
    assert process_count((), small, cores=64) == 1
    assert process_count((), large, cores=64) == 5
    assert process_count((), large, cores=2) == 2
    assert process_count((), large, cores=1) == 1
    assert process_count(("--direct_num_workers=3",), small, cores=64) == 3
    assert process_count(("--direct_num_workers=0",), small, cores=2) == 2
    assert process_count(("--direct_num_workers=1",), large, cores=64) == 1


# Several Examples ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("args", [(), (TWO,), (FN_API,)], ids=["here", "processes", "beam"])
def test_several_examples_count_as_one(tmp_path: Path, args: tuple[str, ...]) -> None:
    frame = flights_sample(6_000)
    parts = []
    for span, start in enumerate((0, 2_000, 5_000), start=3):
        stop = {0: 2_000, 2_000: 5_000, 5_000: 6_000}[start]
        made = write_examples(tmp_path / str(span), {"all": frame[start:stop]})
        made.custom_properties["span"] = span
        parts.append(made)
    statistics = compute(parts, tmp_path / "union", beam_args=args)
    whole = features_of(compute(write_examples(tmp_path / "whole", {"all": frame}), tmp_path))
    assert datasets_of(statistics)[""].num_examples == 6_000
    for name, feature in features_of(statistics).items():
        check_equal(feature, whole[name], None if frame[name].dtype == object else as_stored(frame[name]))
    assert (statistics.span, statistics.custom_properties["spans"]) == (5, "[3, 4, 5]")


def test_a_union_is_wired_like_one_channel(tmp_path: Path) -> None:
    from mlops_tfx.channel import union
    from mlops_tfx.components import StatisticsGen
    from mlops_tfx.resolvers import Importer

    one, two = (Importer(str(tmp_path / name), Examples).with_id(name).outputs["result"] for name in ("a", "b"))
    assert StatisticsGen(union([one, two])).problems == []
    assert StatisticsGen(one).problems == []


def test_different_splits_are_refused(tmp_path: Path) -> None:
    one = write_examples(tmp_path / "one", {"train": penguins(), "eval": penguins()})
    two = write_examples(tmp_path / "two", {"train": penguins(), "test": penguins()})
    with pytest.raises(ArtifactError, match=r"only in the first: \['eval'\], only in the second: \['test'\]"):
        compute([one, two], tmp_path)


def test_different_formats_are_refused(tmp_path: Path) -> None:
    one = write_examples(tmp_path / "one", {"all": penguins()})
    two = write_examples(tmp_path / "two", {"all": penguins()}, "parquet")
    with pytest.raises(DataError, match=r"expected Examples in one format, received several .*/two: FORMAT_PARQUET"):
        compute([one, two], tmp_path)


# Sampling ------------------------------------------------------------------------------------------------------------


def test_sample_rates_by_split(examples: Examples, tmp_path: Path) -> None:
    options = StatsOptions(sample_rate=0.5)
    statistics = compute(examples, tmp_path, stats_options=options, sample_rate_by_split={"eval": 1.0})
    assert json.loads(str(statistics.custom_properties["sample_rate_by_split"])) == {"train": 0.5, "eval": 1.0}
    assert datasets_of(statistics, "eval")[""].num_examples == 3_000
    assert abs(datasets_of(statistics, "train")[""].num_examples - 4_500) < 5 * np.sqrt(9_000 / 4)


def test_wrong_sample_rates_by_split(examples: Examples, tmp_path: Path) -> None:
    from mlops_tfx.components import StatisticsGen
    from mlops_tfx.resolvers import Importer

    channel = Importer(str(tmp_path), Examples).outputs["result"]
    assert StatisticsGen(channel, sample_rate_by_split={"a": 2.0}).problems == [
        "parameter 'sample_rate_by_split': expected rates greater than 0 and at most 1, received a=2.0"
    ]
    with pytest.raises(DataError, match=r"sample_rate_by_split: there is no split 'evl'; did you mean 'eval'\?"):
        compute(examples, tmp_path, sample_rate_by_split={"evl": 0.5})


def test_a_column_with_two_types_is_named(tmp_path: Path) -> None:
    frames: list[Any] = [pd.DataFrame({"x": [1, 2]}), pd.DataFrame({"x": ["a", "b"]})]
    parts = [write_examples(tmp_path / str(index), {"all": frame}) for index, frame in enumerate(frames)]
    with pytest.raises(DataError, match=r"Cannot determine the type of feature x"):
        compute(parts, tmp_path)
