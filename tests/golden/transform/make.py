"""Computes what TFX 1.16 makes of the input of the golden test.

    python -m tests.golden.transform.data /tmp/golden
    /path/to/tfx-1.16/bin/python tests/golden/transform/make.py /tmp/golden
    python -m tests.golden.transform.sequences /tmp/sequences
    /path/to/tfx-1.16/bin/python tests/golden/transform/make.py /tmp/sequences sequences

writes ``expected.json.gz`` or ``sequences.json.gz`` beside this file: the vocabularies, the values of all transformed
rows, and for the sequences the statistics and the schema of the transformed data.
"""

import gzip
import json
import os
import sys

import tensorflow as tf
from google.protobuf import json_format
from tensorflow_metadata.proto.v0 import statistics_pb2
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


CASES = {
    "expected": ("FORMAT_TF_EXAMPLE", "preprocessing.preprocessing_fn"),
    "sequences": ("FORMAT_TF_SEQUENCE_EXAMPLE", "sequences_preprocessing.preprocessing_fn"),
}


def main(folder, case="expected"):
    """Runs TFX's Transform and stores what it wrote."""
    payload, function = CASES[case]
    examples, schema = artifacts.Examples(), artifacts.Schema()
    examples.uri, schema.uri = os.path.join(folder, "examples"), os.path.join(folder, "schema")
    examples.split_names = json.dumps(["train", "eval"])
    properties = {"tfx_version": "1.16.0", "payload_format": payload, "file_format": "tfrecords_gzip"}
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
    parameters = {"preprocessing_fn": function, "custom_config": "null"}
    executor.Executor(context).Do({"examples": [examples], "schema": [schema]}, outputs, parameters)
    expected = {"vocabularies": vocabularies(outputs), "rows": rows(outputs["transformed_examples"][0].uri)}
    if case == "sequences":
        keys = ("pre_transform_stats", "post_transform_stats")
        expected["statistics"] = {key: statistics(outputs[key][0].uri) for key in keys}
        expected["schema"] = open(f"{outputs['transform_graph'][0].uri}/transformed_metadata/schema.pbtxt").read()
    with gzip.GzipFile(os.path.join(HERE, f"{case}.json.gz"), "wb", mtime=0) as file:
        file.write(json.dumps(expected, sort_keys=True).encode())


def vocabularies(outputs):
    """Name to lines, in the order of the file."""
    assets = os.path.join(outputs["transform_graph"][0].uri, "transform_fn", "assets")
    return {name: tf.io.gfile.GFile(os.path.join(assets, name)).read().splitlines() for name in os.listdir(assets)}


def statistics(uri):
    """Name or path of each feature to its statistics."""
    with open(f"{uri}/FeatureStats.pb", "rb") as file:
        (dataset,) = statistics_pb2.DatasetFeatureStatisticsList.FromString(file.read()).datasets
    return {feature.name or "/".join(feature.path.step): json_format.MessageToDict(feature)
            for feature in dataset.features}  # fmt: skip


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
    main(*sys.argv[1:])
