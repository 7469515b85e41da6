"""What the guard finds, against what TensorFlow Data Validation finds in the same rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_tfx.serving.server.calls import Call, Plan
from mlops_tfx.serving.server.schema_guard import checks
from mlops_tfx.serving.server.schema_guard.findings import Findings
from mlops_tfx.serving.server.schema_guard.rules import NumberTexts
from mlops_tfx.serving.server.schema_guard.schema import SchemaUnreadableError, compile_schema, parse

# TFDV's types of anomalies -> ours.
TYPES = {
    "FEATURE_TYPE_LOW_FRACTION_PRESENT": "missing",
    "SCHEMA_MISSING_COLUMN": "missing",
    "FEATURE_TYPE_NOT_PRESENT": "missing",
    "FEATURE_TYPE_LOW_NUMBER_VALUES": "value_count",
    "FEATURE_TYPE_HIGH_NUMBER_VALUES": "value_count",
    "INVALID_FEATURE_SHAPE": "value_count",
    "UNEXPECTED_DATA_TYPE": "wrong_type",
    "INT_TYPE_NOT_INT_STRING": "wrong_type",
    "FLOAT_TYPE_NOT_FLOAT": "wrong_type",
    "FLOAT_TYPE_STRING_NOT_FLOAT": "wrong_type",
    "INT_TYPE_SMALL_INT": "outside_domain",
    "INT_TYPE_BIG_INT": "outside_domain",
    "FLOAT_TYPE_SMALL_FLOAT": "outside_domain",
    "FLOAT_TYPE_BIG_FLOAT": "outside_domain",
    "ENUM_TYPE_UNEXPECTED_STRING_VALUES": "outside_domain",
    "ENUM_TYPE_INVALID_UTF8": "outside_domain",
    "BOOL_TYPE_UNEXPECTED_STRING": "outside_domain",
    "FLOAT_TYPE_HAS_NAN": "nan",
    "FLOAT_TYPE_HAS_INF": "infinite",
    "SCHEMA_NEW_COLUMN": "unknown_feature",
}
REQUIRED = "presence { min_fraction: 1 min_count: 1 }"
FEATURES = {
    "hour": f"type: INT {REQUIRED} int_domain {{ min: 0 max: 23 }} shape {{ dim {{ size: 1 }} }}",
    "day": "type: INT int_domain { min: 1 }",
    "count": f"type: INT {REQUIRED} value_count {{ min: 1 max: 2 }}",
    "temp": f"type: FLOAT {REQUIRED} float_domain {{ min: -50 max: 50 disallow_nan: true }}",
    "wind": "type: FLOAT float_domain { disallow_inf: true }",
    "gust": "type: FLOAT float_domain { min: 0.1 }",
    "pair": "type: FLOAT value_count { min: 2 max: 2 }",
    "carrier": f"type: BYTES {REQUIRED} domain: 'carriers'",
    "origin": "type: BYTES string_domain { value: 'JFK' value: 'EWR' }",
    "some": "type: BYTES domain: 'carriers' distribution_constraints { min_domain_mass: 0.5 }",
    "yes": "type: BYTES bool_domain { true_value: 'y' false_value: 'n' }",
    "digits": "type: BYTES int_domain { min: 0 max: 5 }",
    "old": "type: INT deprecated: true presence { min_fraction: 1 }",
    "planned": "type: INT lifecycle_stage: PLANNED presence { min_fraction: 1 }",
    "label": "type: INT presence { min_fraction: 1 } not_in_environment: 'SERVING'",
}  # fmt: skip
SCHEMA = "\n".join(
    [
        "default_environment: 'TRAINING' default_environment: 'SERVING'",
        "string_domain { name: 'carriers' value: 'UA' value: 'AA' }",
        *(f"feature {{ name: '{name}' {text} }}" for name, text in FEATURES.items()),
    ]
)
GOOD: dict[str, list[Any]] = {"hour": [5], "count": [1], "temp": [20.0], "carrier": [b"UA"]}


def make_checks(text: str = SCHEMA, environment: str = "SERVING") -> checks.RequestChecks:
    return checks.RequestChecks(compile_schema(parse(text.encode(), "schema.pbtxt"), environment))


def example(row: dict[str, list[Any]]) -> bytes:
    made = tf.train.Example()
    for name, values in row.items():
        feature = made.features.feature[name]
        kind = {int: feature.int64_list, float: feature.float_list, bytes: feature.bytes_list}
        if values:
            kind[type(values[0])].value.extend(values)
    return bytes(made.SerializeToString())


def call_of(values: dict[str, Any], signature: str = "serving_default", api: str = "Predict") -> Call:
    plan = Plan(tuple(values), (), lambda inputs: inputs)
    return Call(api, "GRPC", "m", 1, signature, plan, list(values.values()), frozenset(values))


def of_examples(rows: list[bytes], guard: checks.RequestChecks | None = None) -> Findings:
    examples = np.empty(len(rows), object)
    examples[:] = rows
    return (guard or make_checks()).check(call_of({"examples": examples}))


def found(findings: Findings) -> dict[tuple[str, str], tuple[str, int, int]]:
    return {(f.feature, f.reason): (f.received, f.row, f.rows) for f in findings}


def one_by_one(rows: list[bytes]) -> dict[tuple[str, str], tuple[str, int, int]]:
    findings = Findings()
    make_checks()._check_one_by_one(rows, findings)
    return found(findings)


CASES: list[tuple[dict[str, list[Any] | None], dict[str, set[str]]]] = [
    ({}, {}),
    ({"hour": [77]}, {"hour": {"outside_domain"}}),
    ({"hour": [-1]}, {"hour": {"outside_domain"}}),
    ({"hour": [5.0]}, {"hour": {"wrong_type"}}),
    ({"hour": [b"5"]}, {"hour": {"wrong_type"}}),
    ({"hour": None}, {"hour": {"missing"}}),
    ({"hour": [1, 2]}, {"hour": {"value_count"}}),
    ({"day": [0]}, {"day": {"outside_domain"}}),
    ({"day": [2**62]}, {}),
    ({"count": [1, 2, 3]}, {"count": {"value_count"}}),
    ({"temp": [7]}, {"temp": {"wrong_type"}}),
    ({"temp": [math.nan]}, {"temp": {"nan"}}),
    ({"temp": [math.inf]}, {"temp": {"outside_domain"}}),
    ({"temp": [50.5]}, {"temp": {"outside_domain"}}),
    ({"wind": [math.inf]}, {"wind": {"infinite"}}),
    ({"wind": [math.nan]}, {}),
    ({"gust": [0.1]}, {}),
    ({"gust": [0.09]}, {"gust": {"outside_domain"}}),
    ({"pair": [1.0]}, {"pair": {"value_count"}}),
    ({"pair": [1.0, 2.0]}, {}),
    ({"carrier": [b"ZZ"]}, {"carrier": {"outside_domain"}}),
    ({"carrier": [b""]}, {"carrier": {"outside_domain"}}),
    ({"carrier": [b"\xff"]}, {"carrier": {"outside_domain"}}),
    ({"origin": [b"LGA"]}, {"origin": {"outside_domain"}}),
    ({"yes": [b"maybe"]}, {"yes": {"outside_domain"}}),
    ({"digits": [b"7"]}, {"digits": {"outside_domain"}}),
    ({"digits": [b"q"]}, {"digits": {"wrong_type"}}),
    ({"old": [1.0]}, {}),
    ({"planned": [1.0]}, {}),
    ({"hours": [5]}, {"": {"unknown_feature"}}),
    ({"hour": [77], "carrier": [b"ZZ"], "temp": None},
     {"hour": {"outside_domain"}, "carrier": {"outside_domain"}, "temp": {"missing"}}),
]  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), CASES)
def test_one_row_is_judged_as_tfdv_judges_it(
    change: dict[str, list[Any] | None], expected: dict[str, set[str]]
) -> None:
    row = {name: values for name, values in {**GOOD, **change}.items() if values is not None}
    findings = of_examples([example(row)])
    reasons: dict[str, set[str]] = {}
    for finding in findings:
        reasons.setdefault(finding.feature, set()).add(finding.reason)
    assert reasons == expected
    assert tfdv_reasons([row]) == expected


def tfdv_reasons(rows: list[dict[str, list[Any]]]) -> dict[str, set[str]]:
    import pyarrow as pa
    import tensorflow_data_validation as tfdv
    from tensorflow_data_validation.statistics import stats_impl, stats_options
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    types = {int: pa.int64(), float: pa.float32(), bytes: pa.large_binary()}
    names = list(dict.fromkeys(name for row in rows for name in row))
    arrays = []
    for name in names:
        values = [row.get(name) for row in rows]
        kind = next(type(value[0]) for value in values if value)
        arrays.append(pa.array(values, pa.large_list(types[kind])))
    schema = parse(SCHEMA.encode(), "")
    batch = pa.RecordBatch.from_arrays(arrays, names)
    with np.errstate(invalid="ignore"):  # TFDV takes the variance of infinities
        statistics = stats_impl.generate_statistics_in_memory(batch, stats_options.StatsOptions(schema=schema))
    anomalies = tfdv.validate_statistics(statistics, schema, environment="SERVING")
    kinds = anomalies_pb2.AnomalyInfo.Type.Name
    reasons: dict[str, set[str]] = {}
    for name, info in anomalies.anomaly_info.items():
        of = {TYPES[kinds(reason.type)] for reason in info.reason}
        reasons.setdefault("" if of == {"unknown_feature"} else name, set()).update(of)
    return reasons


VALUES = st.one_of(
    st.none(),
    st.lists(st.sampled_from([0, 5, 23, 24, -1, 2**62]), max_size=3),
    st.lists(st.sampled_from([0.0, 0.5, -60.0, math.nan, math.inf, -math.inf]), max_size=3),
    st.lists(st.sampled_from([b"UA", b"JFK", b"y", b"3", b"9", b"q", b"\xff", b""]), max_size=3),
)
ROWS = st.fixed_dictionaries({name: VALUES for name in [*FEATURES, "other"]})


@settings(max_examples=60, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=6))
def test_arrays_are_judged_as_single_values_are(rows: list[dict[str, list[Any] | None]]) -> None:
    """Every feature as a column of its own, so that those of another type do not keep all from being read together."""
    from mlops_tfx.serving.server.schema_guard.columns import Column, judge
    from mlops_tfx.serving.server.schema_guard.rules import BYTES, FLOAT, INT

    kinds = {INT: (int, np.int64), FLOAT: (float, np.float32), BYTES: (bytes, object)}
    for name, rule in make_checks().schema.rules.items():
        kind, dtype = kinds[rule.kind]
        cells = [[v for v in row[name] or () if type(v) is kind] for row in rows]
        flat = np.array([v for cell in cells for v in cell], dtype)
        together, singly = Findings(), Findings()
        judge(Column(flat, np.cumsum([0, *map(len, cells)])), rule, together)
        for number, cell in enumerate(cells):
            for reason, received in rule.judge(cell):
                singly.add(name, reason, rule.expected(reason), received, number)
        assert found(together) == found(singly)
        assert {str(f) for f in together} == {str(f) for f in singly}
    serialized = [example({name: values for name, values in row.items() if values}) for row in rows]
    assert found(of_examples(serialized)) == one_by_one(serialized)


def test_many_rows_are_read_together() -> None:
    rows = [dict(GOOD) for _ in range(100)]
    assert not len(of_examples([example(row) for row in rows]))
    rows[40] = {**GOOD, "hour": [77]}
    rows[41] = {**GOOD, "hour": [78], "count": [1, 2, 3]}
    del rows[60]["carrier"]
    serialized = [example(row) for row in rows]
    expected = {
        ("hour", "outside_domain"): ("77", 40, 2),
        ("count", "value_count"): ("3", 41, 1),
        ("carrier", "missing"): ("none", 60, 1),
    }
    assert found(of_examples(serialized)) == one_by_one(serialized) == expected


def test_many_rows_with_another_type_or_broken_ones_are_read_one_by_one() -> None:
    rows = [example(GOOD) for _ in range(100)]
    rows[30] = example({**GOOD, "hour": [7.5]})
    rows[31] = b"\xff\xff"
    assert found(of_examples(rows)) == {
        ("hour", "wrong_type"): ("floats such as 7.5", 30, 1),
        ("", "unreadable"): ("2 bytes", 31, 1),
    }


def test_other_calls_hold_examples_whatever_their_input_is_called() -> None:
    values = np.array([example({**GOOD, "hour": [77]})], object)
    findings = make_checks().check(call_of({"hour": values}, "regress_x_to_y", api="Regress"))
    assert found(findings) == {("hour", "outside_domain"): ("77", 0, 1)}


def tensors(rows: int = 1, **changes: Any) -> dict[str, Any]:
    columns = {
        "hour": np.full(rows, 5, np.int64),
        "count": np.full([rows, 2], 1, np.int64),
        "temp": np.full([rows, 1], 20, np.float32),
        "carrier": np.full(rows, b"UA", object),
    }
    return {**columns, **changes}


@pytest.mark.parametrize("rows", [1, 3, 50])
@pytest.mark.parametrize("signature", ["serving_raw", "another"])
def test_tensors(rows: int, signature: str) -> None:
    guard = make_checks()
    assert not len(guard.check(call_of(tensors(rows), signature)))
    wrong = tensors(rows)
    wrong["hour"][rows - 1] = 77
    wrong["carrier"] = np.array([b"UA"] * (rows - 1) + [b"ZZ"], object)
    wrong["count"] = np.ones([rows, 3], np.int64)
    last = rows - 1
    assert found(guard.check(call_of(wrong, signature))) == {
        ("hour", "outside_domain"): ("77", last, 1),
        ("carrier", "outside_domain"): ("b'ZZ'", last, 1),
        ("count", "value_count"): ("3", 0, rows),
    }


@pytest.mark.parametrize("rows", [1, 50])
def test_what_stands_for_no_value_is_none_in_the_raw_signature_and_a_value_in_others(rows: int) -> None:
    absent = tensors(rows, temp=np.full([rows, 1], np.nan, np.float32), carrier=np.full(rows, b"", object))
    absent["hour"] = np.full(rows, -(2**63), np.int64)
    absent["count"] = np.array([[7, -(2**63)]] * rows)
    raw = found(make_checks().check(call_of(absent, "serving_raw")))
    assert raw == {(name, "missing"): ("none", 0, rows) for name in ("hour", "temp", "carrier")}
    other = make_checks().check(call_of(absent, "another"))
    assert {(f.feature, f.reason) for f in other} == {
        ("hour", "outside_domain"), ("temp", "nan"), ("carrier", "outside_domain"),
    }  # fmt: skip


def test_an_input_that_is_left_out_is_missing() -> None:
    values = tensors()
    call = call_of({**values, "carrier": np.array(b"", object)}, "serving_raw")
    call.given = frozenset(values) - {"carrier"}
    assert found(make_checks().check(call)) == {("carrier", "missing"): ("none", 0, 1)}


def test_a_scalar_counts_for_all_rows() -> None:
    assert found(make_checks().check(call_of(tensors(30, hour=np.array(77)), "serving_raw"))) == {
        ("hour", "outside_domain"): ("77", 0, 1)
    }


def test_rows_without_values_cost_nothing_however_many_they_are() -> None:
    nothing = np.empty([10**12, 0], np.int64)
    assert found(make_checks().check(call_of(tensors(hour=nothing, count=np.empty([0], np.int64)), "serving_raw"))) == {
        ("hour", "missing"): ("none", 0, 10**12)
    }


def test_a_string_that_is_no_example_is_not_read_as_one() -> None:
    values = np.array([b"\xff\xd8 a picture"], object)
    guard = make_checks()
    assert not len(guard.check(call_of({"image_bytes": values}, "another")))
    for name in ("examples", "inputs", "serialized_Examples"):
        assert ("", "unreadable") in found(guard.check(call_of({name: values}, name)))


@pytest.mark.parametrize("rows", [1, 50])
def test_inputs_of_other_dtypes(rows: int) -> None:
    """Which dtype an input has is up to the model; floats may be integers, and integers are floats."""
    guard = make_checks()
    values = tensors(rows, hour=np.full(rows, 7.5, np.float32), temp=np.full(rows, 51, np.int32))
    values["carrier"] = np.full(rows, 3, np.int64)  # indices, say: the schema has no word on them
    assert found(guard.check(call_of(values, "another"))) == {
        ("hour", "wrong_type"): ("7.5", 0, rows),
        ("temp", "outside_domain"): ("51", 0, rows),
    }
    fine = tensors(rows, hour=np.full(rows, 7.0, np.float64), temp=np.full(rows, 5, np.uint8))
    assert not len(guard.check(call_of(fine, "third")))


def test_inputs_are_named_after_features_as_the_export_names_them() -> None:
    guard = make_checks("feature { name: 'Length (mm)' type: FLOAT float_domain { max: 1 } }")
    findings = guard.check(call_of({"Length__mm_": np.array([2.0], np.float32)}, "serving_raw"))
    assert [str(f) for f in findings] == ["Length (mm): expected a number, at most 1.0, received 2.0 in row 0"]


def test_environments() -> None:
    label = example({**GOOD, "label": [1]})
    assert not len(of_examples([label]))  # that a label is sent is no fault
    assert found(of_examples([example(GOOD)], make_checks(environment="TRAINING"))) == {
        ("label", "missing"): ("none", 0, 1)
    }
    without = SCHEMA.replace("default_environment: 'SERVING'", "")
    assert found(of_examples([example(GOOD)], make_checks(without))) == {("label", "missing"): ("none", 0, 1)}


def test_numbers_as_text_of_any_size() -> None:
    rule = make_checks().schema.rules["digits"]
    assert isinstance(rule.domain, NumberTexts)
    values = np.array([b"3", b"9" * 30], object)
    assert [(reason, mask.tolist()) for reason, mask in rule.domain.faults(values)] == [
        ("outside_domain", [False, True])
    ]


def test_texts() -> None:
    rows = [{**GOOD, "hour": [77], "count": [1, 2, 3]}, {**GOOD, "hour": [78], "carrier": [b"Z" * 100]}]
    del rows[0]["temp"]
    assert {str(f) for f in of_examples([example(row) for row in rows])} == {
        "hour: expected an integer from 0 to 23, received 77 in row 0 and 1 more",
        "count: expected 1 to 2 values in a row, received 3 in row 0",
        "temp: expected a value in every row, received none in row 0",
        f"carrier: expected one of 'AA', 'UA', received b'{'Z' * 38}... in row 1",
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("feature { name: 'x' type: INT string_domain { value: 'a' } }", "'x': its string_domain does not fit"),
        ("feature { name: 'x' type: FLOAT int_domain { min: 1 } }", "'x': its int_domain does not fit its type"),
        ("feature { name: 'x' type: INT float_domain { min: 1 } }", "'x': its float_domain does not fit its type"),
        ("feature { name: 'x' type: BYTES domain: 'none' }", "the schema has no string_domain 'none'"),
    ],
)
def test_what_the_schema_itself_has_wrong(text: str, problem: str) -> None:
    schema = make_checks(text).schema
    assert schema.rules["x"].domain is None
    assert len(schema.problems) == 1 and problem in schema.problems[0]


@pytest.mark.parametrize("content", [b"feature { nam: 'x' }", b"\xff\xfe", b"feature {"])
def test_a_file_that_is_no_schema(content: bytes) -> None:
    with pytest.raises(SchemaUnreadableError, match="expected a Schema as text in here"):
        parse(content, "here")


def test_columns_of_sparse_and_weighted_features_are_known() -> None:
    text = (
        "sparse_feature { name: 's' value_feature { name: 'v' } index_feature { name: 'i' } }"
        "weighted_feature { name: 'w' feature { step: 'f' } weight_feature { step: 'g' } }"
        "feature { name: 't' type: STRUCT }"
    )
    guard = make_checks(text)
    assert guard.schema.known == {"v", "i", "f", "g", "t"}
    assert not len(of_examples([example({"v": [1.0], "i": [3], "f": [b"x"]})], guard))
    assert not len(of_examples([example({"v": [1.0]})] * 30, guard))


@pytest.mark.parametrize("rows", [1, 8])
def test_bounds_are_those_of_float32_for_wide_floats_too(rows: int) -> None:
    guard = make_checks()
    assert found(guard.check(call_of({"gust": np.full(rows, 0.1)}))) == {}
    low = found(guard.check(call_of({"gust": np.full(rows, 0.09)})))
    assert list(low) == [("gust", "outside_domain")]
