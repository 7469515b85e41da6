"""Any table arrives at a model exactly: over gRPC and REST, as tensors and as tf.Examples, from every form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_tfx.serving.client import Client, RestClient

MISSING_INT = -(2**63)
INTS = st.integers(MISSING_INT + 1, 2**63 - 1)
FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True, allow_subnormal=True)
TEXTS = st.text(max_size=8)
COLUMNS = {"i": INTS, "f": FLOATS, "t": TEXTS, "b_bytes": st.binary(max_size=8)}
ROWS = st.lists(
    st.fixed_dictionaries({name: st.none() | values for name, values in COLUMNS.items()}), min_size=1, max_size=6
)
FORMS = ["rows", "columns", "Arrow"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A model that gives back what it gets: from tensors, and from tf.Examples."""
    import tensorflow as tf

    from mlops_tfx.serving.server import ModelServer

    dtypes = {"i": tf.int64, "f": tf.float32, "t": tf.string, "b_bytes": tf.string}
    missing = {"i": MISSING_INT, "f": float("nan"), "t": b"", "b_bytes": b""}
    features = {n: tf.io.FixedLenFeature([], d, default_value=missing[n]) for n, d in dtypes.items()}

    def echo(**tensors: Any) -> dict[str, Any]:
        return {name: tf.identity(tensor) for name, tensor in tensors.items()}

    def parse(examples: Any) -> dict[str, Any]:
        parsed = tf.io.parse_example(examples, features)
        given = tf.io.parse_example(examples, {n: tf.io.VarLenFeature(d) for n, d in dtypes.items()})
        has = {
            f"has_{n}": tf.math.unsorted_segment_sum(
                tf.ones_like(t.indices[:, 0]), t.indices[:, 0], tf.shape(examples)[0]
            )
            for n, t in given.items()
        }
        return {**{n: tf.identity(t) for n, t in parsed.items()}, **has}

    raw = tf.function(echo, autograph=False).get_concrete_function(
        **{name: tf.TensorSpec([None], dtype, name=name) for name, dtype in dtypes.items()}
    )
    examples = tf.function(parse, autograph=False).get_concrete_function(
        examples=tf.TensorSpec([None], tf.string, name="examples")
    )
    folder = tmp_path_factory.mktemp("echo")
    tf.saved_model.save(tf.Module(), str(folder / "1"), signatures={"serving_default": examples, "serving_raw": raw})
    with ModelServer(model_name="echo", model_base_path=str(folder), port=0, rest_api_port=-1) as server:
        server.wait_until_available()
        yield server


@pytest.fixture(scope="module", params=["gRPC", "columns", "rows"])
def client(request: pytest.FixtureRequest, server: Any) -> Iterator[Any]:
    if request.param == "gRPC":
        made: Any = Client(server.address)
    else:
        made = RestClient(f"localhost:{server.rest_port}", layout=request.param)
    with made as client:
        yield client


def form_of(rows: list[dict[str, Any]], form: str) -> Any:
    if form == "rows":
        return rows
    columns = {name: [row[name] for row in rows] for name in COLUMNS}
    if form == "columns":
        return columns
    types = {"i": pa.int64(), "f": pa.float32(), "t": pa.string(), "b_bytes": pa.binary()}
    return pa.table({name: pa.array(values, types[name]) for name, values in columns.items()})


def bits(values: Any) -> list[int]:
    """float32 as its bits, so that NaN, infinities and both zeros compare; every NaN the same."""
    array = np.array(values, np.float32)
    return [int(b) if not np.isnan(v) else -1 for v, b in zip(array, array.view(np.uint32), strict=True)]


def assert_arrived(answer: Any, rows: list[dict[str, Any]]) -> None:
    assert answer["i"].tolist() == [MISSING_INT if row["i"] is None else row["i"] for row in rows]
    assert bits(answer["f"]) == bits([np.nan if row["f"] is None else row["f"] for row in rows])
    assert answer["t"].tolist() == [(row["t"] or "").encode() for row in rows]
    assert answer["b_bytes"].tolist() == [row["b_bytes"] or b"" for row in rows]


RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@RELAXED
@given(rows=ROWS, form=st.sampled_from(FORMS))
def test_tensors_arrive(client: Any, rows: list[dict[str, Any]], form: str) -> None:
    assert_arrived(client.predict("echo", form_of(rows, form), signature_name="serving_raw"), rows)


@RELAXED
@given(rows=ROWS, form=st.sampled_from(FORMS))
def test_examples_arrive(client: Any, rows: list[dict[str, Any]], form: str) -> None:
    answer = client.predict("echo", form_of(rows, form))
    assert_arrived(answer, rows)
    for name in COLUMNS:
        # A missing value is a feature without values, NaN and empty text are values.
        assert answer[f"has_{name}"].tolist() == [int(row[name] is not None) for row in rows], name


@RELAXED
@given(values=st.lists(st.none() | st.floats(width=32, allow_nan=False), min_size=1))
def test_frames_arrive(client: Any, values: list[float | None]) -> None:
    frame = pd.DataFrame({"f": np.array([np.nan if v is None else v for v in values], np.float32)})
    frame["i"], frame["t"], frame["b_bytes"] = 7, "é", b"\xff"
    frame["t"] = frame["t"].astype("category")
    answer = client.predict("echo", frame, signature_name="serving_raw")
    assert bits(answer["f"]) == bits([np.nan if v is None else v for v in values])
    assert set(answer["i"].tolist()) == {7}
    assert set(answer["t"].tolist()) == {"é".encode()}
    assert client.predict("echo", frame)["has_f"].tolist() == [int(v is not None) for v in values]


def test_floats_that_are_rounded_twice_by_others(client: Any) -> None:
    # 7.038531e-26 as a float64, rounded to float32, is the neighbour of the float32 with these digits.
    pattern = np.array([0x15AE43FD, 0x00000001, 0x7F7FFFFF, 0x80000000], np.uint32)
    values = pattern.view(np.float32)
    rows = {"f": values, "i": [0] * 4, "t": [""] * 4, "b_bytes": [b""] * 4}
    assert client.predict("echo", rows, signature_name="serving_raw")["f"].view(np.uint32).tolist() == pattern.tolist()
