"""Models and rows of which every prediction is known: y = x / 2 + 2."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mlops_tfx.artifacts import Examples, Model
from mlops_tfx.components import BulkInferrer
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io.examples import PAYLOADS_BY_FORMAT, ExamplesWriter, read_batches
from tests.conformance.serving.models import CLASSIFY, PREDICT, REGRESS, define, save

FN_API = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"
LABELS = (b"low", b"high")


def save_model(folder: Path) -> Model:
    """A graph with signatures of every kind; ``sizes`` tells how many rows were in a batch."""
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        records = v1.placeholder(tf.string, [None], name="records")
        x = tf.io.parse_example(records, {"x": tf.io.FixedLenFeature([], tf.float32, default_value=0.0)})["x"]
        rows = tf.shape(records)[0]
        y = x / 2 + 2
        fed = v1.placeholder(tf.float32, [None, 1], name="fed")
        fed_id = v1.placeholder(tf.string, [None], name="fed_id")
        outputs = {
            "y": y, "column": y[:, None], "pair": tf.stack([x, y], 1), "length": tf.strings.length(records),
            "text": tf.strings.as_string(y), "table": tf.ones([rows, 2, 2]), "large": tf.cast(x, tf.float64) * 1e-3,
            "positive": x > 0, "words": tf.tile([["a", "b"]], [rows, 1]),
        }  # fmt: skip
        numbers = {key: tensor for key, tensor in outputs.items() if key != "text"}
        signatures = {
            "numbers": define({"examples": records}, numbers, PREDICT),
            "serving_default": define({"examples": records}, outputs, PREDICT),
            "sizes": define({"examples": records}, {"size": tf.fill([rows], rows)}, PREDICT),
            "regress": define({"inputs": records}, {"outputs": y[:, None]}, REGRESS),
            "classify": define(
                {"inputs": records},
                {"classes": tf.tile([list(LABELS)], [rows, 1]), "scores": tf.stack([x, y], 1)},
                CLASSIFY,
            ),
            "scores_only": define({"inputs": records}, {"scores": tf.stack([x, y], 1)}, CLASSIFY),
            "short": define({"examples": records}, {"y": y[:1]}, PREDICT),
            "named": define({"x": fed, "id": fed_id}, {"y": fed[:, 0] + 1, "again": fed_id}, PREDICT),
            "one_text": define({"id": fed_id}, {"again": fed_id}, PREDICT),
            "checks": define(
                {"examples": records}, {"y": tf.debugging.check_numerics(tf.math.log(x), "no log of zero")}, PREDICT
            ),
        }
        save(session, folder / "Format-Serving", signatures)
    return Model(str(folder))


def xs(rows: int, start: int = 0) -> np.ndarray:
    return np.arange(start, start + rows, dtype=np.float32)


def predicted(x: Any) -> np.ndarray:
    """What the model computes."""
    return np.asarray(x, np.float32) / np.float32(2) + np.float32(2)


def write_examples(
    folder: Path,
    splits: dict[str, np.ndarray],
    file_format: str = "tfrecords_gzip",
    shard_bytes: int = 64 << 20,
    payload: str | None = None,
) -> Examples:
    """Rows of ``x``, ``id`` (text) and ``extra`` (missing in every third)."""
    examples = Examples(str(folder), properties={"span": 3})
    examples.splits = list(splits)
    for split, values in splits.items():
        names = [f"row {value:g}".encode() for value in values]
        extra = [None if int(value) % 3 == 0 else [int(value)] for value in values]
        columns = {
            "x": pa.array([[value] for value in values.tolist()], pa.large_list(pa.float32())),
            "id": pa.array([[name] for name in names], pa.large_list(pa.large_binary())),
            "extra": pa.array(extra, pa.large_list(pa.int64())),
        }
        batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
        with ExamplesWriter(f"{folder}/Split-{split}", None, file_format, shard_bytes) as writer:
            for row in range(0, len(values), 10):
                writer.write(batch.slice(row, 10))
    examples.custom_properties.update(
        payload_format=payload or PAYLOADS_BY_FORMAT[file_format], file_format=file_format
    )
    return examples


def infer(
    root: Any,
    model: Model,
    examples: Examples | Sequence[Examples],
    beam: bool = False,
    blessing: Any = None,
    **parameters: Any,
) -> Any:
    """Runs BulkInferrer by itself; returns its output."""
    component = BulkInferrer(**parameters)
    if beam:
        component = component.with_beam_pipeline_args([FN_API])
    inputs: dict[str, Any] = {"model": model, "examples": examples} | ({"model_blessing": blessing} if blessing else {})
    (outputs,) = run_component(component, inputs, root).values()
    return outputs[0]


def logs_of(result: Any) -> list[Any]:
    """All PredictionLogs, as tensorflow-serving-api reads them."""
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    paths = sorted(str(path) for path in Path(result.uri).glob("prediction_logs-*.gz"))
    records = tf.data.TFRecordDataset(paths, compression_type="GZIP").as_numpy_iterator()
    return [prediction_log_pb2.PredictionLog.FromString(record) for record in records]


def table_of(examples: Examples, split: str) -> dict[str, list[Any]]:
    """The rows of a split: column to a list of values (None: missing) per row."""
    table = pa.Table.from_batches(list(read_batches(examples, split)))
    return table.to_pydict()
