"""Random record batches in tf.Example form, for hypothesis."""

from __future__ import annotations

import math
import struct
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

TYPES = {"int": pa.int64(), "float": pa.float32(), "bytes": pa.large_binary()}
_VALUES = {
    "int": st.integers(-(2**63), 2**63 - 1) | st.integers(-300, 300),
    "float": st.floats(width=32, allow_nan=True, allow_infinity=True),
    "bytes": st.binary(max_size=12) | st.text(max_size=12).map(str.encode) | st.just(b"x" * 200),
}
_NAMES = st.text(min_size=0, max_size=8).filter(lambda text: text.isprintable())


@st.composite
def columns(draw: st.DrawFn, rows: int, kind: str) -> pa.Array:
    if kind == "null":
        return pa.nulls(rows)
    values = st.lists(_VALUES[kind], max_size=draw(st.sampled_from([1, 4])))
    cells = draw(st.lists(st.none() | values, min_size=rows, max_size=rows))
    return pa.array(cells, pa.large_list(TYPES[kind]))


@st.composite
def batches(draw: st.DrawFn, max_rows: int = 12) -> pa.RecordBatch:
    rows = draw(st.integers(1, max_rows))
    names = draw(st.lists(_NAMES, min_size=1, max_size=5, unique=True))
    kinds = [draw(st.sampled_from(["int", "float", "bytes", "null"])) for _ in names]
    return pa.RecordBatch.from_arrays([draw(columns(rows, kind)) for kind in kinds], names)


def rows_of(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Rows without their missing features, floats as bits so that NaN and -0.0 compare."""
    return [{name: _bits(value) for name, value in row.items() if value} for row in batch.to_pylist()]


def _bits(values: list[Any]) -> list[Any]:
    return [_float_bits(value) if isinstance(value, float) else value for value in values]


def _float_bits(value: float) -> str:
    return "nan" if math.isnan(value) else struct.pack("<f", value).hex()
