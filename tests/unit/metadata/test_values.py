"""Property values: what goes in comes out, and what cannot go in is refused by name."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_tfx.errors import MetadataError
from mlops_tfx.metadata.values import clean_text, read_values, shorten, write_value

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
SURROGATE_FREE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | SURROGATE_FREE
    | st.lists(JSON, max_size=4)
    | st.dictionaries(st.text(), JSON, max_size=4)
)


def row_of(values):
    from ml_metadata.proto import metadata_store_pb2 as pb

    row = pb.Execution().custom_properties
    for name, value in values.items():
        write_value(row, name, value)
    return row


@settings(deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z][a-z_0-9]{0,8}", fullmatch=True), VALUES, max_size=4))
def test_values_come_back_as_they_went_in(values):
    found = read_values(row_of(values))
    assert found == values
    assert {name: type(value) for name, value in found.items()} == {name: type(v) for name, v in values.items()}


def test_nan_comes_back():
    found = read_values(row_of({"x": math.nan, "y": [math.nan]}))
    assert math.isnan(found["x"])
    assert math.isnan(found["y"][0])


@pytest.mark.parametrize("value", [1e-7, 1 / 3, 0.123456789012345678, 5e-324, 1.7e308, 2.0**60, math.inf, -math.inf])
def test_floats_come_back_exactly_from_the_store(store, value):
    from tests.unit.metadata.conftest import make_node

    store.begin(make_node(), inputs={}, properties={"rate": value, "rates": [value]}, cache_key=None)
    assert store.executions()[0].properties == {"rate": value, "rates": [value]}


def test_a_float_that_ml_metadata_keeps_needs_no_second_property():
    assert list(row_of({"rate": 0.25})) == ["rate"]
    assert sorted(row_of({"rate": 1e-7})) == ["__float__rate__", "rate"]


def test_a_new_value_replaces_all_of_the_old_one():
    row = row_of({"x": [1, 2], "y": 1e-9, "z": 1})
    for name, value in {"x": "text", "y": True, "z": None}.items():
        write_value(row, name, value)
    assert read_values(row) == {"x": "text", "y": True}
    assert sorted(row) == ["__schema__y__", "x", "y"]


@pytest.mark.parametrize(
    ("text", "schema", "expected"),
    [
        ('["[1]", "[\\"b\\"]"]', {"list_type": {"list_type": {}}}, [[1], ["b"]]),
        ('["{\\"a\\": 1}"]', {"listType": {"dictType": {}}}, [{"a": 1}]),
        ('{"a": "[true, false]"}', {"dict_type": {"list_type": {"boolean_type": {}}}}, {"a": [True, False]}),
        (
            '{"a": "[\\"{\\\\\\"b\\\\\\": 2.5}\\"]"}',
            {"dict_type": {"list_type": {"dict_type": {}}}},
            {"a": [{"b": 2.5}]},
        ),
        ("true", {"boolean_type": {}}, True),
        ('{"num_steps": 5}', {"proto_type": {"message_type": "tfx.components.trainer.TrainArgs"}}, '{"num_steps": 5}'),
    ],
)
def test_values_as_tfx_nests_them_are_read(text, schema, expected):
    row = row_of({"x": text})
    row["__schema__x__"].string_value = json.dumps({"value_type": schema}, indent=2)
    assert read_values(row) == {"x": expected}


@pytest.mark.parametrize("value", [object(), b"bytes", {1, 2}, 1j])
def test_a_value_of_another_type_is_refused_by_name(value):
    with pytest.raises(
        MetadataError, match=r"property 'depth': expected int, float, str, bool, list, dict or None, rec"
    ):
        row_of({"depth": value})


def test_a_list_with_something_that_is_no_json_is_refused():
    with pytest.raises(MetadataError, match=r"property 'items': expected a JSON value, received items=\[<object"):
        row_of({"items": [object()]})


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
def test_an_integer_beyond_64_bits_is_refused(value):
    with pytest.raises(MetadataError, match=r"property 'n': expected a 64-bit integer, received n=-?92"):
        row_of({"n": value})


def test_text_loses_nothing_but_what_databases_cannot_hold():
    assert clean_text("naïve 😀 \\ '\"\n") == "naïve 😀 \\ '\"\n"
    assert clean_text("a\0b\udcffc") == "a\\x00b\\udcffc"


@settings(deadline=None)
@given(st.text(max_size=300), st.integers(100, 400))
def test_shortening_keeps_head_and_end(text, limit):
    short = shorten(text, limit)
    assert len(short) == min(len(text), limit)
    assert (short == text) == (len(text) <= limit)
    if short != text:
        head, _, rest = short.partition("\n... ")
        assert text.startswith(head)
        assert text.endswith(rest.partition(" left out ...\n")[2])
