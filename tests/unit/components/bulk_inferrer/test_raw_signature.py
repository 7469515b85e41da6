"""``serving_raw`` in bulk: rows that lack features, and have several values, get what ``serving_default`` answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_tfx.artifacts import Examples, Model
from mlops_tfx.config import ModelSpec
from mlops_tfx.errors import DataError
from mlops_tfx.inference.features import feeds_of
from mlops_tfx.inference.signatures import InputTensor, Task
from mlops_tfx.io.examples import ExamplesWriter
from tests.unit.components.bulk_inferrer.test_prediction_logs import infer, logs_of

SCHEMA = """
feature { name: "Length (mm)" type: FLOAT value_count { min: 1 max: 1 } presence { min_count: 1 } }
feature { name: "hour" type: INT shape { dim { size: 1 } } presence { min_fraction: 1 } }
feature { name: "pair" type: FLOAT shape { dim { size: 2 } } presence { min_fraction: 1 } }
feature { name: "tags" type: BYTES presence { min_count: 1 } }
feature { name: "never" type: INT presence { min_count: 1 } value_count { min: 1 max: 1 } }
"""
ROWS: list[dict[str, Any]] = [
    {"Length (mm)": [1.5], "hour": [7], "pair": [1.0, 2.0], "tags": [b"a", b"bc"]},
    {"hour": [8], "pair": [0.0, 3.0], "tags": None},
    {"Length (mm)": [2.5], "hour": [9], "pair": [5.0, 2.0], "tags": [b"def"]},
]
KINDS = {"Length (mm)": pa.float32(), "hour": pa.int64(), "pair": pa.float32(), "tags": pa.large_binary()}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    import tensorflow as tf
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    from mlops_tfx.serving.export import export_model

    def score(features: dict[str, Any]) -> dict[str, Any]:
        length, tags, never = (tf.sparse.to_dense(features[name]) for name in ("Length (mm)", "tags", "never"))
        count = tf.sparse.reduce_sum(features["tags"].with_values(tf.ones_like(features["tags"].values, tf.int64)), 1)
        spelled = tf.reduce_sum(tf.strings.length(tags), 1)
        whole = tf.cast(count + features["hour"][:, 0] + tf.reduce_sum(never, 1), tf.float32)
        return {"score": whole + tf.reduce_sum(length, 1) + features["pair"][:, 1] + tf.cast(spelled, tf.float32)}

    folder = tmp_path_factory.mktemp("raw")
    schema = text_format.Parse(SCHEMA, schema_pb2.Schema())
    export_model(score, None, folder / "Format-Serving", schema=schema)
    return Model(str(folder))


def test_rows_that_lack_features(tmp_path: Path, model: Model) -> None:
    import tensorflow as tf

    examples = Examples(str(tmp_path / "e"))
    examples.splits = ["all"]
    columns = [pa.array([row.get(name) for row in ROWS], pa.large_list(kind)) for name, kind in KINDS.items()]
    with ExamplesWriter(f"{examples.uri}/Split-all") as writer:
        writer.write(pa.RecordBatch.from_arrays(columns, list(KINDS)))
    expected = [
        (row.get("Length (mm)") or [0])[0] + row["hour"][0] + row["pair"][1]
        + len(row["tags"] or ()) + sum(map(len, row["tags"] or ()))
        for row in ROWS
    ]  # fmt: skip
    for signature in ("serving_default", "serving_raw"):
        for rows in (1, 3):
            spec = ModelSpec(model_signature_name=[signature])
            place = tmp_path / f"{signature}-{rows}"
            logs = logs_of(infer(place, model, examples, model_spec=spec, batch_rows=rows))
            found = [tf.make_ndarray(log.predict_log.response.outputs["score"]).item() for log in logs]
            assert found == expected, (signature, rows)


class Table:
    """Rows as `feeds_of` asks for them."""

    where = "here"

    def __init__(self, **columns: Any) -> None:
        self.columns = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))

    def __len__(self) -> int:
        return int(self.columns.num_rows)


def task(signature: str, default: Any) -> Task:
    import tensorflow as tf

    return Task(signature, "predict", (InputTensor("x", "x:0", tf.int64, None, default),), {})


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | st.lists(st.integers(0, 9), max_size=3), min_size=1, max_size=6), st.integers(0, 3))
def test_missing_values_are_the_default(rows: list[list[int] | None], start: int) -> None:
    column = pa.array([[1]] * start + rows, pa.large_list(pa.int64())).slice(start)
    found = feeds_of(task("serving_raw", np.int64(-1)), Table(x=column))["x:0"]  # type: ignore[arg-type]
    width = max([1, *(len(row or ()) for row in rows)])
    wanted = [[*(row or ()), *[-1] * (width - len(row or ()))] for row in rows]
    assert found.reshape(len(rows), width).tolist() == wanted


def test_what_is_given_to_none_is_refused() -> None:
    column = pa.array([[1], None], pa.large_list(pa.int64()))
    for given_task in (task("serving_raw", None), task("another", np.int64(-1))):
        with pytest.raises(DataError, match="expected 1 values in every row, received 0 in row 1"):
            feeds_of(given_task, Table(x=column))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="expected values for int64, received object"):
        texts = pa.array([[b"a"]], pa.large_list(pa.large_binary()))
        feeds_of(task("serving_raw", np.int64(-1)), Table(x=texts))  # type: ignore[arg-type]
    for nothing in ({"y": column}, {"x": pa.nulls(2)}):
        assert feeds_of(task("serving_raw", np.int64(-1)), Table(**nothing))["x:0"].tolist() == [-1, -1]  # type: ignore[arg-type]
