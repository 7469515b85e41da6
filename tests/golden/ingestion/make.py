"""Writes expected.json: what TFX 1.16 answers for the records and file trees below. Its Python needs tfx 1.16.

.venv-tfx/bin/python tests/golden/ingestion/make.py
"""

import base64
import json
import random
import tempfile
from pathlib import Path

ROWS = 120
BUCKETS = (("train", 3), ("eval", 1), ("test", 2))
TREES = {
    "spans": ["span-1/a", "span-2/a", "span-10/a"],
    "padded": ["span-001/a", "span-002/a", "span-010/a"],
    "versions": ["span-1/v1/a", "span-1/v3/a", "span-2/v2/a", "span-2/v10/a"],
    "dates": ["2023-12-31/a", "2024-02-29/a", "2024-01-31/a"],
    "compact": ["20240229-v1/a", "20240229-v2/a", "20240131-v9/a"],
    "two": ["train-1/a", "train-2/a", "eval-1/a", "eval-2/a"],
    "uneven": ["train-1/a", "train-2/a", "eval-1/a"],
    "wrong date": ["2023-02-30/a"],
}
CASES = [
    ("spans", {"s": "span-{SPAN}/*"}, None),
    ("spans", {"s": "span-{SPAN}/*"}, 2),
    ("spans", {"s": "span-{SPAN}/*"}, 3),
    ("spans", {"s": "span-{SPAN:2}/*"}, None),
    ("padded", {"s": "span-{SPAN:3}/*"}, None),
    ("padded", {"s": "span-{SPAN:3}/*"}, 2),
    ("padded", {"s": "span-{SPAN}/*"}, None),
    ("versions", {"s": "span-{SPAN}/v{VERSION}/*"}, None),
    ("versions", {"s": "span-{SPAN}/v{VERSION}/*"}, 1),
    ("versions", {"s": "span-{SPAN:1}/v{VERSION:1}/*"}, 1),
    ("dates", {"s": "{YYYY}-{MM}-{DD}/*"}, None),
    ("dates", {"s": "{YYYY}-{MM}-{DD}/*"}, 19722),
    ("compact", {"s": "{YYYY}{MM}{DD}-v{VERSION}/*"}, None),
    ("two", {"train": "train-{SPAN}/*", "eval": "eval-{SPAN}/*"}, None),
    ("uneven", {"train": "train-{SPAN}/*", "eval": "eval-{SPAN}/*"}, None),
    ("uneven", {"train": "train-{SPAN}/*", "eval": "eval-{SPAN}/*"}, 1),
    ("wrong date", {"s": "{YYYY}-{MM}-{DD}/*"}, None),
    ("spans", {"s": "span-{SPAN}{SPAN}/*"}, None),
    ("spans", {"s": "span-{SPAN}/{YYYY}{MM}{DD}/*"}, None),
    ("spans", {"s": "{YYYY}-{MM}/*"}, None),
    ("spans", {"s": "v{VERSION}/*"}, None),
    ("spans", {"s": "span-{SPAN:0}/*"}, None),
    ("spans", {"s": "span-{SPAN:x}/*"}, None),
    ("spans", {"s": "span-1/*"}, None),
]


def main():
    found = {"partition": partitions(), "spans": [span(*case) for case in CASES]}
    text = json.dumps(found, indent=0, sort_keys=True)
    Path(__file__).with_name("expected.json").write_text(text + "\n")


def partitions():
    import itertools

    import tensorflow as tf
    from tfx.components.example_gen.base_example_gen_executor import _PartitionFn
    from tfx.proto import example_gen_pb2

    ends = list(itertools.accumulate(buckets for _, buckets in BUCKETS))
    kinds = {
        "FORMAT_TF_EXAMPLE": tf.train.Example.FromString,
        "FORMAT_TF_SEQUENCE_EXAMPLE": tf.train.SequenceExample.FromString,
        "FORMAT_PROTO": bytes,
    }
    found = []
    for payload, parse in kinds.items():
        records = make_records(payload)
        for feature in (None, "id", "name"):
            if feature and payload == "FORMAT_PROTO":
                continue
            splits = example_gen_pb2.SplitConfig()
            if feature:
                splits.partition_feature_name = feature
            assigned = [_PartitionFn(parse(record), len(ends), ends, splits) for record in records]
            found.append(
                {
                    "payload": payload,
                    "feature": feature,
                    "records": [base64.b64encode(record).decode() for record in records],
                    "splits": "".join(map(str, assigned)),
                }
            )
    return found


def make_records(payload):
    """Records whose map entries come in any order, with missing features, and names that begin with others."""
    import tensorflow as tf

    rng = random.Random(payload)
    records = []
    for row in range(ROWS):
        entries = [
            ("id", tf.train.Feature(int64_list=tf.train.Int64List(value=[row // 3, -row][: 1 + row % 2]))),
            ("name", tf.train.Feature(bytes_list=tf.train.BytesList(value=[f"n{row // 4}".encode()]))),
            ("name_2", tf.train.Feature(float_list=tf.train.FloatList(value=[row / 7] * (row % 4)))),
            ("empty", tf.train.Feature()),
        ]
        entries = entries[: 3 + row % 2]
        rng.shuffle(entries)
        features = b"".join(entry(key, value.SerializeToString()) for key, value in entries)
        if payload == "FORMAT_TF_SEQUENCE_EXAMPLE":
            steps = [tf.train.Feature(int64_list=tf.train.Int64List(value=[step])) for step in range(row % 5)]
            lists = [("z", tf.train.FeatureList(feature=steps)), ("a", tf.train.FeatureList())]
            rng.shuffle(lists)
            body = b"".join(entry(key, value.SerializeToString()) for key, value in lists)
            records.append(field(1, features) + field(2, body))
        else:
            records.append(field(1, features))
    return records


def entry(key, value):
    return field(1, field(1, key.encode()) + field(2, value))


def field(number, data):
    size, out = len(data), bytes([number << 3 | 2])
    while size > 0x7F:
        out += bytes([size & 0x7F | 0x80])
        size >>= 7
    return out + bytes([size]) + data


def span(tree, patterns, static):
    from tfx.components.example_gen import utils
    from tfx.proto import example_gen_pb2, range_config_pb2

    splits = [example_gen_pb2.Input.Split(name=name, pattern=pattern) for name, pattern in patterns.items()]
    chosen = range_config_pb2.RangeConfig()
    if static is not None:
        chosen.static_range.start_span_number = chosen.static_range.end_span_number = static
    found = {"tree": tree, "patterns": patterns, "static": static}
    with tempfile.TemporaryDirectory() as folder:
        write_tree(Path(folder), TREES[tree])
        try:
            _, number, version = utils.calculate_splits_fingerprint_span_and_version(
                folder, splits, chosen if static is not None else None
            )
        except ValueError as error:
            return {**found, "error": str(error).replace(folder, "")}
    return {**found, "span": number, "version": version, "chosen": {split.name: split.pattern for split in splits}}


def write_tree(folder, files):
    for name in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


if __name__ == "__main__":
    main()
