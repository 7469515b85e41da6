"""The tabular pipeline with nothing replaced: the schema alone decides on preprocessing and model."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from mlops_tfx.components.evaluator import read_metrics
from mlops_tfx.execution import LocalRunner
from mlops_tfx.execution.observer import Observer
from mlops_tfx.pipelines.tabular import tabular_pipeline

ROWS = 3000


def write_houses(folder: Path) -> float:
    """Houses whose price is known but for noise and, in a tenth of the rows, a gap.

    Returns the squared error of the best possible prediction: the noise, and in a thirtieth of the rows each the
    variance that area, rooms or district would have explained.
    """
    random = np.random.default_rng(1)
    folder.mkdir()
    with open(folder / "houses.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["area", "rooms", "district", "price"])
        for number in range(ROWS):
            area, rooms = random.uniform(40, 200), int(random.integers(1, 6))
            district = ["north", "south", "west"][int(random.integers(3))]
            price = 2000 * area + 10_000 * rooms + {"north": 50_000, "south": 0, "west": -40_000}[district]
            price += random.normal(0, 5000)
            cells = [f"{area:.1f}", rooms, district, f"{price:.2f}"]
            if number % 10 == 0:
                cells[number // 10 % 3] = ""
            writer.writerow(cells)
    area_variance = 2000.0**2 * (200 - 40) ** 2 / 12
    rooms_variance = 10_000.0**2 * 2
    district_variance = float(np.var([50_000, 0, -40_000]))
    return 5000.0**2 + (area_variance + rooms_variance + district_variance) / 30


@pytest.mark.filterwarnings("ignore")  # the libraries' own, in whatever thread they come
def test_a_regression_with_gaps_in_the_features(tmp_path: Path) -> None:
    best = write_houses(tmp_path / "data")
    pipeline = tabular_pipeline(
        name="houses",
        data=tmp_path / "data",
        label="price",
        task="regression",
        pipeline_root=tmp_path / "root",
        push_to=tmp_path / "serving",
        slices=["district"],
    )
    result = LocalRunner(observer=Observer()).run(pipeline)
    rows = read_metrics(result.outputs["Evaluator"]["evaluation"][0].uri)
    error = next(r["value"] for r in rows if r["slice"] == "Overall" and r["metric"] == "mean_squared_error")
    # A thousand rows hold some 33 of the costly gaps, so the measured error varies; prices vary 25 times as much.
    assert 0.5 * best < error < 1.6 * best
    assert len(list((tmp_path / "serving").iterdir())) == 1
