"""What a model parses, seen beside its outputs, against parsing it with TensorFlow's own functions."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.protobuf import meta_graph_pb2

from mlops_tfx.serving.server import parsed_features, saved_model, statuses
from mlops_tfx.serving.server.calls import Call
from mlops_tfx.serving.server.parsed_features import Dense, Sparse, expose
from mlops_tfx.serving.server.schema_guard import checks, parsed
from mlops_tfx.serving.server.schema_guard.schema import compile_schema, parse
from tests.unit.serving.server.schema_guard.test_rules import example

SPEC: dict[str, Any] = {
    "hour": tf.io.FixedLenFeature([], tf.int64),
    "pair": tf.io.FixedLenFeature([2], tf.float32, [0.5, 0.5]),
    "temp": tf.io.VarLenFeature(tf.float32),
    "count": tf.io.VarLenFeature(tf.int64),
    "carrier": tf.io.VarLenFeature(tf.string),
    "words": tf.io.VarLenFeature(tf.string),
    "free": tf.io.VarLenFeature(tf.string),
}
SCHEMA = """
feature { name: "hour" type: INT presence { min_fraction: 1 } shape {} int_domain { min: 0 max: 23 } }
feature { name: "pair" type: FLOAT value_count { min: 2 max: 2 } float_domain { min: 0 max: 1 } }
feature { name: "temp" type: FLOAT presence { min_fraction: 1 } float_domain { max: 50 disallow_nan: true } }
feature { name: "count" type: INT value_count { min: 2 max: 3 } }
feature { name: "carrier" type: BYTES value_count { min: 1 max: 1 } string_domain { value: "UA" value: "AA" } }
feature { name: "words" type: BYTES presence { min_fraction: 1 } int_domain { min: 0 max: 5 } }
feature { name: "free" type: BYTES }
feature { name: "unread" type: INT int_domain { max: 9 } }
"""
GOOD: dict[str, list[Any]] = {"hour": [5], "temp": [20.0], "words": [b"1"], "carrier": [b"UA"], "unread": [1]}


class Model(tf.Module):
    """Parses in a function that a function calls, and adds up what it finds."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, examples: Any) -> dict[str, Any]:
        return {"total": self.add(tf.identity(examples)), "rows": tf.size(examples)}

    @tf.function
    def add(self, examples: Any) -> Any:
        found = tf.io.parse_example(examples, SPEC)
        temp = tf.reduce_sum(tf.sparse.to_dense(found["temp"]), axis=1)
        return temp + tf.cast(found["hour"], tf.float32) + found["pair"][:, 0]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    model = Model()
    tf.saved_model.save(model, str(folder), {"serving_default": model.__call__, "other": model.__call__})
    return folder


@pytest.fixture(scope="module")
def session(path: Path) -> Iterator[saved_model.SavedModelSession]:
    loaded = saved_model.load(str(path), saved_model.SessionOptions())
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def guard(session: saved_model.SavedModelSession) -> checks.RequestChecks:
    made = checks.RequestChecks(compile_schema(parse(SCHEMA.encode(), ""), "SERVING"))
    made.follow(session)
    return made


def examples(*rows: dict[str, list[Any]]) -> Any:
    made = np.empty(len(rows), object)
    made[:] = [example(row) for row in rows]
    return made


def call_of(session: saved_model.SavedModelSession, rows: Any, outputs: tuple[str, ...] = ("rows", "total")) -> Call:
    plan = session.signatures["serving_default"].plan(outputs)
    return Call("Predict", "GRPC", "m", 1, "serving_default", plan, [rows], frozenset(plan.inputs))


def followed(session: saved_model.SavedModelSession, guard: checks.RequestChecks, rows: Any) -> tuple[Call, Any]:
    """A call whose run leaves what it parses, which takes a moment to prepare."""
    call = call_of(session, rows)
    if (found := guard.parsed_by(call)) is None:
        wait_for_threads()
        found = guard.parsed_by(call)
    assert found is not None
    return call, found


def wait_for_threads() -> None:
    for thread in threading.enumerate():
        if thread.name == "schema-guard":
            thread.join(60)


ROWS = [GOOD, {**GOOD, "pair": [0.25, 0.75], "temp": [1.0, 2.0]}, {**GOOD, "count": [1, 2, 3], "free": [b"\xff"]}]


def test_what_is_exposed_is_what_tensorflow_parses(path: Path) -> None:
    loaded = saved_model.load(str(path), saved_model.SessionOptions())
    signature = loaded.signatures["serving_default"]
    features = loaded.parsed[signature.feed or ""]
    rows = examples(*ROWS)
    wanted = tf.io.parse_example(rows, SPEC)
    assert set(features) == set(SPEC)
    for name, feature in features.items():
        if isinstance(feature, Sparse):
            indices, values = signature.runner((), (feature.indices, feature.values))([rows])
            np.testing.assert_array_equal(indices, wanted[name].indices.numpy())
            np.testing.assert_array_equal(values, wanted[name].values.numpy())
        else:
            (values,) = signature.runner((), (feature.values,))([rows])
            np.testing.assert_array_equal(values, wanted[name].numpy())
        assert feature.dtype == SPEC[name].dtype
    assert {name: (f.width, f.may_lack) for name, f in features.items() if isinstance(f, Dense)} == {
        "hour": (1, False), "pair": (2, True),
    }  # fmt: skip
    loaded.close()


def test_the_model_answers_as_before(path: Path, session: saved_model.SavedModelSession) -> None:
    rows = examples(*ROWS)
    wanted = tf.saved_model.load(str(path)).signatures["serving_default"](examples=tf.constant(rows))
    plan = session.signatures["serving_default"].plan(("rows", "total"))
    for alias, answer in zip(plan.outputs, plan.run([rows]), strict=True):
        np.testing.assert_array_equal(answer, wanted[alias].numpy())


def test_a_followed_call_gives_the_same_outputs(
    session: saved_model.SavedModelSession, guard: checks.RequestChecks
) -> None:
    rows = examples(*ROWS)
    wanted = call_of(session, rows).plan.run([rows])
    call, found = followed(session, guard, rows)
    outputs = call.plan.run(call.values)
    assert len(outputs) == 2
    for answer, value in zip(outputs, wanted, strict=True):
        np.testing.assert_array_equal(answer, value)
    assert found.arrays is not None
    assert not len(guard.check_parsed(call, found))


def test_features_of_unknown_size_are_passed_over(tmp_path: Path) -> None:
    """They are padded, and what is read after them is still found in its place."""
    padded = tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True, default_value=-1)
    spec = {"a": padded, "b": tf.io.FixedLenFeature([], tf.int64)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def parse_rows(rows: Any) -> Any:
        return {"b": tf.io.parse_example(rows, spec)["b"] * 2}

    module = tf.Module()
    module.parse_rows = parse_rows
    tf.saved_model.save(module, str(tmp_path), {"serving_default": parse_rows})
    loaded = saved_model.load(str(tmp_path), saved_model.SessionOptions())
    (features,) = loaded.parsed.values()
    assert set(features) == {"b"}
    rows = examples({"a": [1, 2], "b": [7]}, {"b": [8]})
    (values,) = loaded.signatures["serving_default"].runner((), (features["b"].values,))([rows])
    np.testing.assert_array_equal(values, [7, 8])
    loaded.close()


def test_the_graph_of_tensorflow_1(tmp_path: Path) -> None:
    with tf.Graph().as_default(), tf.compat.v1.Session() as live:
        rows = tf.compat.v1.placeholder(tf.string, [None], name="rows")
        found = tf.io.parse_example(rows, {"x": tf.io.FixedLenFeature([], tf.float32)})
        tf.compat.v1.saved_model.simple_save(live, str(tmp_path / "1"), {"inputs": rows}, {"y": found["x"] + 1.0})
    loaded = saved_model.load(str(tmp_path / "1"), saved_model.SessionOptions())
    feature = loaded.parsed["rows:0"]["x"]
    (values,) = loaded.signatures["serving_default"].runner((), (feature.values,))([examples({"x": [2.5]})])
    np.testing.assert_array_equal(values, [2.5])
    loaded.close()


def test_large_functions_are_not_copied(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model's weights may be in them."""
    monkeypatch.setattr(parsed_features, "_LARGEST", 1000)
    loaded = saved_model.load(str(path), saved_model.SessionOptions())
    assert loaded.parsed == {}
    assert len(loaded.signatures["serving_default"].plan(("rows", "total")).run([examples(*ROWS)])) == 2
    loaded.close()


def test_keys_that_are_not_known_before_a_run_are_left_alone() -> None:
    with tf.Graph().as_default() as graph:
        rows = tf.compat.v1.placeholder(tf.string, [None], name="rows")
        keys = tf.compat.v1.placeholder(tf.string, [1], name="keys")
        tf.raw_ops.ParseExampleV2(
            serialized=rows, names=[], sparse_keys=keys, dense_keys=[], ragged_keys=[], dense_defaults=[], num_sparse=1,
            sparse_types=[tf.int64], ragged_value_types=[], ragged_split_types=[], dense_shapes=[],
        )  # fmt: skip
    meta_graph = meta_graph_pb2.MetaGraphDef(graph_def=graph.as_graph_def())
    text = 'inputs { key: "a" value { name: "rows:0" dtype: DT_STRING } }'
    text_format.Parse(text, meta_graph.signature_def["s"])
    assert expose(meta_graph) == {}


VALUES: dict[str, list[Any]] = {
    "hour": [[0], [23], [24], [5]],
    "pair": [None, [0.0, 1.0], [0.5, 1.5]],
    "temp": [None, [], [1.0], [1.0, 2.0], [math.nan], [math.inf], [51.0]],
    "count": [None, [], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]],
    "carrier": [None, [b"UA"], [b"AA"], [b"ZZ"], [b"UA", b"AA"]],
    "words": [None, [b"1"], [b"1", b"5"], [b"9"], [b"q"]],
    "free": [None, [b""], [b"\xff", b"a"]],
    "unread": [None, [1], [10]],
}
SINGLE = [(name, value) for name, values in VALUES.items() for value in values]
# Mostly in order, so that requests are found that are.
CHANGES = st.lists(st.sampled_from(SINGLE), max_size=2).map(dict)


def assert_same_verdict(
    session: saved_model.SavedModelSession, guard: checks.RequestChecks, changes: list[dict[str, Any]]
) -> None:
    rows = examples(*({k: v for k, v in {**GOOD, **change}.items() if v is not None} for change in changes))
    wanted = guard.check(call_of(session, rows))
    call, found = followed(session, guard, rows)
    call.plan.run(call.values)
    in_order = guard._parsed["serving_default"].in_order(rows, found.arrays)
    assert in_order == (not len(wanted))
    assert [str(finding) for finding in guard.check_parsed(call, found)] == [str(finding) for finding in wanted]


def test_the_verdict_on_one_change_is_that_of_parsing_once_more(
    session: saved_model.SavedModelSession, guard: checks.RequestChecks
) -> None:
    for name, value in SINGLE:
        # Alone, and beside a row of several values, which are counted in another way.
        assert_same_verdict(session, guard, [{}, {name: value}, {}])
        assert_same_verdict(session, guard, [{"words": [b"1", b"2"]}, {name: value}, {}])
        assert_same_verdict(session, guard, [{name: value}] * 3)


@settings(max_examples=60, deadline=None)
@given(st.lists(CHANGES, min_size=3, max_size=5))
def test_the_verdict_is_that_of_parsing_once_more(
    session: saved_model.SavedModelSession, guard: checks.RequestChecks, changes: list[dict[str, Any]]
) -> None:
    assert_same_verdict(session, guard, changes)


def test_a_run_that_fails_leaves_nothing_and_the_reason_is_found(
    session: saved_model.SavedModelSession, guard: checks.RequestChecks
) -> None:
    rows = examples(GOOD, {**GOOD, "hour": [5.0]}, GOOD)
    call, found = followed(session, guard, rows)
    with pytest.raises(statuses.StatusError, match="hour"):
        call.plan.run(call.values)
    (finding,) = guard.check_parsed(call, found)
    assert (finding.feature, finding.reason, finding.row) == ("hour", "wrong_type", 1)


def test_names_that_the_schema_does_not_know_are_still_found(
    session: saved_model.SavedModelSession, guard: checks.RequestChecks
) -> None:
    call, found = followed(session, guard, examples({**GOOD, "hours": [1]}, GOOD, GOOD))
    call.plan.run(call.values)
    assert [finding.reason for finding in guard.check_parsed(call, found)] == ["unknown_feature"]


def test_a_few_rows_and_too_many_choices_of_outputs_are_not_followed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsed, "_MOST_RUNNERS", 1)
    loaded = saved_model.load(str(path), saved_model.SessionOptions())
    made = checks.RequestChecks(compile_schema(parse(SCHEMA.encode(), ""), "SERVING"))
    made.follow(loaded)
    few, many = examples(GOOD, GOOD), examples(GOOD, GOOD, GOOD)
    assert made.parsed_by(call_of(loaded, few)) is None
    followed(loaded, made, many)
    assert made.parsed_by(call_of(loaded, few)) is None
    assert made.parsed_by(call_of(loaded, many, ("total",))) is None
    wait_for_threads()
    assert made.parsed_by(call_of(loaded, many, ("total",))) is None
    made.close()
    assert made.parsed_by(call_of(loaded, many)) is None
    loaded.close()


def test_what_cannot_be_seen_in_what_the_model_parses_is_parsed_by_the_guard() -> None:
    rules = compile_schema(parse(SCHEMA.encode(), ""), "SERVING").rules
    sparse, dense = Sparse(tf.float32, "i:0", "v:0"), Dense(tf.float32, 2, True, "v:0")
    assert parsed._found(rules["temp"], {"temp": sparse}) is sparse
    assert parsed._found(rules["hour"], {"hour": sparse}) is None  # floats, where the schema has integers
    assert parsed._found(rules["pair"], {"pair": dense}) is dense
    assert parsed._found(rules["temp"], {"temp": dense}) is None  # required, and the tensor hides who lacks it
    assert parsed._found(rules["pair"], {"pair": Dense(tf.float32, 3, True, "v:0")}) is None
    assert parsed._found(rules["unread"], {}) is None
