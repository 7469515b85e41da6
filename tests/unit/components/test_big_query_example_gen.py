"""BigQueryExampleGen with a fake of Beam's connector and of the client in their places; queries of spans."""

from __future__ import annotations

import base64
import datetime as dt
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest

from mlops_tfx import config
from mlops_tfx.artifacts import Examples
from mlops_tfx.component import Component
from mlops_tfx.components import BigQueryExampleGen, QueryBasedExampleGen
from mlops_tfx.errors import DataError, WiringError
from mlops_tfx.execution.testing import run_component
from mlops_tfx.ingestion import big_query
from mlops_tfx.ingestion.queries import query_of_span
from mlops_tfx.io import examples as examples_io

UTC = dt.timezone.utc
MOMENT = dt.datetime(2013, 1, 14, 12, 30, 0, 5, tzinfo=UTC)
MICROS = (MOMENT - dt.datetime(1970, 1, 1, tzinfo=UTC)) // dt.timedelta(microseconds=1)
FIELDS = [
    ("i", "INTEGER", "REQUIRED"), ("f", "FLOAT", "NULLABLE"), ("s", "STRING", "NULLABLE"), ("b", "BYTES", "NULLABLE"),
    ("flag", "BOOLEAN", "NULLABLE"), ("n", "NUMERIC", "NULLABLE"), ("big", "BIGNUMERIC", "NULLABLE"),
    ("d", "DATE", "NULLABLE"), ("t", "TIME", "NULLABLE"), ("dt", "DATETIME", "NULLABLE"),
    ("ts", "TIMESTAMP", "NULLABLE"), ("r", "INTEGER", "REPEATED"), ("rs", "STRING", "REPEATED"),
]  # fmt: skip
ROW: dict[str, Any] = {
    "i": 0, "f": 0.5, "s": "", "b": b"\xff", "flag": False, "n": Decimal("1.250000000"), "big": Decimal("0.5"),
    "d": dt.date(2013, 1, 14), "t": dt.time(0, 0, 1), "dt": "2013-01-14T12:30:00.000005", "ts": MOMENT, "r": [1, 2],
    "rs": [],
}  # fmt: skip
FEATURES = {
    "i": [0], "f": [0.5], "s": [b""], "b": [b"\xff"], "flag": [0], "n": [1.25], "big": [0.5], "d": [15719],
    "t": [1_000_000], "dt": [MICROS], "ts": [MICROS], "r": [1, 2], "rs": None,
}  # fmt: skip


def rows_of(query: str) -> list[dict[str, Any]]:
    """What the fake returns: the row above, some with everything missing."""
    count = int(query.rsplit(" ", 1)[-1])
    empty = {name: [] if mode == "REPEATED" else None for name, _, mode in FIELDS}
    return [{**(ROW if n % 3 else empty), "i": n} for n in range(count)]


class FakeReadFromBigQuery(beam.PTransform):
    calls: list[dict[str, Any]] = []  # cleared by the fixture

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self.arguments = arguments
        FakeReadFromBigQuery.calls.append(arguments)

    def expand(self, pipeline: Any) -> Any:
        return pipeline | beam.Create([self.arguments["query"]]) | beam.FlatMap(rows_of)


class FakeClient:
    projects: list[str | None] = []  # cleared by the fixture

    def __init__(self, project: str | None) -> None:
        self.projects.append(project)

    def query(self, query: str, job_config: Any) -> Any:
        assert job_config.dry_run
        return SimpleNamespace(schema=[SimpleNamespace(name=n, field_type=t, mode=m) for n, t, m in FIELDS])


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from google.cloud import bigquery

    monkeypatch.setattr(beam.io, "ReadFromBigQuery", FakeReadFromBigQuery)
    monkeypatch.setattr(bigquery, "Client", FakeClient)
    FakeReadFromBigQuery.calls.clear()
    FakeClient.projects.clear()
    yield


def run(component: Component, root: Path) -> list[Examples]:
    return [item for item in run_component(component, {}, root)["examples"] if isinstance(item, Examples)]


def read(examples: Examples) -> list[dict[str, Any]]:
    batches = (batch for split in examples.splits for batch in examples_io.read_batches(examples, split))
    return [row for batch in batches for row in batch.to_pylist()]


def static(start: int, end: int) -> config.RangeConfig:
    return config.RangeConfig(static_range=config.StaticRange(start_span_number=start, end_span_number=end))


@pytest.mark.parametrize(
    "file_format", [config.FileFormat.FORMAT_TFRECORDS_GZIP, config.FileFormat.FILE_FORMAT_PARQUET]
)
def test_rows_of_every_type(tmp_path: Path, file_format: config.FileFormat) -> None:
    component = BigQueryExampleGen(
        query="select * from t limit 30",
        custom_config={"temp_dataset": "p.scratch", "method": "EXPORT", "project": "paying"},
        output_file_format=file_format,
    )
    (examples,) = run(component, tmp_path)
    rows = sorted(read(examples), key=lambda row: row["i"])
    assert list(examples.splits) == ["train", "eval"]
    missing = dict.fromkeys(FEATURES)
    assert rows == [{**(FEATURES if n % 3 else missing), "i": [n]} for n in range(30)]
    (call,) = FakeReadFromBigQuery.calls
    assert FakeClient.projects == ["paying"]
    assert (call["use_standard_sql"], call["method"]) == (True, "EXPORT")
    assert (call["temp_dataset"].projectId, call["temp_dataset"].datasetId) == ("p", "scratch")


def test_splits_by_query(tmp_path: Path) -> None:
    splits = [config.Input.Split(name=name, pattern=f"select {count}") for name, count in (("train", 20), ("eval", 10))]
    component = BigQueryExampleGen(input_config=config.Input(splits=splits))
    (examples,) = run(component, tmp_path)
    assert {split: examples_io.count_rows(examples, split) for split in examples.splits} == {"train": 20, "eval": 10}


def test_a_query_of_several_spans(tmp_path: Path) -> None:
    query = "select * from t where day = @span_yyyymmdd_utc and ts between @span_begin_timestamp and 5"
    artifacts = run(BigQueryExampleGen(query=query, range_config=static(2, 3)), tmp_path)
    assert [artifact.custom_properties["span"] for artifact in artifacts] == [2, 3]
    assert [call["query"] for call in FakeReadFromBigQuery.calls] == [
        "select * from t where day = '19700103' and ts between 172800 and 5",
        "select * from t where day = '19700104' and ts between 259200 and 5",
    ]


def test_variables_are_replaced_as_tfx_does() -> None:
    # TFX 1.16: utils.get_query_for_span("...", 18628)
    query = "@span_yyyymmdd_utc BETWEEN @span_begin_timestamp AND @span_end_timestamp, @span_begin_timestamp"
    assert query_of_span(query, 18628) == "'20210101' BETWEEN 1609459200 AND 1609545600, 1609459200"
    assert query_of_span("select 1", 5) == "select 1"


def test_json_exports() -> None:
    types = big_query.column_types(FIELDS)
    row = {
        **ROW,
        "b": base64.b64encode(b"\xff"),
        "d": "2013-01-14",
        "t": "00:00:01",
        "ts": "2013-01-14 12:30:00.000005 UTC",
        "n": "1.25",
    }
    batch = big_query.to_batch([row, {}], types, base64_bytes=True)
    assert batch.to_pylist()[0] == {
        **ROW,
        "big": Decimal("0.5"),
        "dt": dt.datetime(2013, 1, 14, 12, 30, 0, 5),
        "n": Decimal("1.25"),
    }
    assert {value for name, value in batch.to_pylist()[1].items() if name not in ("r", "rs")} == {None}


def test_columns_and_values_that_cannot_be() -> None:
    with pytest.raises(DataError, match=r"column 'user': .*STRUCT; select its fields, such as user.field"):
        big_query.column_types([("user", "STRUCT", "NULLABLE")])
    with pytest.raises(DataError, match="column 'x': .*INTERVAL; convert it in the query"):
        big_query.column_types([("x", "INTERVAL", "NULLABLE")])
    with pytest.raises(DataError, match="expected a query that returns columns"):
        big_query.column_types([])
    with pytest.raises(DataError, match="column 'i': expected values of type int64"):
        big_query.to_batch([{"i": "x"}], {"i": pa.int64()}, base64_bytes=False)


def test_without_the_client_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import google.cloud

    monkeypatch.setitem(sys.modules, "google.cloud.bigquery", None)
    monkeypatch.delattr(google.cloud, "bigquery")
    with pytest.raises(ImportError, match=r"needs Google's client library: pip install 'apache-beam\[gcp\]'"):
        big_query.result_types("select 1", None)


SPLIT = config.Input(splits=[config.Input.Split(name="all", pattern="select @span_end_timestamp")])
ROLLING = config.RangeConfig(rolling_range=config.RollingRange(num_spans=1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "expected exactly one of query and input_config, received none"),
        ({"query": "q", "input_config": SPLIT}, "expected exactly one of query and input_config, received both"),
        ({"input_config": SPLIT}, "input split 'all': the query has variables of a span; expected range_config"),
        (
            {"input_config": SPLIT, "range_config": ROLLING},
            "expected a static_range: a query does not tell which spans",
        ),
        ({"query": "q", "range_config": static(5, 4)}, "expected a range that ends after it begins, received spans 5"),
        ({"query": "q", "range_config": static(1, 2)}, "expected one of @span_begin_timestamp, .*same rows"),
        ({"query": "q", "custom_config": {"temp_datset": "x"}}, "no option 'temp_datset'; did you mean 'temp_dataset'"),
        ({"query": "q", "custom_executor_spec": 5}, "expected a function or class as custom_executor_spec"),
    ],
)
def test_arguments_that_cannot_be(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(WiringError, match=message):
        run(BigQueryExampleGen(**arguments), tmp_path)


def test_a_subclass_and_a_function(tmp_path: Path) -> None:
    class DataBaseExampleGen(QueryBasedExampleGen):
        """Runs queries somewhere."""

        def read(self, query: str) -> Any:
            return [pa.RecordBatch.from_arrays([pa.array(np.arange(len(query)))], ["n"])]

    one = config.Input(splits=[config.Input.Split(name="all", pattern="select 1")])
    (examples,) = run(DataBaseExampleGen(one, range_config=static(7, 7)), tmp_path)
    assert sorted(row["n"][0] for row in read(examples)) == list(range(8))
    assert examples.custom_properties["span"] == 7
    with pytest.raises(NotImplementedError, match="QueryBasedExampleGen must define read"):
        run(QueryBasedExampleGen(one), tmp_path / "bare")
    with pytest.raises(WiringError, match="expected input_config with a query"):
        run(QueryBasedExampleGen(config.Input()), tmp_path / "none")
