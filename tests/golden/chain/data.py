"""The CSV files of the whole-chain comparison. ``python -m tests.golden.chain.data`` writes them anew.

``flights.csv.gz``: 2,000 flights with missing numbers and text, multi-byte text and a label. ``skewed.csv.gz``: the
same kind of data with an unknown category, a column that is gone and one that is new.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd

from tests.golden.statistics.real_data import flights_sample

HERE = Path(__file__).parent
CITIES = ["Zürich", "São Paulo", "東京", "Київ", "Ελλάδα", 'naïve, "quoted"', "🛫 Newark", ""]


def flights() -> pd.DataFrame:
    """2,000 rows of 10 columns."""
    frame = flights_sample(2_000)
    rng = np.random.default_rng(7)
    chosen = frame[["month", "day", "carrier", "origin", "tailnum", "distance", "temp", "wind_speed"]].copy()
    chosen["city"] = rng.choice(CITIES, len(frame), p=[0.3, 0.2, 0.15, 0.1, 0.1, 0.05, 0.05, 0.05])
    chosen["late"] = (frame["dep_delay"].fillna(0) > 15).astype(int)
    return chosen


def skewed() -> pd.DataFrame:
    """500 rows that do not fit the schema of `flights`."""
    frame = flights().head(500).drop(columns=["day"])
    frame.loc[frame.index % 5 == 0, "origin"] = "ZRH"
    frame["gate"] = "B12"
    return frame


def write(path: Path, frame: pd.DataFrame) -> None:
    """Writes a frame as gzip CSV; equal frames give equal bytes."""
    with gzip.GzipFile(path, "wb", mtime=0) as file:
        file.write(frame.to_csv(index=False).encode())


if __name__ == "__main__":
    write(HERE / "flights.csv.gz", flights())
    write(HERE / "skewed.csv.gz", skewed())
