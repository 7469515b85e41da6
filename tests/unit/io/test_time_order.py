"""Splits in order of a feature, against a straight sort."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_tfx import config
from mlops_tfx.artifacts import Examples
from mlops_tfx.components import CsvExampleGen, FileBasedExampleGen
from mlops_tfx.errors import ConfigError, DataError
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io import examples as examples_io
from mlops_tfx.io.columns import concat, to_example_form
from mlops_tfx.io.partition import Partition
from mlops_tfx.io.rows import Rows
from mlops_tfx.io.time_order import fit

SHARES = (("train", 6), ("eval", 3), ("test", 1))


def batches(values: list[Any], size: int = 7) -> list[Rows]:
    parts = [values[start : start + size] for start in range(0, len(values), size)]
    return [Rows(to_example_form(pa.RecordBatch.from_pydict({"t": part}))) for part in parts]


def divided(values: list[Any], shares: Any = SHARES) -> list[list[Any]]:
    with TemporaryDirectory() as folder:
        fitted = fit(Partition(shares, order_by="t"), batches(values), str(Path(folder) / "keys"))
    found: list[list[Any]] = [[] for _ in shares]
    assigned = [split for rows in batches(values, 11) for split in fitted.assign(rows)]
    for value, split in zip(values, assigned, strict=True):
        found[split].append(value)
    return found


def nearest_cut(values: list[Any], wanted: int) -> int:
    """How many rows are before a cut: at the value of this rank, before or after all that equal it."""
    ordered = sorted(values)
    less = sum(value < ordered[wanted - 1] for value in ordered)
    through = sum(value <= ordered[wanted - 1] for value in ordered)
    return through if through - wanted <= wanted - less else less


VALUES = {
    "integers": st.integers(-(2**63), 2**63 - 1),
    "close integers": st.integers(-300, 300),
    "floats": st.floats(width=32, allow_nan=False),
    "text": st.binary(max_size=12).filter(lambda value: not value.endswith(b"\0")),
}


@pytest.mark.parametrize("kind", VALUES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_splits_are_those_of_a_sort(kind: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(VALUES[kind], min_size=30, max_size=80, unique=True))
    train, evaluation, test = divided(values)
    ends = [nearest_cut(values, max(1, round(len(values) * share / 10))) for share in (6, 9)]
    ordered = sorted(values)
    assert sorted(train) == ordered[: ends[0]]
    assert sorted(evaluation) == ordered[ends[0] : ends[1]]
    assert sorted(test) == ordered[ends[1] :]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=30, max_size=200))
def test_equal_values_stay_together(values: list[int]) -> None:
    try:
        found = divided(values, (("old", 2), ("new", 1)))
    except DataError:
        assert nearest_cut(values, round(len(values) * 2 / 3)) in (0, len(values))
        return
    assert max(found[0]) < min(found[1])
    assert len(found[0]) == nearest_cut(values, max(1, round(len(values) * 2 / 3)))


def test_minus_zero_is_zero() -> None:
    with pytest.raises(DataError, match="split 'new' would be empty"):
        divided([0.0, -0.0, 0.0, -0.0], (("old", 3), ("new", 1)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, None, 3], "column 't': expected a value in every row, because rows are ordered by it"),
        ([[1, 2], [3]], "expected one value per row"),
        ([1.0, float("nan")], "received nan"),
        ([b"x" * 300, b"y"], "expected at most 256 bytes to order rows by, received 300"),
        ([5] * 20, "so few that split 'eval' would be empty"),
    ],
)
def test_wrong_values(values: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        divided(values)


def test_values_of_two_types(tmp_path: Path) -> None:
    rows = [*batches([1, 2]), *batches([1.5, 2.5])]
    with pytest.raises(DataError, match="expected values of one type, received int64 and float"):
        fit(Partition(SHARES, order_by="t"), rows, str(tmp_path / "keys"))


def output(**fields: Any) -> config.Output:
    splits = [config.SplitConfig.Split(name=name, hash_buckets=buckets) for name, buckets in SHARES]
    return config.Output(split_config=config.SplitConfig(splits=splits, **fields))


def test_the_newest_rows_of_a_csv_file_are_the_last_split(tmp_path: Path) -> None:
    times = np.random.default_rng(0).permutation(1000)
    (tmp_path / "in").mkdir()
    lines = [f"2024-01-01T{t // 60:02}:{t % 60:02},{t}" for t in times.tolist()]
    (tmp_path / "in" / "a.csv").write_text("time,n\n" + "\n".join(lines))
    component = CsvExampleGen(str(tmp_path / "in"), output_config=output(order_by="time"))
    (artifact,) = run_component(component, {}, tmp_path)["examples"]
    assert isinstance(artifact, Examples)
    expected = {"train": range(600), "eval": range(600, 900), "test": range(900, 1000)}
    for split, numbers in expected.items():
        found = concat(list(examples_io.read_batches(artifact, split, columns=["n"]))).column(0).flatten().to_pylist()
        assert found == [t for t in times.tolist() if t in numbers], "rows keep their order within a split"


def test_wrong_uses(tmp_path: Path) -> None:
    import apache_beam as beam

    with pytest.raises(ConfigError, match="at most one of partition_feature_name, order_by"):
        output(order_by="a", partition_feature_name="b")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("time,n\n1,2\n")
    with pytest.raises(DataError, match="by which rows are ordered, received 'tme', which there is not; did you mean"):
        run_component(CsvExampleGen(str(tmp_path / "in"), output_config=output(order_by="tme")), {}, tmp_path)
    component = FileBasedExampleGen(
        str(tmp_path / "in"), output_config=output(order_by="t"), custom_executor_spec=lambda split: beam.Create([])
    )
    with pytest.raises(ConfigError, match="received a query or a Beam"):
        run_component(component, {}, tmp_path / "b")
