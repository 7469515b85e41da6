"""Makes ``options/`` next to this script with TFDV of TFX 1.16: statistics with weights, slices and of mixed features.

    python tests/golden/statistics/make_options_golden.py        # Python 3.10, tfx==1.16.0, dill; not our environment

``options/mixed/Split-all`` holds tf.Examples of every kind of feature: text, text that is not UTF-8, integers, floats
with NaN and infinities, lists of several values, empty lists and missing features.
"""

import glob
import os
import random

import tensorflow as tf
import tensorflow_data_validation as tfdv
from tensorflow_data_validation.utils import slicing_util
from tensorflow_metadata.proto.v0 import schema_pb2

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "options")


def feature(values):
    """A tf.train.Feature of bytes, ints or floats."""
    if isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if isinstance(values[0], int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def row(draw):
    """One row; about a tenth of most features is missing."""
    columns = {
        "word": [draw.choice([b"a", b"bb", "straße".encode(), b"", b"zz"])],
        "raw": [draw.choice([b"\xff\xfe", b"\x00\x01", b"plain"])],
        "count": [draw.choice([0, 1, -5, 2**40])],
        "zip": [draw.choice([10115, 20095, 80331])],
        "ratio": [draw.choice([0.0, -0.0, 1.5, -2.25, float("nan"), float("inf"), float("-inf")])],
        "measure": [draw.gauss(0, 1)],
        "tags": [draw.choice([b"x", b"y", b"z"]) for _ in range(draw.randint(1, 4))],
        "numbers": [draw.randint(0, 9) for _ in range(draw.randint(1, 3))],
        "rare": [float(draw.randint(0, 3))],
    }
    kept = {name: values for name, values in columns.items() if draw.random() > (0.9 if name == "rare" else 0.1)}
    kept["weight"] = [draw.choice([0.5, 1.0, 2.0])]
    return tf.train.Example(features=tf.train.Features(feature={name: feature(kept[name]) for name in kept}))


def write_mixed(path):
    """Writes 2,000 rows."""
    draw = random.Random(20130101)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        for _ in range(2_000):
            writer.write(row(draw).SerializeToString(deterministic=True))


def categorical():
    """A schema in which integers are categories, and bytes are bytes."""
    schema = schema_pb2.Schema()
    schema.feature.add(name="zip", type=schema_pb2.INT).int_domain.is_categorical = True
    raw = schema.feature.add(name="raw", type=schema_pb2.BYTES)
    raw.image_domain.SetInParent()
    return schema


def make(name, pattern, options):
    """Computes the statistics of one case with TFDV."""
    statistics = tfdv.generate_statistics_from_tfrecord(pattern, stats_options=options)
    with open(os.path.join(OUT, name + ".pb"), "wb") as file:
        file.write(statistics.SerializeToString(deterministic=True))


if __name__ == "__main__":
    mixed = os.path.join(OUT, "mixed", "Split-all", "data_tfrecord-00000-of-00001.gz")
    write_mixed(mixed)
    flights = os.path.join(HERE, "flights", "examples", "Split-train", "*.gz")
    assert len(glob.glob(flights)) == 1
    slicer = slicing_util.get_feature_value_slicer
    make("mixed", mixed, tfdv.StatsOptions())
    make("mixed_with_schema", mixed, tfdv.StatsOptions(schema=categorical(), num_top_values=2))
    make("mixed_with_weights", mixed, tfdv.StatsOptions(weight_feature="weight"))
    make("flights_with_weights", flights, tfdv.StatsOptions(weight_feature="distance"))
    few = ["origin", "carrier", "month", "dep_delay"]
    slices = [slicer({"origin": None}), slicer({"origin": None, "carrier": None}), slicer({"month": [1, 2]})]
    options = tfdv.StatsOptions(experimental_slice_functions=slices, feature_allowlist=few)
    make("flights_by_slices", flights, options)
