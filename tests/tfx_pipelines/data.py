"""The CSV files that the pipelines read. ``python -m tests.tfx_pipelines.data`` writes them anew.

``penguins``: the 333 penguins of which everything was measured. ``penguins_gaps``: all 344. ``flights``: 900 flights.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tests.golden.statistics.real_data import flights_sample, penguins

HERE = Path(__file__).parent / "data"
FLIGHT_COLUMNS = ["month", "day", "carrier", "origin", "dest", "distance", "temp", "wind_speed"]


def tables() -> dict[str, pd.DataFrame]:
    """Name to table."""
    everyone = penguins().astype({"year": int})
    measured = everyone.dropna().astype({"flipper_length_mm": int, "body_mass_g": int})
    departures = flights_sample(1_000).dropna(subset=[*FLIGHT_COLUMNS, "dep_delay"]).head(900)
    flights = departures[FLIGHT_COLUMNS].assign(late=(departures["dep_delay"] > 15).astype(int))
    return {"penguins": measured, "penguins_gaps": everyone, "flights": flights}


if __name__ == "__main__":
    for name, table in tables().items():
        (HERE / name).mkdir(parents=True, exist_ok=True)
        table.to_csv(HERE / name / f"{name}.csv", index=False)
