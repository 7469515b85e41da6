"""Rows as tf.Examples: many rows at once give what rows one by one give, and who does not fit is named."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_tfx.serving.clients import inputs
from mlops_tfx.serving.clients.descriptions import SignatureDescription, TensorDescription
from mlops_tfx.serving.clients.inputs import Rows
from mlops_tfx.serving.protos import message

DTYPES = {"i": "DT_INT64", "f": "DT_FLOAT", "t": "DT_STRING"}
NUMBERS = st.integers(-(2**20), 2**20)
VALUES = {
    "i": st.none() | NUMBERS | NUMBERS.map(float) | st.lists(NUMBERS, max_size=2),
    "f": st.none() | NUMBERS | st.floats(width=32) | st.integers(-(2**62), 2**62),
    "t": st.none() | st.text(max_size=3) | st.binary(max_size=3),
}


def features(encoded: bytes) -> dict[str, Any]:
    """Feature -> kind and values; NaN as text, so that it compares."""
    found = {}
    for name, feature in message("tensorflow.Example").FromString(encoded).features.feature.items():
        kind = feature.WhichOneof("kind")
        if kind:
            found[name] = (kind, [repr(value) for value in getattr(feature, kind).value])
    return {name: value for name, value in found.items() if value[1]}


@settings(deadline=None)  # the first example imports pyarrow
@given(st.lists(st.fixed_dictionaries({}, optional=VALUES), min_size=16, max_size=20))
def test_many_rows_are_as_single_rows(rows: list[dict[str, Any]]) -> None:
    together = inputs.examples(Rows(rows), DTYPES)
    single = [inputs.examples(Rows([row]), DTYPES)[0] for row in rows]
    assert [features(one) for one in together] == [features(one) for one in single]


@pytest.mark.parametrize("count", [1, 40])
@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"i": 1.5}, "feature 'i': .*received 1.5"),
        ({"f": 1e300}, "feature 'f': .*fit into DT_FLOAT"),
        ({"f": -(10**400)}, "feature 'f'"),
        ({"f": "a"}, "feature 'f'"),
        ({"t": 1}, "feature 't': expected text or bytes"),
        ({"i": 2**63}, "feature 'i'"),
    ],
)
def test_the_row_that_does_not_fit_is_named(row: dict[str, Any], text: str, count: int) -> None:
    rows = [{"i": 1, "f": 0.5, "t": "a"}] * (count - 1) + [row]
    with pytest.raises(ValueError, match=f"row {count - 1}: {text}"):
        inputs.examples(Rows(rows), DTYPES)


def test_many_rows_by_their_values() -> None:
    rows = [{"a": index, "b": np.float32(index), "c": "x"} for index in range(40)]
    encoded = inputs.examples(Rows(rows), {})
    assert features(encoded[7]) == {
        "a": ("int64_list", ["7"]),
        "b": ("float_list", ["7.0"]),
        "c": ("bytes_list", ["b'x'"]),
    }


RAW = SignatureDescription(
    {name: TensorDescription(dtype, None) for name, dtype in {**DTYPES, "u": "DT_UINT64"}.items()}, {}, ""
)
EXAMPLES = SignatureDescription({"examples": TensorDescription("DT_STRING", (None,))}, {}, "")
NONE = -(2**63)


def tensor(given: Any) -> Any:
    """The only tensor that is sent; NaN as None."""
    (array,) = inputs.tensors(inputs.read(given), RAW, DTYPES).values()
    return [None if value != value else value for value in array.tolist()]


def example(given: Any) -> list[Any]:
    """The values of the only feature, row by row; None where a row does not have it."""
    found = [features(encoded) for encoded in inputs.tensors(inputs.read(given), EXAMPLES, DTYPES)["examples"]]
    return [[float(text) for text in row["f" if "f" in row else "i"][1]] if row else None for row in found]


@pytest.mark.parametrize("form", ["frame", "Arrow", "Series", "Arrow column"])
@pytest.mark.parametrize(
    ("column", "integers"),
    [
        (pd.Series([1, None, 3], dtype="Int64"), [1, None, 3]),
        (pd.Series([1.0, np.nan, 3.0]), [1, None, 3]),
        (pd.Series([1.0, np.nan, 3.0], dtype="float16"), [1, None, 3]),
        (pd.Series([True, None, False], dtype="boolean"), [1, None, 0]),
        (pd.Series(pd.Categorical([1, None, 3])), [1, None, 3]),
        (pd.Series([1, None, 3], dtype=object), [1, None, 3]),
        (pd.Series([None, None, None], dtype=object), [None, None, None]),
        (pd.Series(pd.to_datetime(["1970-01-01T00:00:01", None, "1970-01-01T00:01:00"])), [10**6, None, 6 * 10**7]),
        (pd.Series(pd.to_timedelta([1, None, 3], unit="s")), [1_000_000, None, 3_000_000]),
        (pd.Series([datetime.date(1970, 1, 11), None, datetime.date(1970, 1, 2)]), [10, None, 1]),
    ],
    ids=["Int64", "float", "half", "boolean", "categories", "objects", "None", "datetimes", "durations", "dates"],
)
def test_columns_of_every_kind_mean_the_same(column: Any, integers: list[Any], form: str) -> None:
    """To a tensor and to a tf.Example; dates and times are what ingestion makes of them in training."""

    def given(name: str) -> Any:
        if form == "frame":
            return pd.DataFrame({name: column})
        if form == "Arrow":
            return pa.Table.from_pandas(pd.DataFrame({name: column}))
        return {name: column if form == "Series" else pa.array(column, from_pandas=True)}

    assert tensor(given("i")) == [NONE if value is None else value for value in integers]
    floats = [None if value is None else float(np.float32(value)) for value in integers]
    assert tensor(given("f")) == floats
    assert example(given("i")) == [None if value is None else [value] for value in integers]
    assert example(given("f")) == [None if value is None else [value] for value in floats]


def test_numpy_arrays_with_missing_values() -> None:
    masked = np.ma.array([1.0, 2.0], mask=[False, True])
    assert (tensor({"f": masked}), tensor({"i": masked})) == ([1.0, None], [1, NONE])
    assert example({"f": masked}) == [[1.0], None]
    assert tensor({"f": np.array([1, None], object)}) == [1.0, None]


def test_numpy_dates_and_durations() -> None:
    assert tensor({"i": np.array(["1970-01-01T00:00:01", "NaT"], "M8[ns]")}) == [1_000_000, NONE]
    assert tensor({"i": np.array([2, 3], "m8[ms]")}) == [2000, 3000]


@pytest.mark.parametrize(
    "given",
    [
        {"f": [[1, 2], [3], None, []]},
        {"f": [np.array([1, 2]), np.array([3]), None, []]},
        [{"f": [1, 2]}, {"f": np.array([3.0])}, {"f": None}, {}],
        pd.DataFrame({"f": [[1, 2], [3], None, []]}),
        pa.table({"f": [[1, 2], [3], None, []]}),
    ],
    ids=["lists", "arrays", "rows", "frame", "Arrow"],
)
def test_shorter_lists_are_filled_up(given: Any) -> None:
    (array,) = inputs.tensors(inputs.read(given), RAW, DTYPES).values()
    expected = np.array([[1, 2], [3, np.nan], [np.nan, np.nan], [np.nan, np.nan]], np.float32)
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"f": ["12"]}, "expected values for DT_FLOAT, received text: '12'"),
        ({"i": [b"12", None]}, "expected values for DT_INT64, received text: b'12'"),
        ({"f": [None, 1e300]}, "fit into DT_FLOAT, received 1e.300"),
        ({"f": np.array([1 + 2j])}, "expected values for DT_FLOAT, received complex128"),
        ({"i": np.array([[1]], "M8[s]")}, "expected values for DT_INT64, received datetime64"),
        ({"i": [decimal.Decimal("1.5")]}, "expected whole numbers for DT_INT64, received Decimal"),
        (pd.DataFrame({"i": [decimal.Decimal("1.5")]}), "expected whole numbers for DT_INT64"),
        ({"u": [1, -1, 2**63]}, "fit into DT_UINT64, received -1"),
        ({"u": [-1.0]}, "fit into DT_UINT64, received -1.0"),
        ({"u": [2**64]}, "fit into DT_UINT64, received 18446744073709551616"),
        ({"i": np.array([-np.inf], np.float16)}, "fit into DT_INT64, received -inf of float16"),
        ({"i": [None, float("inf")]}, "fit into DT_INT64, received inf"),
        ({"i": [*range(10_000), None, "a"]}, "received text: 'a'$"),
    ],
)
def test_what_would_become_another_value_is_refused(given: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        tensor(given)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({0: [1]}, "expected names as text, received int: 0"),
        ([{0: 1}], "expected names (as text|of features), received int: 0"),
        (pa.table([pa.array([1]), pa.array([2])], names=["f", "f"]), "every column name once, received 'f'"),
        ({"f": {1, 2}}, "received set"),
        (pd.DataFrame({"f": pd.arrays.SparseArray([1.0, np.nan])}), "a frame that Arrow refuses: Sparse"),
    ],
)
def test_wrong_names_and_columns(given: Any, text: str) -> None:
    for signature in (RAW, EXAMPLES):
        with pytest.raises(ValueError, match=text):
            inputs.tensors(inputs.read(given), signature, DTYPES)


def test_rows_for_an_input_of_another_name_are_no_examples() -> None:
    """A model of texts would take the bytes of a tf.Example for a text, and answer."""
    texts = SignatureDescription({"text": TensorDescription("DT_STRING", (None,))}, {}, "")
    sent = inputs.tensors(inputs.read({"txt": ["a"]}), texts, {})
    assert {name: array.tolist() for name, array in sent.items()} == {"txt": [b"a"]}
    assert inputs.tensors(inputs.read([b"e"]), texts, {})["text"].tolist() == [b"e"]


def test_single_values_are_in_every_piece() -> None:
    pieces = list(inputs.slices(inputs.read({"t": "Biscoe", "f": [1, 2, 3], "i": np.int64(7)}), 2))
    assert [piece.values for piece in pieces] == [
        {"t": "Biscoe", "f": [1, 2], "i": 7},
        {"t": "Biscoe", "f": [3], "i": 7},
    ]
    assert [inputs.row_count(piece) for piece in pieces] == [2, 1]


def test_a_series_is_cut_by_place_and_not_by_label() -> None:
    pieces = list(inputs.slices(inputs.read({"f": pd.Series([1.0, 2.0, 3.0], index=[0.5, 0.7, 2.0])}), 2))
    assert [inputs.tensors(piece, RAW, DTYPES)["f"].tolist() for piece in pieces] == [[1.0, 2.0], [3.0]]


@pytest.mark.parametrize("given", [{"t": "Biscoe", "f": 5}, {"f": [1, 2], "i": [1]}])
def test_columns_that_cannot_be_cut(given: Any) -> None:
    with pytest.raises(ValueError, match="expected columns of the same length"):
        list(inputs.slices(inputs.read(given), 2))
