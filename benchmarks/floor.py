"""The floor of the chain: what the libraries' C and C++ calls alone cost on the data of a kept run, in CPU seconds.

    python benchmarks/chain.py --only mlops_tfx --rows 1000000 --work /tmp/chain --keep
    python benchmarks/floor.py /tmp/chain/chain-*/1000000-0-mlops_tfx /tmp/chain/chain-*/data-1000000

Every line is one library doing one thing, on data that lie ready in memory. A component needs several of them, and what
is between them; docs/performance.md holds the components' own seconds against these.
"""

import argparse
import gzip
import hashlib
import time
import zlib
from pathlib import Path

import google_crc32c
import pyarrow.csv
import tensorflow as tf
import tensorflow_data_validation as tfdv
import tensorflow_transform as tft
from tfx_bsl.coders import example_coder

BATCH = 20_000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="work folder of a kept run")
    parser.add_argument("data", type=Path, help="folder of its CSV file")
    options = parser.parse_args()
    root = options.run / "root"
    shards = sorted(root.glob("CsvExampleGen/examples/*/Split-*/*"))
    measure("CSV: pyarrow.csv parses", lambda: pyarrow.csv.read_csv(next(options.data.glob("*.csv"))))
    files = [path.read_bytes() for path in shards]
    plain = measure("TFRecord: zlib inflates", lambda: [gzip.decompress(file) for file in files])
    measure("TFRecord: zlib deflates, level 1", lambda: [zlib.compress(data, 1) for data in plain])
    measure("TFRecord: CRC-32C of all bytes", lambda: [google_crc32c.value(data) for data in plain])
    records = read_records(shards)
    measure("splits: SHA-256 of every record", lambda: [hashlib.sha256(record).digest() for record in records])
    decoder = example_coder.ExamplesToRecordBatchDecoder()
    blocks = [records[start : start + BATCH] for start in range(0, len(records), BATCH)]
    batches = measure("tfx_bsl decodes tf.Examples", lambda: [decoder.DecodeBatch(block) for block in blocks])
    measure("TFDV's combiners", lambda: combine(batches))
    measure_transform(root, records, blocks)
    measure_model(root, len(records))


def measure(label, work):
    """Prints the CPU and wall seconds of a call; returns its result."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    print(f"{label:<44}{time.process_time() - cpu:8.2f} CPU s{time.perf_counter() - wall:8.2f} s", flush=True)
    return result


def read_records(shards):
    """Serialized examples of all splits, with TensorFlow's reader."""
    paths = [str(path) for path in shards]
    return list(tf.data.TFRecordDataset(paths, "GZIP").as_numpy_iterator())


def combine(batches):
    from mlops_tfx.statistics.compute import Computation
    from mlops_tfx.statistics.settings import Settings

    computation = Computation(Settings(tfdv.StatsOptions().to_json()))
    return computation.statistics(computation.partial(batches))


def measure_transform(root, records, blocks):
    graph = tft.TFTransformOutput(str(newest(root, "Transform/transform_graph")))
    spec = graph.raw_feature_spec()
    layer = graph.transform_features_layer()
    parse = tf.function(lambda serialized: tf.io.parse_example(serialized, spec), autograph=False)
    parsed = measure("TensorFlow parses tf.Examples", lambda: [parse(tf.constant(block)) for block in blocks])
    transform = tf.function(layer, autograph=False)
    transform(parsed[0])
    measure("transform graph on parsed rows", lambda: [transform(features) for features in parsed])


def measure_model(root, rows):
    model = tf.saved_model.load(str(newest(root, "Trainer/model") / "Format-Serving"))
    serve = model.signatures["serving_default"]
    paths = [str(path) for path in sorted(root.glob("CsvExampleGen/examples/*/Split-eval/*"))]
    batches = list(tf.data.TFRecordDataset(paths, "GZIP").batch(4096))
    count = sum(len(batch) for batch in batches)
    serve(batches[0])
    measure(f"model on the eval split ({count:,} of {rows:,} rows)", lambda: [serve(batch) for batch in batches])


def newest(root, folder):
    return max((root / folder).iterdir(), key=lambda path: int(path.name))


if __name__ == "__main__":
    main()
