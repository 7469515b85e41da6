"""Metrics compiled into Keras 2 models, against TFMA, in a process of its own: TensorFlow chooses its Keras once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
SCRIPT = """
import json, os, sys
from pathlib import Path
import tensorflow as tf
import tf_keras
import tensorflow_model_analysis as tfma
from mlops_tfx.artifacts import Examples, Model
from mlops_tfx.components.evaluator import Evaluator
from mlops_tfx.eval_config import EvalConfig, MetricConfig, MetricsSpec, ModelSpec, SlicingSpec
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io.examples import ExamplesWriter
from cases import random_table, record_batch, tfma_metrics

folder = Path(sys.argv[1])
examples = Examples(str(folder / "examples"))
examples.splits = ["eval"]
with ExamplesWriter(examples.path("eval"), prefix="data_tfrecord", file_format="tfrecords_gzip") as writer:
    writer.write(record_batch(random_table(200)))
x = tf_keras.Input((1,), name="x")
hidden = tf_keras.layers.Dense(4, activation="relu")(x)
keras_model = tf_keras.Model({"x": x}, tf_keras.layers.Dense(1, activation="sigmoid")(hidden))
keras_model.compile(
    loss="binary_crossentropy",
    metrics=[tf_keras.metrics.AUC(name="compiled_auc"), tf_keras.metrics.BinaryAccuracy(name="compiled_accuracy")],
    weighted_metrics=[tf_keras.metrics.MeanSquaredError(name="compiled_mse")],
)
keras_model.fit({"x": tf.zeros((8, 1))}, tf.zeros((8, 1)), sample_weight=tf.ones((8, 1)), verbose=0)

@tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
def serve(serialized):
    spec = {"x": tf.io.FixedLenFeature([1], tf.float32)}
    return {"probability": keras_model(tf.io.parse_example(serialized, spec))}

model = Model(str(folder / "model"), id=1)
path = os.path.join(model.uri, "Format-Serving")
keras_model.save(path, signatures={"serving_default": serve})
config = EvalConfig(
    model_specs=[ModelSpec(label_key="y", example_weight_key="w", signature_name="serving_default")],
    slicing_specs=[SlicingSpec(), SlicingSpec(feature_keys=["c"])],
    metrics_specs=[MetricsSpec(metrics=[MetricConfig(class_name="AUC"), MetricConfig(class_name="ExampleCount")])],
)
outputs = run_component(Evaluator(eval_config=config), {"examples": examples, "model": model}, folder)
ours = outputs["evaluation"][0].uri
proto = tfma.utils.update_eval_config_with_defaults(config.to_proto(), has_baseline=False, rubber_stamp=True)
theirs = str(folder / "oracle")
tfma.run_model_analysis(
    eval_shared_model=tfma.default_eval_shared_model(path, eval_config=proto), eval_config=proto,
    data_location=os.path.join(examples.path("eval"), "*"), output_path=theirs,
)
def values(uri):
    return {str(key): {name: value.double_value.value for name, value in found.items()}
            for key, found in tfma_metrics(uri).items()}
engine = json.loads(Path(ours, "metrics.json").read_text())["engine"]
(folder / "found.json").write_text(json.dumps([engine, values(ours), values(theirs)]))
"""


def test_compiled_metrics_are_computed_from_arrays_and_equal_tfma(tmp_path: Path) -> None:
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    engine, ours, theirs = json.loads((tmp_path / "found.json").read_text())
    assert engine == "arrays"
    assert ours.keys() == theirs.keys() and len(ours) == 4
    for key, expected in theirs.items():
        assert ours[key] == pytest.approx(expected, rel=1e-5)
        assert any("compiled_auc" in name for name in expected)
