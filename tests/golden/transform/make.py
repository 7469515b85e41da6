"""Computes what TFX 1.16 makes of the input of the golden test.

    python -m tests.golden.transform.data /tmp/golden
    /path/to/tfx-1.16/bin/python tests/golden/transform/make.py /tmp/golden

writes ``expected.json.gz`` beside this file: the vocabularies, and the values of all transformed rows.
"""

import gzip
import json
import os
import sys

import tensorflow as tf
from tfx.components.transform import executor
from tfx.types import standard_artifacts as artifacts

HERE = os.path.dirname(os.path.abspath(__file__))
KINDS = {
    "transform_graph": artifacts.TransformGraph,
    "transformed_examples": artifacts.Examples,
    "updated_analyzer_cache": artifacts.TransformCache,
    "pre_transform_schema": artifacts.Schema,
    "pre_transform_stats": artifacts.ExampleStatistics,
    "post_transform_schema": artifacts.Schema,
    "post_transform_stats": artifacts.ExampleStatistics,
    "post_transform_anomalies": artifacts.ExampleAnomalies,
}


def main(folder):
    """Runs TFX's Transform and stores what it wrote."""
    examples, schema = artifacts.Examples(), artifacts.Schema()
    examples.uri, schema.uri = os.path.join(folder, "examples"), os.path.join(folder, "schema")
    examples.split_names = json.dumps(["train", "eval"])
    properties = {"tfx_version": "1.16.0", "payload_format": "FORMAT_TF_EXAMPLE", "file_format": "tfrecords_gzip"}
    for name, value in properties.items():
        examples.set_string_custom_property(name, value)
    outputs = {}
    for key, kind in KINDS.items():
        artifact = kind()
        artifact.uri = os.path.join(folder, "tfx", key)
        artifact.set_string_custom_property("tfx_version", "1.16.0")
        outputs[key] = [artifact]
    arguments = ["--direct_running_mode=in_memory", "--direct_num_workers=1"]
    context = executor.Executor.Context(beam_pipeline_args=arguments, tmp_dir=f"{folder}/tmp", unique_id="1")
    sys.path.insert(0, HERE)
    parameters = {"preprocessing_fn": "preprocessing.preprocessing_fn", "custom_config": "null"}
    executor.Executor(context).Do({"examples": [examples], "schema": [schema]}, outputs, parameters)
    expected = {"vocabularies": vocabularies(outputs), "rows": rows(outputs["transformed_examples"][0].uri)}
    with gzip.GzipFile(os.path.join(HERE, "expected.json.gz"), "wb", mtime=0) as file:
        file.write(json.dumps(expected, sort_keys=True).encode())


def vocabularies(outputs):
    """Name to lines, in the order of the file."""
    assets = os.path.join(outputs["transform_graph"][0].uri, "transform_fn", "assets")
    return {name: tf.io.gfile.GFile(os.path.join(assets, name)).read().splitlines() for name in os.listdir(assets)}


def rows(uri):
    """Split to rows, each feature name to values."""
    found = {}
    for split in ("train", "eval"):
        files = sorted(tf.io.gfile.glob(f"{uri}/Split-{split}/*"))
        found[split] = [values(record) for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()]
    return found


def values(record):
    """Feature name to the list of its values; text decoded."""
    features = tf.train.Example.FromString(record).features.feature
    return {name: plain(feature) for name, feature in sorted(features.items())}


def plain(feature):
    """A feature's values as JSON has them."""
    kind = feature.WhichOneof("kind")
    if kind is None:
        return []
    items = getattr(feature, kind).value
    return [item.decode() for item in items] if kind == "bytes_list" else list(items)


if __name__ == "__main__":
    main(sys.argv[1])
