"""A transform graph made by tf.Transform from known rows, and its result computed without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROWS: list[dict[str, Any]] = [
    {"number": [1.0], "word": [b"red"], "tags": [b"x", b"y"], "odd name (mm)": [10.0], "species": b"gentoo"},
    {"number": [2.0], "word": [b"red"], "tags": [], "odd name (mm)": [20.0], "species": b"adelie"},
    {"number": [4.0], "word": [b"blue"], "tags": [b"x"], "odd name (mm)": [30.0], "species": b"adelie"},
    {"number": [], "word": [], "tags": [b"x", b"y", b"x"], "odd name (mm)": [40.0], "species": b"gentoo"},
    {"number": [9.0], "word": [b"red"], "tags": [b"y"], "odd name (mm)": [50.0], "species": b"chinstrap"},
    {"number": [3.0], "word": [b"blue"], "tags": [], "odd name (mm)": [60.0], "species": b"adelie"},
]
for _index, _row in enumerate(ROWS):
    _row.update(required=float(_index), unused=_index, weight=[1.0])
WORDS = ["red", "blue"]  # by count
SPECIES = ["adelie", "gentoo", "chinstrap"]  # by count


@dataclass(frozen=True)
class Numbers:
    """What the preprocessing below computes, by numpy."""

    mean: float
    deviation: float

    @classmethod
    def from_rows(cls) -> Numbers:
        values = np.array([row["number"][0] if row["number"] else 0.0 for row in ROWS])
        return cls(float(values.mean()), float(values.std()))

    def transform(self, row: dict[str, Any]) -> dict[str, float]:
        number = row["number"][0] if row.get("number") else 0.0
        word = row["word"][0].decode() if row.get("word") else ""
        return {
            "number_xf": (number - self.mean) / self.deviation,
            "word_xf": WORDS.index(word) if word in WORDS else len(WORDS),
            "tags_xf": len(row.get("tags") or []),
            "odd_xf": (row["odd name (mm)"][0] if row.get("odd name (mm)") else 0.0) / 10,
            "required_xf": row["required"] * 2,
        }


@pytest.fixture(scope="session")
def numbers() -> Numbers:
    return Numbers.from_rows()


@pytest.fixture(scope="session")
def transform_graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import apache_beam as beam
    import tensorflow as tf
    import tensorflow_transform as tft
    import tensorflow_transform.beam as tft_beam
    from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

    optional = {"number": tf.float32, "word": tf.string, "tags": tf.string, "odd name (mm)": tf.float32,
                "weight": tf.float32}  # fmt: skip
    required = {"required": tf.float32, "unused": tf.int64, "species": tf.string}
    spec = {name: tf.io.VarLenFeature(dtype) for name, dtype in optional.items()}
    spec.update({name: tf.io.FixedLenFeature([], dtype) for name, dtype in required.items()})

    def dense(sparse: Any, default: Any) -> Any:
        # On purpose without care for a batch in which no row has the feature.
        return tf.squeeze(tf.sparse.to_dense(sparse, default), axis=1)

    def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, Any]:
        number = dense(inputs["number"], 0.0)
        species = tft.compute_and_apply_vocabulary(inputs["species"], vocab_filename="species_names")
        words = tft.compute_and_apply_vocabulary(dense(inputs["word"], ""), vocab_filename="words", num_oov_buckets=1)
        return {
            "number_xf": tft.scale_to_z_score(number),
            "word_xf": words,
            "tags_xf": tf.cast(tf.reduce_sum(tf.ones_like(tf.sparse.to_dense(inputs["tags"], ""), tf.int64)
                               * tf.cast(tf.sparse.to_dense(inputs["tags"], "") != "", tf.int64), axis=1), tf.int64),
            "odd_xf": dense(inputs["odd name (mm)"], 0.0) / 10,
            "required_xf": inputs["required"] * 2,
            "unused_xf": inputs["unused"],
            "species_xf": species,
            "leaky_xf": number * tf.cast(species, tf.float32),
            "weight_xf": dense(inputs["weight"], 1.0),
            "sparse_xf": inputs["tags"],
        }  # fmt: skip

    folder = tmp_path_factory.mktemp("transform_graph")
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    with tft_beam.Context(temp_dir=str(tmp_path_factory.mktemp("tft"))), beam.Pipeline() as pipeline:
        rows = pipeline | beam.Create(ROWS)
        transform_fn = (rows, metadata) | tft_beam.AnalyzeDataset(preprocessing_fn)
        _ = transform_fn | tft_beam.WriteTransformFn(str(folder))
        _ = metadata | tft_beam.WriteMetadata(str(folder / "metadata"), pipeline=pipeline)
    assert tft.TFTransformOutput(str(folder)).vocabulary_by_name("species_names") == [s.encode() for s in SPECIES]
    return folder


@pytest.fixture(scope="session")
def encode() -> Callable[[Sequence[dict[str, Any]]], list[bytes]]:
    """Rows as serialized tf.Examples, by TensorFlow's own classes."""
    import tensorflow as tf

    def feature(value: Any) -> Any:
        values = value if isinstance(value, list) else [value]
        if values and isinstance(values[0], bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
        if values and isinstance(values[0], int):
            return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))

    def encode(rows: Sequence[dict[str, Any]]) -> list[bytes]:
        return [
            tf.train.Example(
                features=tf.train.Features(feature={k: feature(v) for k, v in row.items() if v != []})
            ).SerializeToString()
            for row in rows
        ]

    return encode
