"""Writes golden.json: what TFX 1.16 makes of records that are read through a view. Run in TFX's environment.

python tests/golden/data_view/make.py
"""

from __future__ import annotations

import glob
import json
import os
import tempfile

import decoder
import tensorflow as tf
from google.protobuf import json_format
from ml_metadata.metadata_store import metadata_store
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx import v1 as tfx
from tfx.components.experimental.data_view import binder_component, provider_component
from tfx.utils import io_utils

HERE = os.path.dirname(os.path.abspath(__file__))


def main() -> None:
    """Runs the chain and writes what it left."""
    folder = tempfile.mkdtemp()
    os.makedirs(f"{folder}/data")
    with tf.io.TFRecordWriter(f"{folder}/data/lines.tfrecord.gz", "GZIP") as writer:
        for line in decoder.lines():
            writer.write(line)
    module = os.path.join(HERE, "decoder.py")
    components = tfx.components
    lines = components.ImportExampleGen(f"{folder}/data", payload_format=tfx.proto.PayloadFormat.FORMAT_PROTO)
    view = provider_component.TfGraphDataViewProvider("create_decoder", module_file=module)
    bound = binder_component.DataViewBinder(lines.outputs["examples"], view.outputs["data_view"])
    examples = bound.outputs["output_examples"]
    statistics = components.StatisticsGen(examples)
    schema = components.SchemaGen(statistics.outputs["statistics"])
    transform = components.Transform(examples, schema.outputs["schema"], module_file=module)
    config = tfx.orchestration.metadata.sqlite_metadata_connection_config(f"{folder}/metadata.sqlite")
    nodes = [lines, view, bound, statistics, schema, transform]
    tfx.orchestration.LocalDagRunner().run(
        tfx.dsl.Pipeline("views", f"{folder}/root", components=nodes, metadata_connection_config=config)
    )
    found = {"bound": _bound(config, folder), "schema": _schema(folder)}
    for split in ("train", "eval"):
        found[split] = {"statistics": _statistics(folder, split), "transformed": _transformed(folder, split)}
    with open(os.path.join(HERE, "golden.json"), "w") as file:
        json.dump(found, file, indent=1, sort_keys=True)


def _bound(config: object, folder: str) -> dict[str, str]:
    store = metadata_store.MetadataStore(config)
    (artifact,) = (one for one in store.get_artifacts() if "data_view_uri" in one.custom_properties)
    known = artifact.custom_properties
    return {
        "uri_is_that_of": artifact.uri.replace(folder, "").split("/")[2],
        "view_is_of": known["data_view_uri"].string_value.replace(folder, "").split("/")[2],
        "time": known["data_view_create_time_since_epoch"].WhichOneof("value"),
        "payload_format": known["payload_format"].string_value,
        "split_names": artifact.properties["split_names"].string_value,
    }


def _schema(folder: str) -> dict[str, str]:
    from tensorflow_metadata.proto.v0 import schema_pb2

    (path,) = glob.glob(f"{folder}/root/SchemaGen/schema/*/schema.pbtxt")
    schema = io_utils.parse_pbtxt_file(path, schema_pb2.Schema())
    return {feature["name"]: feature["type"] for feature in json_format.MessageToDict(schema)["feature"]}


def _statistics(folder: str, split: str) -> dict[str, list[float]]:
    (path,) = glob.glob(f"{folder}/root/StatisticsGen/statistics/*/Split-{split}/FeatureStats.pb")
    with open(path, "rb") as file:
        (dataset,) = statistics_pb2.DatasetFeatureStatisticsList.FromString(file.read()).datasets
    found = {"rows": [dataset.num_examples]}
    for feature in dataset.features:
        common = getattr(feature, feature.WhichOneof("stats")).common_stats
        found[feature.path.step[0]] = [feature.type, common.tot_num_values, round(feature.num_stats.mean, 6)]
    return found


def _transformed(folder: str, split: str) -> list[list[float]]:
    rows = []
    for path in glob.glob(f"{folder}/root/Transform/transformed_examples/*/Split-{split}/*"):
        for record in tf.data.TFRecordDataset(path, "GZIP"):
            feature = tf.train.Example.FromString(record.numpy()).features.feature
            total, letter = feature["total"].float_list.value[0], feature["letter"].int64_list.value[0]
            rows.append([feature["id"].int64_list.value[0], round(total, 6), letter])
    return sorted(rows)


if __name__ == "__main__":
    main()
