"""Flights month by month: what each run reads, and the window's numbers, computed a second time from the tables."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlops_tfx.artifacts import Examples
from mlops_tfx.io.examples import count_rows
from mlops_tfx.io.protos import STATISTICS_FILE, read_statistics
from tests.end_to_end.conftest import Example, prepare

pytestmark = pytest.mark.filterwarnings("ignore:np.find_common_type is deprecated:DeprecationWarning")
LINE = re.compile(r"^ +(\d+) +([\d,]+) +([\d,]+) +([\d,]+) +([\d,]+) +(\d+) months$", re.MULTILINE)


def arrive_monthly(folder: Path, months: int) -> tuple[Example, str]:
    example = prepare("flights", folder)
    command = [sys.executable, str(example.project / "spans.py"), "--runs", str(example.runs)]
    finished = example.execute([*command, "--months", str(months)])
    assert finished.returncode == 0, finished.stderr[-5000:]
    return example, finished.stdout


@pytest.fixture(scope="module")
def two_months(tmp_path_factory: pytest.TempPathFactory) -> tuple[Example, str]:
    return arrive_monthly(tmp_path_factory.mktemp("two_months"), 2)


@pytest.fixture(scope="module")
def the_year(tmp_path_factory: pytest.TempPathFactory) -> tuple[Example, str]:
    return arrive_monthly(tmp_path_factory.mktemp("the_year"), 12)


def months_of(example: Example, count: int) -> list[pd.DataFrame]:
    return [pd.read_csv(example.runs / f"arrivals/span-{month:02}/flights.csv") for month in range(1, count + 1)]


def newest(example: Example, node: str, key: str) -> list[Path]:
    return sorted((example.runs / "pipeline" / node / key).iterdir(), key=lambda path: int(path.name))


def check_rows_read(example: Example, printed: str, count: int) -> None:
    lines = [[int(text.replace(",", "")) for text in found] for found in LINE.findall(printed)]
    rows = [len(table) for table in months_of(example, count)]
    train = []
    for path in newest(example, "CsvExampleGen", "examples"):
        examples = Examples(str(path))
        examples.splits = ["train", "eval"]
        train.append(count_rows(examples, "train"))
    expected = [
        [index + 1, rows[index], rows[index], train[index], sum(rows[: index + 1]), index + 1] for index in range(count)
    ]
    assert lines == expected


def check_window(example: Example, count: int) -> None:
    """The merged statistics of both splits are those of all flights so far."""
    flights = pd.concat(months_of(example, count))
    folder = newest(example, "MergeStatistics", "statistics")[-1]
    splits = [read_statistics(f"{folder}/Split-{name}/{STATISTICS_FILE}").datasets[0] for name in ("train", "eval")]
    assert sum(split.num_examples for split in splits) == len(flights)
    for name in ("distance", "temp", "hour"):
        parts = [feature for split in splits for feature in split.features if feature.path.step[0] == name]
        present = [part.num_stats.common_stats.num_non_missing for part in parts]
        means = [part.num_stats.mean for part in parts]
        assert sum(present) == flights[name].count()
        assert np.average(means, weights=present) == pytest.approx(flights[name].mean(), rel=1e-5)
        assert min(part.num_stats.min for part in parts) == pytest.approx(flights[name].min(), rel=1e-6)
        assert max(part.num_stats.max for part in parts) == pytest.approx(flights[name].max(), rel=1e-6)
    carriers: dict[str, float] = {}
    for split in splits:
        (feature,) = [feature for feature in split.features if feature.path.step[0] == "carrier"]
        for bucket in feature.string_stats.rank_histogram.buckets:
            carriers[bucket.label] = carriers.get(bucket.label, 0) + bucket.sample_count
    assert carriers == flights["carrier"].value_counts().to_dict()


def check_graph(example: Example, count: int) -> None:
    """The graph that was computed from the cache has the moments of all train rows of the window."""
    import tensorflow as tf
    import tensorflow_transform as tft

    folder = newest(example, "Transform", "transform_graph")[-1]
    vocabulary = tft.TFTransformOutput(str(folder)).vocabulary_by_name("carrier_vocabulary")
    artifacts = []
    for path in newest(example, "CsvExampleGen", "examples"):
        artifacts += sorted(map(str, path.glob("Split-train/*")))
    counts: dict[bytes, int] = {}
    for record in tf.data.TFRecordDataset(artifacts, "GZIP").as_numpy_iterator():
        carrier = tf.train.Example.FromString(record).features.feature["carrier"].bytes_list.value[0]
        counts[carrier] = counts.get(carrier, 0) + 1
    known = [name for name in vocabulary if name in counts]
    assert set(known) == {name for name, times in counts.items() if name in vocabulary}
    assert known == sorted(known, key=lambda name: (-counts[name], [-byte for byte in name]))


def distances(example: Example, index: int) -> dict[str, Any]:
    folder = newest(example, "ExampleValidator", "anomalies")[index]
    found = json.loads((folder / "Split-train" / "anomalies.json").read_text(encoding="utf-8"))
    return {item["feature"]: item for item in found["distances"]}


def test_two_months_are_read_once_each(two_months: tuple[Example, str]) -> None:
    example, printed = two_months
    check_rows_read(example, printed, 2)
    check_window(example, 2)
    assert "month 2 against January: the features that moved most\nfeature" in printed
    assert distances(example, 1)["month"]["value"] == pytest.approx(1.0, abs=1e-3)


def test_the_graph_knows_the_whole_window(two_months: tuple[Example, str]) -> None:
    check_graph(two_months[0], 2)


@pytest.mark.slow
def test_a_year_of_spans(the_year: tuple[Example, str]) -> None:
    example, printed = the_year
    check_rows_read(example, printed, 12)
    check_window(example, 12)
    check_graph(example, 12)
    assert "month 7 against January" in printed
    drift = distances(example, 6)
    # Months have nothing in common, July is warm; where flights go hardly changes.
    assert drift["month"]["value"] == pytest.approx(1.0, abs=1e-3)
    assert drift["temp"]["value"] > 0.9
    assert drift["origin"]["value"] < 0.05
