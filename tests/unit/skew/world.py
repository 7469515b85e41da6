"""A small world in which preprocessing exists twice: as a transform graph, and rewritten by hand for serving.

The rewrite is right unless it is asked to be wrong in one of the ways in which such rewrites are.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mlops_tfx.artifacts import Artifact, Examples, Model, Schema, TransformGraph
from mlops_tfx.components import SkewValidator
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io.columns import make_lists
from mlops_tfx.io.examples import ExamplesWriter

ROWS = {"train": 48, "eval": 16}
WORDS = ["red", "blue", "green"]
DAY = 86_400


@dataclass(frozen=True)
class World:
    """Artifacts of a finished training.

    Attributes:
        folder: for models.
        graph: the transform graph; ``stale`` was computed from other rows.
        examples: raw rows in two splits, and ``transformed``, what training read.
        weights: what was learned.
    """

    folder: Path
    graph: str
    stale: str
    examples: Examples
    transformed: Examples
    schema: Schema
    weights: dict[str, Any] = field(default_factory=dict)

    def inputs(self, model: str, **others: Artifact) -> dict[str, Artifact]:
        found = Model(os.path.dirname(model))
        graph = TransformGraph(self.graph)
        return {"model": found, "transform_graph": graph, "examples": self.examples, "schema": self.schema,
                "transformed_examples": self.transformed, **others}  # fmt: skip


def validate(world: World, model: str, tmp_path: Path, **parameters: Any) -> tuple[Artifact, dict[str, Any]]:
    """Runs the component; returns the blessing and the report."""
    import json

    log: list[str] = []
    given = {"label_key": "late", "num_rows": 32, "one_by_one": 12, "paths": ("in_process",), **parameters}
    inputs = world.inputs(model)
    if given.pop("without_transformed", False):
        del inputs["transformed_examples"]
    outputs = run_component(SkewValidator(**given), inputs, tmp_path, log=log.append)
    (blessing,), (report,) = outputs["blessing"], outputs["report"]
    name = "SKEW_BLESSED" if blessing.custom_properties["blessed"] else "SKEW_NOT_BLESSED"
    assert os.listdir(blessing.uri) == [name]
    assert sorted(os.listdir(report.uri)) == ["skew.html", "skew.json"]
    return blessing, json.loads((Path(report.uri) / "skew.json").read_text())


def columns(rows: int, seed: int, price: float = 20.0) -> dict[str, pa.Array]:
    """Raw columns: a number and a reduction that some rows lack, a word, a time in seconds, a price, a label."""
    random = np.random.default_rng(seed)
    lacking = random.random((2, rows)) < 0.2
    numbers = random.normal(5, 3, rows).astype(np.float32)
    reductions = random.uniform(0, 9, rows).astype(np.float32)
    texts = [WORDS[int(place)].encode() for place in np.minimum(random.geometric(0.5, rows) - 1, 2)]
    times = random.integers(1_500_000_000, 1_500_000_000 + 300 * DAY, rows)
    prices = (price + random.gamma(2, 10, rows)).astype(np.float32)
    return {
        "number": _optional(numbers, lacking[0]),
        "reduction": _optional(reductions, lacking[1]),
        "word": make_lists(pa.array(texts, pa.large_binary()), np.ones(rows, np.int64)),
        "when": make_lists(pa.array(times), np.ones(rows, np.int64)),
        "price": make_lists(pa.array(prices), np.ones(rows, np.int64)),
        "tags": pa.array([texts[row : row + row % 4] or None for row in range(rows)], pa.large_list(pa.large_binary())),
        "late": make_lists(pa.array(random.integers(0, 2, rows)), np.ones(rows, np.int64)),
    }


def _optional(values: Any, lacking: Any) -> pa.Array:
    return pa.array([None if none else [value] for value, none in zip(values, lacking, strict=True)],
                    pa.large_list(pa.float32()))  # fmt: skip


def feature_spec() -> dict[str, Any]:
    import tensorflow as tf

    optional = {name: tf.io.VarLenFeature(tf.float32) for name in ("number", "reduction")}
    optional["tags"] = tf.io.VarLenFeature(tf.string)
    required = {"word": tf.string, "when": tf.int64, "price": tf.float32, "late": tf.int64}
    return {**optional, **{name: tf.io.FixedLenFeature([], dtype) for name, dtype in required.items()}}


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, Any]:
    import tensorflow as tf
    import tensorflow_transform as tft

    return {
        "number_xf": _dense(tft.scale_to_z_score(inputs["number"]), 0.0),
        "reduction_xf": _dense(inputs["reduction"], -1.0),
        "word_xf": tft.compute_and_apply_vocabulary(inputs["word"], num_oov_buckets=1, vocab_filename="words"),
        "tags_xf": tft.compute_and_apply_vocabulary(inputs["tags"], num_oov_buckets=1, vocab_filename="tags"),
        "hour_xf": tf.cast(inputs["when"] // 3600 % 24, tf.float32),
        "price_xf": tft.scale_to_z_score(inputs["price"]),
        "late_xf": inputs["late"],
    }


def _dense(sparse: Any, default: float) -> Any:
    import tensorflow as tf

    shaped = tf.SparseTensor(sparse.indices, sparse.values, [sparse.dense_shape[0], 1])
    return tf.squeeze(tf.sparse.to_dense(shaped, default), 1)


def make_graph(
    folder: Path,
    rows: dict[str, pa.Array],
    function: Any = preprocessing_fn,
    *,
    in_tf1_form: bool = False,
    spec: dict[str, Any] | None = None,
) -> str:
    """Analyses rows by tf.Transform itself."""
    import apache_beam as beam
    import tensorflow_transform.beam as tft_beam
    from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils
    from tfx_bsl.tfxio.tensor_adapter import TensorAdapterConfig

    from mlops_tfx.transformation import tensors

    schema = schema_utils.schema_from_feature_spec(spec or feature_spec())
    config: TensorAdapterConfig = tensors.adapter_config(schema)
    batch = pa.RecordBatch.from_arrays([rows[name] for name in config.arrow_schema.names], schema=config.arrow_schema)
    context = tft_beam.Context(temp_dir=str(folder / "temp"), force_tf_compat_v1=in_tf1_form)
    with context, beam.Pipeline() as pipeline:
        data = pipeline | beam.Create([batch])
        transform_fn = (data, config) | tft_beam.AnalyzeDataset(function)
        _ = transform_fn | tft_beam.WriteTransformFn(str(folder / "graph"))
        metadata = dataset_metadata.DatasetMetadata(schema)
        _ = metadata | tft_beam.WriteMetadata(str(folder / "graph" / "metadata"), pipeline=pipeline)
    return str(folder / "graph")


def write_examples(folder: Path, splits: dict[str, pa.RecordBatch]) -> Examples:
    """Writes splits of several shards."""
    examples = Examples(str(folder))
    examples.splits = list(splits)
    for name, batch in splits.items():
        with ExamplesWriter(str(folder / f"Split-{name}"), max_shard_bytes=1000) as writer:
            for start in range(0, batch.num_rows, 8):
                writer.write(batch.slice(start, 8))
    return examples


def make_world(
    folder: Path,
    function: Any = preprocessing_fn,
    *,
    with_stale: bool = True,
    in_tf1_form: bool = False,
    spec: dict[str, Any] | None = None,
    make_columns: Any = columns,
    rows: dict[str, int] = ROWS,
) -> World:
    """Makes data, transforms it and leaves what a pipeline would; ``stale`` is of other rows."""
    from tensorflow_transform.tf_metadata import schema_utils

    from mlops_tfx.io.protos import write_schema
    from mlops_tfx.transformation.saved_graph import SavedGraph

    spec = spec or feature_spec()
    parts = {split: make_columns(count, seed) for seed, (split, count) in enumerate(rows.items())}
    batches = {split: pa.RecordBatch.from_arrays(list(part.values()), list(part)) for split, part in parts.items()}
    graph = make_graph(folder / "fresh", parts["train"], function, in_tf1_form=in_tf1_form, spec=spec)
    older = make_columns(rows["train"], seed=7, price=25.0)
    stale = make_graph(folder / "stale", older, function, spec=spec) if with_stale else graph
    write_schema(str(folder / "schema" / "schema.pbtxt"), schema_utils.schema_from_feature_spec(spec))
    applied = SavedGraph(graph, list(spec))
    flatten = applied.flattener.flatten
    transformed = {split: flatten(applied.transform(batch, "rows")) for split, batch in batches.items()}
    random = np.random.default_rng(3)
    weights = {"embedding": (4, 2), "tags": (5, 2), "hidden": (6, 5), "bias": (5,), "out": (5, 1)}
    return World(
        folder,
        graph,
        stale,
        write_examples(folder / "examples", batches),
        write_examples(folder / "transformed", transformed),
        Schema(str(folder / "schema")),
        {name: random.normal(0, 0.5, shape).astype(np.float32) for name, shape in weights.items()},
    )


def trained_model(weights: dict[str, Any]) -> Any:
    """A tf.Module that takes the transformed features."""
    import tensorflow as tf

    numbers = {name: tf.TensorSpec([None], tf.float32, name=name)
               for name in ("number_xf", "reduction_xf", "hour_xf", "price_xf")}  # fmt: skip
    tags = tf.SparseTensorSpec([None, None], tf.int64)
    specs = {**numbers, "word_xf": tf.TensorSpec([None], tf.int64), "tags_xf": tags}

    class Trained(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, value in weights.items():
                setattr(self, name, tf.Variable(value, name=name))
            self.tags[4].assign([0.0, 0.0])  # what short rows are filled up with says nothing

        @tf.function(input_signature=[specs])
        def __call__(self, features: dict[str, Any]) -> dict[str, Any]:
            return {"probability": tf.sigmoid(tf.tanh(self.join(features) @ self.hidden + self.bias) @ self.out)}

        def join(self, features: dict[str, Any]) -> Any:
            numbers = [features[name] for name in ("number_xf", "reduction_xf", "hour_xf", "price_xf")]
            word = tf.gather(self.embedding, features["word_xf"])
            none = tf.constant(4, tf.int64)
            word += tf.reduce_sum(tf.gather(self.tags, tf.sparse.to_dense(features["tags_xf"], none)), 1)
            return tf.concat([tf.stack(numbers, 1), word], 1)

    return Trained()


@dataclass(frozen=True)
class Rewrite:
    """Preprocessing by hand.

    Attributes:
        mean: added to the mean of the price.
        words: the vocabulary in order.
        reduction: what a missing reduction is.
        wide: whether z-scores are computed in float64.
        zone: hours by which the server's clock is off.
        one_tag: whether all known tags are taken for one.
    """

    mean: float = 0.0
    words: tuple[str, ...] | None = None
    reduction: float = -1.0
    wide: bool = False
    zone: int = 0
    one_tag: bool = False

    def tables(self, graph: str) -> Any:
        """The tables of words and of tags."""
        import tensorflow as tf
        import tensorflow_transform as tft

        known = tuple(word.decode() for word in tft.TFTransformOutput(graph).vocabulary_by_name("words"))
        assert tft.TFTransformOutput(graph).vocabulary_by_name("tags") == [word.encode() for word in known]
        places = tf.range(len(known), dtype=tf.int64)
        keys = [list(self.words or known), list(known)]
        initializers = [tf.lookup.KeyValueTensorInitializer(names, places) for names in keys]
        return [tf.lookup.StaticVocabularyTable(initializer, num_oov_buckets=1) for initializer in initializers]

    def __call__(self, raw: dict[str, Any], tables: Any, graph: str) -> dict[str, Any]:
        import tensorflow as tf

        moments = read_moments(graph)
        number = raw["number"]
        scaled = tf.SparseTensor(number.indices, self._scale(number.values, *moments["number"]), number.dense_shape)
        price_mean, price_deviation = moments["price"]
        return {
            "number_xf": _dense(scaled, 0.0),
            "reduction_xf": _dense(raw["reduction"], self.reduction),
            "word_xf": tables[0].lookup(raw["word"]),
            "tags_xf": self._tags(raw["tags"], tables[1]),
            "hour_xf": tf.cast((raw["when"] + 3600 * self.zone) // 3600 % 24, tf.float32),
            "price_xf": self._scale(raw["price"], price_mean + np.float32(self.mean), price_deviation),
        }

    def _tags(self, tags: Any, table: Any) -> Any:
        import tensorflow as tf

        values = tags.values
        if self.one_tag:
            values = tf.strings.regex_replace(values, "^(red|blue)$", "green")
        return tf.SparseTensor(tags.indices, table.lookup(values), tags.dense_shape)

    def _scale(self, value: Any, mean: Any, deviation: Any) -> Any:
        import tensorflow as tf

        if self.wide:
            value, mean, deviation = tf.cast(value, tf.float64), np.float64(mean), np.float64(deviation)
        return tf.cast((value - mean) / deviation, tf.float32)


def read_moments(graph: str) -> dict[str, tuple[Any, Any]]:
    """Mean and deviation of both z-scores, which the graph holds as constants, in the order of preprocessing_fn."""
    import tensorflow as tf

    loaded = tf.saved_model.load(os.path.join(graph, "transform_fn"))
    captured = [value.numpy() for value in loaded.transform_fn.captured_inputs if value.dtype == tf.float32]
    mean, variance, price_mean, price_variance = captured
    return {"number": (mean, np.sqrt(variance)), "price": (price_mean, np.sqrt(price_variance))}


def save_rewritten(world: World, rewrite: Rewrite, name: str, *, features: bool = False) -> str:
    """Saves the model behind preprocessing by hand; ``features``: also a signature that gives the features."""
    import tensorflow as tf

    model = trained_model(world.weights)
    spec = {name: value for name, value in feature_spec().items() if name != "late"}
    examples = tf.TensorSpec([None], tf.string, name="examples")

    @tf.function(input_signature=[examples])
    def preprocess(examples: Any) -> dict[str, Any]:
        found = rewrite(tf.io.parse_example(examples, spec), model.tables, world.graph)
        return {**found, "tags_xf": tf.sparse.to_dense(found["tags_xf"])}

    @tf.function(input_signature=[examples])
    def serve(examples: Any) -> dict[str, Any]:
        return dict(model(rewrite(tf.io.parse_example(examples, spec), model.tables, world.graph)))

    model.tables = rewrite.tables(world.graph)
    signatures = {"serving_default": serve} | ({"preprocess": preprocess} if features else {})
    folder = str(world.folder / name / "Format-Serving")
    tf.saved_model.save(model, folder, signatures=signatures)
    return folder


def export(world: World, graph: str, name: str) -> str:
    """Exports the model with a transform graph."""
    from mlops_tfx.serving.export import export_model

    folder = str(world.folder / name / "Format-Serving")
    export_model(trained_model(world.weights), graph, folder, label_key="late_xf")
    return folder
