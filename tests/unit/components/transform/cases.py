"""What the tests of Transform share: flights as examples, their schema, and the run of one component."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from google.protobuf import text_format

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Artifact, Examples, Schema
from mlops_tfx.components.transform import Transform
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io.examples import read_batches
from tests.golden.statistics.real_data import flights_sample, write_examples

COLUMNS = ["month", "distance", "temp", "wind_gust", "carrier", "tailnum"]
REQUIRED = {"month": "INT", "distance": "INT", "carrier": "BYTES"}
OPTIONAL = {"temp": "FLOAT", "wind_gust": "FLOAT", "tailnum": "BYTES"}


def flights_frame(rows: int) -> pd.DataFrame:
    """Flights with whole numbers, floats with missing values, and text with missing values."""
    return flights_sample(rows)[COLUMNS]


def write_schema(folder: str | os.PathLike[str], extra: str = "", required: Mapping[str, str] = REQUIRED) -> Schema:
    """A schema of the flights: required features are dense, the others sparse."""
    lines = [f'feature {{ name: "{name}" type: {kind} shape {{ dim {{ size: 1 }} }} presence {{ min_fraction: 1 }} }}'
             for name, kind in required.items()]  # fmt: skip
    lines += [f'feature {{ name: "{name}" type: {kind} value_count {{ min: 0 max: 1 }} }}'
              for name, kind in OPTIONAL.items()]  # fmt: skip
    filesystem.write_bytes(os.path.join(folder, "schema.pbtxt"), "\n".join([*lines, extra]).encode())
    return Schema(os.fspath(folder))


def examples_of(folder: str | os.PathLike[str], **splits: Any) -> Examples:
    """Examples with these splits, in shards of about 500 rows."""
    return write_examples(folder, splits, max_shard_bytes=60_000)


def run_transform(
    examples: Examples | list[Examples],
    schema: Schema,
    root: Path,
    inputs: Mapping[str, Artifact] | None = None,
    **kw: Any,
) -> dict[str, Artifact]:
    """Runs Transform and returns its outputs by name, the first artifact of each."""
    outputs = run_component(Transform(**kw), {"examples": examples, "schema": schema, **(inputs or {})}, root)
    return {key: artifacts[0] for key, artifacts in outputs.items()}


def transformed_artifacts(examples: Artifact, count: int) -> list[Examples]:
    """All of the ``count`` transformed artifacts of which this is the first: they lie side by side."""
    assert isinstance(examples, Examples)
    artifacts = [Examples(os.path.join(os.path.dirname(examples.uri), str(index))) for index in range(count)]
    for artifact in artifacts:
        artifact.splits = list(examples.splits)
    return artifacts


def read_frame(examples: Artifact, split: str) -> pd.DataFrame:
    """The rows of a split with their first values; a missing value is None."""
    assert isinstance(examples, Examples)
    rows: dict[str, list[Any]] = {}
    for batch in read_batches(examples, split):
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            rows.setdefault(name, []).extend(values[0] if values else None for values in column.to_pylist())
    return pd.DataFrame(rows)


def read_text_proto(path: str, message: Any) -> Any:
    """Parses a text proto."""
    return text_format.Parse(filesystem.read_bytes(path).decode(), message)


def files_below(folder: str) -> list[str]:
    """Relative paths of all files, hidden ones too."""
    return [os.path.relpath(path, folder) for path in filesystem.walk_files(folder)]
