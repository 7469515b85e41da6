"""Rows of BigQuery, through Beam's connector, as record batches with the types that BigQuery says they have.

Not verified against the real service: the tests put a fake in the place of Beam's connector and of the client.
"""

from __future__ import annotations

import base64
import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from mlops_tfx.errors import DataError

_BATCH_ROWS = 5000
_INTEGERS, _FLOATS, _BOOLEANS = ("INTEGER", "INT64"), ("FLOAT", "FLOAT64"), ("BOOLEAN", "BOOL")
_TYPES: dict[str, pa.DataType] = {
    **dict.fromkeys(_INTEGERS, pa.int64()),
    **dict.fromkeys(_FLOATS, pa.float64()),
    **dict.fromkeys(_BOOLEANS, pa.bool_()),
    **dict.fromkeys(("STRING", "GEOGRAPHY", "JSON"), pa.large_string()),
    "BYTES": pa.large_binary(),
    **dict.fromkeys(("NUMERIC", "DECIMAL"), pa.decimal128(38, 9)),
    **dict.fromkeys(("BIGNUMERIC", "BIGDECIMAL"), pa.decimal256(76, 38)),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "DATETIME": pa.timestamp("us"),
    "TIMESTAMP": pa.timestamp("us", "UTC"),
}


def result_types(query: str, project: str | None) -> dict[str, pa.DataType]:
    """Asks BigQuery which columns a query returns, by a dry run, which costs nothing.

    Raises:
        ImportError: the client library is not installed.
        DataError: a column cannot be a feature; names it.
    """
    try:
        from google.cloud import bigquery
    except ImportError as error:
        raise ImportError("BigQueryExampleGen needs Google's client library: pip install 'apache-beam[gcp]'") from error
    job_config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False)
    job = bigquery.Client(project=project).query(query, job_config=job_config)
    return column_types([(field.name, field.field_type, field.mode) for field in job.schema or ()])


def column_types(fields: Iterable[tuple[str, str, str]]) -> dict[str, pa.DataType]:
    """Plain Arrow types by column.

    Args:
        fields: name, BigQuery type and mode (such as REPEATED) of every column.

    Raises:
        DataError: a column cannot be a feature; names it.
    """
    types: dict[str, pa.DataType] = {}
    for name, kind, mode in fields:
        if kind not in _TYPES:
            nested = kind in ("RECORD", "STRUCT")
            advice = f"select its fields, such as {name}.field AS {name}_field" if nested else "convert it in the query"
            raise DataError(
                f"column {name!r}: expected numbers, booleans, text, bytes, dates, times or arrays of these, received "
                f"BigQuery type {kind}; {advice}"
            )
        types[name] = pa.list_(_TYPES[kind]) if mode == "REPEATED" else _TYPES[kind]
    if not types:
        raise DataError("expected a query that returns columns, received none")
    return types


def to_batch(rows: Sequence[Mapping[str, Any]], types: Mapping[str, pa.DataType], base64_bytes: bool) -> pa.RecordBatch:
    """Rows as BigQuery's connector gives them, as plain columns.

    Args:
        rows: values by column; None, and a column that is not there, is a missing value.
        types: from `column_types`.
        base64_bytes: whether BYTES are encoded, as in exports as JSON.

    Raises:
        DataError: a value is not of its column's type; names the column.
    """
    arrays = []
    for name, data_type in types.items():
        try:
            arrays.append(_column([row.get(name) for row in rows], data_type, base64_bytes))
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise DataError(f"column {name!r}: expected values of type {data_type}: {error}") from error
    return pa.RecordBatch.from_arrays(arrays, list(types))


def _column(cells: list[Any], data_type: pa.DataType, base64_bytes: bool) -> pa.Array:
    if pa.types.is_list(data_type):
        items: list[Any] = []
        offsets = [0]
        for cell in cells:
            items += cell or ()
            offsets.append(len(items))
        return pa.ListArray.from_arrays(
            pa.array(offsets, pa.int32()), _column(items, data_type.value_type, base64_bytes)
        )
    if pa.types.is_large_binary(data_type) and base64_bytes:
        cells = [None if cell is None else base64.b64decode(cell) for cell in cells]
    if any(isinstance(cell, str) for cell in cells) and not pa.types.is_large_string(data_type):
        # Exports as JSON, and DATETIME in all exports, are text.
        texts = [None if cell is None else str(cell).removesuffix(" UTC") for cell in cells]
        return _from_text(pa.array(texts, pa.string()), data_type)
    return pa.array(cells, data_type)


def _from_text(texts: pa.Array, data_type: pa.DataType) -> pa.Array:
    if pa.types.is_date(data_type):
        return texts.cast(pa.timestamp("s")).cast(data_type)
    if pa.types.is_timestamp(data_type):
        return texts.cast(pa.timestamp(data_type.unit)).cast(data_type)
    if pa.types.is_decimal(data_type):
        return pa.array([None if text is None else Decimal(text) for text in texts.to_pylist()], data_type)
    if pa.types.is_time(data_type):
        parse = datetime.time.fromisoformat
        return pa.array([None if text is None else parse(text) for text in texts.to_pylist()], data_type)
    return texts.cast(data_type)


class ReadQuery(beam.PTransform):
    """Runs a query; elements are record batches.

    Args:
        query: in standard SQL.
        types: from `result_types`.
        options: further arguments of Beam's ``ReadFromBigQuery``.
    """

    def __init__(self, query: str, types: Mapping[str, pa.DataType], options: Mapping[str, Any]) -> None:
        super().__init__()
        self._query = query
        self._types = dict(types)
        self._options = dict(options)

    def expand(self, pipeline: Any) -> Any:
        """Applies the connector, and makes batches of its rows."""
        options = dict(self._options)
        if isinstance(options.get("temp_dataset"), str):
            options["temp_dataset"] = _dataset(options["temp_dataset"])
        rows = pipeline | beam.io.ReadFromBigQuery(query=self._query, use_standard_sql=True, **options)
        return rows | "Batches" >> beam.ParDo(_MakeBatches(self._types, bool(options.get("use_json_exports"))))


def _dataset(text: str) -> Any:
    from apache_beam.io.gcp.internal.clients.bigquery import DatasetReference

    project, _, dataset = text.replace(":", ".").rpartition(".")
    return DatasetReference(projectId=project or None, datasetId=dataset)


class _MakeBatches(beam.DoFn):
    """Gathers the rows of a bundle into record batches."""

    def __init__(self, types: Mapping[str, pa.DataType], base64_bytes: bool) -> None:
        super().__init__()
        self._types = types
        self._base64_bytes = base64_bytes

    def start_bundle(self) -> None:
        self._rows: list[Mapping[str, Any]] = []

    def process(self, row: Mapping[str, Any]) -> Iterator[pa.RecordBatch]:
        self._rows.append(row)
        if len(self._rows) >= _BATCH_ROWS:
            yield self._batch()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        if self._rows:
            yield WindowedValue(self._batch(), 0, [GlobalWindow()])

    def _batch(self) -> pa.RecordBatch:
        rows, self._rows = self._rows, []
        return to_batch(rows, self._types, self._base64_bytes)
