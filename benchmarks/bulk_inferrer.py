"""BulkInferrer against TFX's way (tfx_bsl's RunInference on Beam), on the same rows and model, in one run.

    python benchmarks/bulk_inferrer.py --rows 200000

Prints seconds of both (wall and CPU, after imports), and ratios, for PredictionLogs and for columns added to the rows.
The rows
have 18 features as flights have; the model parses them, and is a dense layer: what is measured is what is around it.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from mlops_tfx.artifacts import Examples, Model
from mlops_tfx.components import BulkInferrer
from mlops_tfx.config import OutputColumnsSpec, OutputExampleSpec, PredictOutput, PredictOutputCol
from mlops_tfx.execution.testing import run_component

NUMBERS = 16
PART = 50_000


def main() -> None:
    """Runs both and prints the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    import apache_beam  # noqa: F401  # so that nobody's figure has its import
    import tensorflow as tf
    from tfx_bsl.public.beam import RunInference  # noqa: F401

    tf.get_logger().setLevel("ERROR")
    with tempfile.TemporaryDirectory() as folder:
        model, examples = save_model(folder), write_examples(folder, rows)
        for columns in (False, True):
            kind = "columns" if columns else "PredictionLogs"
            ours = seconds(partial(run_ours, folder, model, examples, columns))
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            theirs = seconds(partial(run_tfx, folder, model, examples, columns))
            figures = "; ".join(
                f"{name}: ours {a:.2f} s, TFX's way {b:.2f} s, ratio {b / a:.1f}"
                for name, a, b in zip(("wall", "CPU"), ours, theirs, strict=True)
            )
            sys.stdout.write(f"{rows:,} rows to {kind}: {figures}; {peak:,} MB at most before TFX's run\n")
            sys.stdout.flush()


def seconds(work: Callable[[], Any]) -> tuple[float, float]:
    """How long it takes, and how much time of the processor: all of it is work of this process."""
    start, busy = time.monotonic(), time.process_time()
    work()
    return time.monotonic() - start, time.process_time() - busy


def write_examples(folder: str, rows: int) -> Examples:
    """Writes the rows, a part at a time."""
    import pyarrow as pa

    from mlops_tfx.io.examples import ExamplesWriter

    examples = Examples(os.path.join(folder, "examples"))
    examples.splits = ["all"]
    with ExamplesWriter(examples.path("all"), max_shard_bytes=16 << 20) as writer:
        for start in range(0, rows, PART):
            count = min(PART, rows - start)
            rng = np.random.default_rng(start)
            offsets = pa.array(np.arange(count + 1, dtype=np.int64))
            values = [pa.array(rng.normal(size=count).astype(np.float32)) for _ in range(NUMBERS)]
            texts = [pa.array([b"C%d" % i for i in rng.integers(0, 16, count)], pa.large_binary()) for _ in range(2)]
            arrays = [pa.LargeListArray.from_arrays(offsets, column) for column in values + texts]
            names = [*(f"f{i}" for i in range(NUMBERS)), "carrier", "origin"]
            writer.write(pa.RecordBatch.from_arrays(arrays, names))
    return examples


def save_model(folder: str) -> Model:
    """A model of all numeric features."""
    import tensorflow as tf

    spec = {f"f{i}": tf.io.FixedLenFeature([], tf.float32) for i in range(NUMBERS)}
    module = tf.Module()
    module.weights = tf.Variable(tf.random.stateless_normal([NUMBERS, 1], [1, 2]))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples: Any) -> dict[str, Any]:
        parsed = tf.io.parse_example(examples, spec)
        return {"score": tf.sigmoid(tf.stack([parsed[name] for name in spec], 1) @ module.weights)}

    path = os.path.join(folder, "model", "Format-Serving")
    tf.saved_model.save(module, path, signatures={"serving_default": serve})
    return Model(os.path.join(folder, "model"))


def run_ours(folder: str, model: Model, examples: Examples, columns: bool) -> None:
    """BulkInferrer as it is."""
    score = PredictOutput(output_columns=[PredictOutputCol(output_key="score", output_column="score")])
    spec = OutputExampleSpec(output_columns_spec=[OutputColumnsSpec(predict_output=score)]) if columns else None
    inputs = {"model": model, "examples": examples}
    run_component(BulkInferrer(output_example_spec=spec), inputs, os.path.join(folder, f"ours-{columns}"))


def run_tfx(folder: str, model: Model, examples: Examples, columns: bool) -> None:
    """What TFX's executor builds: read, parse, RunInference, a message per row, write; on Beam's runner."""
    import apache_beam as beam
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2
    from tfx_bsl.public.beam import RunInference
    from tfx_bsl.public.proto import model_spec_pb2

    from mlops_tfx.execution.beam import beam_pipeline

    spec = model_spec_pb2.InferenceSpecType()
    spec.saved_model_spec.model_path = os.path.join(model.uri, "Format-Serving")
    target = os.path.join(folder, f"theirs-{columns}", "out")
    with beam_pipeline() as pipeline:
        records = pipeline | beam.io.ReadFromTFRecord(f"{examples.path('all')}/*")
        logs = records | beam.Map(tf.train.Example.FromString) | RunInference(spec)
        if columns:
            coder = beam.coders.ProtoCoder(tf.train.Example)
            written = logs | beam.Map(with_column)
        else:
            coder, written = beam.coders.ProtoCoder(prediction_log_pb2.PredictionLog), logs
        _ = written | beam.io.WriteToTFRecord(target, file_name_suffix=".gz", coder=coder)


def with_column(log: Any) -> Any:
    """The row of a log with its score, as TFX does it."""
    import tensorflow as tf

    (request,) = log.predict_log.request.inputs.values()
    example = tf.train.Example.FromString(request.string_val[0])
    values = np.squeeze(tf.make_ndarray(log.predict_log.response.outputs["score"]))
    example.features.feature["score"].float_list.value[:] = [values.item()]
    return example


if __name__ == "__main__":
    main()
