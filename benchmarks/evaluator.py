"""Evaluator against TFMA's own ``run_model_analysis``, on the same rows, model and metrics, in one run.

    python benchmarks/evaluator.py --rows 50000

Prints seconds of both (after imports), their ratio, and how far each metric is from TFMA's in the worst slice. The rows
are made up in the shape of flights: 16 carriers of unequal size, 3 airports, a label that is positive for one in six.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlops_tfx.artifacts import Examples, Model
from mlops_tfx.components.evaluator import Evaluator
from mlops_tfx.eval_config import EvalConfig, MetricConfig, MetricsSpec, ModelSpec, SlicingSpec
from mlops_tfx.execution.testing import run_component

METRICS = (
    "ExampleCount", "AUC", "AUCPrecisionRecall", "Precision", "Recall", "BinaryAccuracy", "BinaryCrossentropy",
    "Calibration", "MeanLabel", "MeanPrediction",
)  # fmt: skip
FEATURES = 16
PART = 50_000


def write_examples(folder: str, rows: int) -> Examples:
    """Writes the rows as an Examples artifact, a part at a time so that the peak of memory is the evaluation's."""
    from mlops_tfx.io.examples import ExamplesWriter

    examples = Examples(os.path.join(folder, "examples"))
    examples.splits = ["eval"]
    with ExamplesWriter(examples.path("eval"), prefix="data_tfrecord", file_format="tfrecords_gzip") as writer:
        for start in range(0, rows, PART):
            writer.write(record_batch(np.random.default_rng(start), min(PART, rows - start)))
    return examples


def record_batch(rng: np.random.Generator, rows: int) -> Any:
    """Rows in the shape of flights."""
    import pyarrow as pa

    numbers = rng.normal(size=(FEATURES, rows)).astype(np.float32)
    label = (numbers[:4].sum(axis=0) + rng.normal(size=rows) * 2 > 2.7).astype(np.int64)
    share = np.arange(16, 0, -1.0)
    carrier = rng.choice([b"C%d" % i for i in range(16)], rows, p=share / share.sum())
    origin = rng.choice([b"EWR", b"JFK", b"LGA"], rows)
    columns = {f"f{i}": numbers[i] for i in range(FEATURES)} | {"late": label, "carrier": carrier, "origin": origin}
    offsets = np.arange(rows + 1, dtype=np.int64)
    values = [pa.array(v.tolist(), pa.large_binary()) if v.dtype.kind == "S" else pa.array(v) for v in columns.values()]
    arrays = [pa.LargeListArray.from_arrays(pa.array(offsets), column) for column in values]
    return pa.RecordBatch.from_arrays(arrays, list(columns))


def save_model(folder: str) -> Model:
    """Saves a small network over the features, called with serialized tf.Examples."""
    import tensorflow as tf

    class Network(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            rng = np.random.default_rng(1)
            self.hidden = tf.Variable(rng.normal(size=(FEATURES, 64)).astype(np.float32) * 0.05)
            self.direct = tf.Variable(np.array([[1.0 if i < 4 else 0.0] for i in range(FEATURES)], np.float32))

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def serve(self, examples: Any) -> Mapping[str, Any]:
            spec = {f"f{i}": tf.io.FixedLenFeature([1], tf.float32) for i in range(FEATURES)}
            x = tf.concat(list(tf.io.parse_example(examples, spec).values()), axis=1)
            score = x @ self.direct + tf.reduce_mean(tf.nn.relu(x @ self.hidden), axis=1, keepdims=True) - 2.7
            return {"probability": tf.sigmoid(score)}

    model, network = Model(os.path.join(folder, "model")), Network()
    tf.saved_model.save(
        network, os.path.join(model.uri, "Format-Serving"), signatures={"serving_default": network.serve}
    )
    return model


def eval_config() -> EvalConfig:
    """Ten metrics, all rows together, by carrier and by origin."""
    return EvalConfig(
        model_specs=[ModelSpec(label_key="late")],
        slicing_specs=[SlicingSpec(), SlicingSpec(feature_keys=["carrier"]), SlicingSpec(feature_keys=["origin"])],
        metrics_specs=[MetricsSpec(metrics=[MetricConfig(class_name=name) for name in METRICS])],
    )


def with_tfma(examples: Examples, model: Model, folder: str) -> str:
    """Evaluates with TFMA alone; returns its output folder."""
    import tensorflow_model_analysis as tfma

    config = eval_config().to_proto()
    uri = os.path.join(folder, "tfma")
    tfma.run_model_analysis(
        eval_shared_model=tfma.default_eval_shared_model(os.path.join(model.uri, "Format-Serving"), eval_config=config),
        eval_config=config,
        data_location=os.path.join(examples.path("eval"), "*"),
        output_path=uri,
    )
    return uri


def differences(ours: str, theirs: str) -> dict[str, float]:
    """The largest difference of every metric over all slices."""
    import tensorflow_model_analysis as tfma

    def read(uri: str) -> dict[tuple[str, str], float]:
        return {
            (str(message.slice_key), item.key.name): item.value.double_value.value
            for message in tfma.load_metrics(uri)
            for item in message.metric_keys_and_values
        }

    one, other = read(ours), read(theirs)
    if one.keys() != other.keys():
        raise SystemExit(f"different slices or metrics: {sorted(one.keys() ^ other.keys())}")
    worst: dict[str, float] = {}
    for (slice_key, name), value in one.items():
        worst[name] = max(worst.get(name, 0.0), abs(value - other[slice_key, name]))
    return worst


def main() -> None:
    """Runs both and writes the figures to standard output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--skip-tfma", action="store_true", help="only measure ours")
    arguments = parser.parse_args()
    start = time.perf_counter()
    import apache_beam  # noqa: F401  # what an earlier node of a pipeline has imported already
    import tensorflow  # noqa: F401

    shared = time.perf_counter()
    import tensorflow_model_analysis  # noqa: F401

    out = sys.stdout.write
    out(f"imports: TensorFlow and Beam {shared - start:.1f} s, TFMA beyond them {time.perf_counter() - shared:.1f} s\n")
    with tempfile.TemporaryDirectory() as folder:
        examples, model = write_examples(folder, arguments.rows), save_model(folder)
        start = time.perf_counter()
        outputs = run_component(Evaluator(eval_config=eval_config()), {"examples": examples, "model": model}, folder)
        ours = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        out(f"mlops_tfx: {ours:.2f} s for {arguments.rows} rows (peak memory of the process {peak:.0f} MiB)\n")
        if arguments.skip_tfma:
            return
        start = time.perf_counter()
        uri = with_tfma(examples, model, folder)
        theirs = time.perf_counter() - start
        out(f"TFMA:      {theirs:.2f} s; ratio {theirs / ours:.1f}\n")
        for name, difference in sorted(differences(outputs["evaluation"][0].uri, uri).items()):
            out(f"  {name:24} largest difference {difference:.1e}\n")


if __name__ == "__main__":
    main()
