"""Serving with preprocessing that someone wrote a second time, by hand, for the models of the examples.

It does what ``mlops_tfx.pipelines.tabular_preprocessing`` does, unless it is asked to make one of the mistakes that
such rewrites have. Other skews are planted into the exported model itself.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Rewrite:
    """Preprocessing by hand.

    Attributes:
        defaults: number -> what is put in where it is missing, before scaling; training has the mean.
        wide: numbers that are scaled in float64.
        multiplied: numbers that are multiplied by the reciprocal of the deviation, and not divided by it.
        moved: raw feature -> what becomes of it before all else, as with a clock of another time zone.
    """

    defaults: Mapping[str, float] | None = None
    wide: tuple[str, ...] = ()
    multiplied: tuple[str, ...] = ()
    moved: Mapping[str, Callable[[Any], Any]] | None = None

    def features(self, raw: Mapping[str, Any], trained: Trained) -> dict[str, Any]:
        """The transformed features that the model takes, from parsed ones."""
        import tensorflow as tf

        moved = self.moved or {}
        raw = {name: moved[name](value) if name in moved else value for name, value in raw.items()}
        found = {}
        for feature in trained.features:
            name, kind = feature.rsplit("_", 1)
            if kind == "number":
                found[feature] = self._number(name, raw[name], *trained.moments[name])
            elif kind == "missing":
                found[feature] = 1.0 - tf.cast(_present(raw[name]), tf.float32)
            else:
                found[feature] = trained.tables[name].lookup(_text(raw[name]))
        return found

    def _number(self, name: str, column: Any, mean: Any, variance: Any) -> Any:
        import tensorflow as tf

        default = (self.defaults or {}).get(name)
        values = tf.cast(_dense(column, default or 0), tf.float32)
        if name in self.wide:
            values, mean, variance = tf.cast(values, tf.float64), np.float64(mean), np.float64(variance)
        if name in self.multiplied:
            scaled = (values - mean) * (np.float32(1) / np.sqrt(variance))
        else:
            scaled = tf.cast((values - mean) / np.sqrt(variance), tf.float32)
        return scaled if default is not None else tf.where(_present(column), scaled, tf.zeros_like(scaled))


def _present(column: Any) -> Any:
    """Whether there is a value. NaN is one."""
    import tensorflow as tf

    if not isinstance(column, tf.SparseTensor):
        return tf.ones_like(column, tf.bool)
    return _dense(column.with_values(tf.ones_like(column.values, tf.bool)), False)


def _dense(column: Any, default: Any) -> Any:
    import tensorflow as tf

    if not isinstance(column, tf.SparseTensor):
        return column
    one = tf.SparseTensor(column.indices, column.values, [column.dense_shape[0], 1])
    return tf.ensure_shape(tf.sparse.to_dense(one, tf.constant(default, column.dtype)), [None, 1])


def _text(column: Any) -> Any:
    import tensorflow as tf

    if isinstance(column, tf.SparseTensor):
        return _dense(column, "")
    return column if column.dtype == tf.string else tf.strings.as_string(column)


class Trained:
    """The trained model of an example, without its transform graph, and what a rewrite has to know of that.

    Args:
        model: the SavedModel that the pipeline exported.
        graph: the transform graph.
        numbers: the scaled columns, in the order of the preprocessing function.

    Attributes:
        loaded: the SavedModel.
        features: the transformed features that the model takes.
        moments: number -> its mean and variance, float32.
        tables: category -> its vocabulary as a lookup table.
        spec: raw feature -> how it is parsed, of those that the model needs.
    """

    def __init__(self, model: Path, graph: Path, numbers: tuple[str, ...]) -> None:
        import tensorflow as tf
        import tensorflow_transform as tft

        output = tft.TFTransformOutput(str(graph))
        self.loaded = tf.saved_model.load(str(model))
        (function,) = self.loaded.predict_transformed.concrete_functions
        self.specs = function.structured_input_signature[0][0]
        self.features = sorted(self.specs)
        captured = tf.saved_model.load(output.transform_savedmodel_dir).transform_fn.captured_inputs
        moments = [value.numpy() for value in captured if value.dtype == tf.float32]
        self.moments = dict(zip(numbers, zip(moments[::2], moments[1::2], strict=True), strict=True))
        raw = {feature.rsplit("_", 1)[0] for feature in self.features}
        self.spec = {name: spec for name, spec in output.raw_feature_spec().items() if name in raw}
        self.tables = {}
        for feature in self.features:
            name, kind = feature.rsplit("_", 1)
            if kind == "category":
                words = output.vocabulary_by_name(f"{name}_vocabulary")
                places = tf.range(len(words), dtype=tf.int64)
                words = tf.lookup.KeyValueTensorInitializer(tf.constant(words), places)
                self.tables[name] = tf.lookup.StaticVocabularyTable(words, num_oov_buckets=1)

    def module(self) -> Any:
        """A tf.Module that takes the transformed features, and keeps what it needs."""
        import tensorflow as tf

        predict = self.loaded.predict_transformed

        class Model(tf.Module):
            @tf.function(input_signature=[self.specs])
            def __call__(self, features: dict[str, Any]) -> dict[str, Any]:
                return dict(predict(features))

        module = Model()
        module.loaded, module.tables = self.loaded, self.tables
        return module

    def save(self, rewrite: Rewrite, folder: Path) -> Path:
        """Saves the model behind a rewrite of its preprocessing."""
        import tensorflow as tf

        module = self.module()

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def serve(examples: Any) -> dict[str, Any]:
            return dict(module(rewrite.features(tf.io.parse_example(examples, self.spec), self)))

        tf.saved_model.save(module, str(folder), signatures={"serving_default": serve})
        return folder

    def export(self, graph: Path, label: str, folder: Path) -> Path:
        """Exports the model with a transform graph, by the library."""
        from mlops_tfx.serving.export import export_model

        export_model(self.module(), str(graph), folder, label_key=label)
        return folder


def copy_with_other_constant(model: Path, value: Any, other: Any, folder: Path) -> Path:
    """Copies a SavedModel with one constant of its graph changed."""
    from tensorflow.core.protobuf import saved_model_pb2

    shutil.copytree(model, folder)
    path = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    nodes = [node for node in saved.meta_graphs[0].graph_def.node
             if node.op == "Const" and list(node.attr["value"].tensor.float_val) == [value]]  # fmt: skip
    assert len(nodes) == 1
    nodes[0].attr["value"].tensor.float_val[0] = other
    path.write_bytes(saved.SerializeToString())
    return folder


def copy_with_other_vocabulary(model: Path, vocabulary: str, folder: Path) -> Path:
    """Copies a SavedModel with the two most frequent words of a vocabulary exchanged."""
    shutil.copytree(model, folder)
    path = folder / "assets" / vocabulary
    first, second, *others = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([second, first, *others]))
    return folder


def older_graph(example: Any, share: float, folder: Path) -> Path:
    """Runs Transform on the first rows of the training split, as on a day when there were no more."""
    import pyarrow as pa

    from mlops_tfx.artifacts import Examples, Schema
    from mlops_tfx.components import Transform
    from mlops_tfx.execution.testing import run_component
    from mlops_tfx.io.examples import ExamplesWriter, read_batches

    rows = pa.Table.from_batches(read_batches(example.examples("CsvExampleGen", "examples"), "train"))
    (batch,) = rows.slice(0, int(rows.num_rows * share)).combine_chunks().to_batches()
    older = Examples(str(folder / "examples"))
    older.splits = ["train"]
    with ExamplesWriter(os.path.join(older.uri, "Split-train")) as writer:
        writer.write(batch)
    transform = Transform(module_file=str(example.project / "preprocessing.py"), materialize=False,
                          disable_statistics=True)  # fmt: skip
    schema = Schema(str(example.output("SchemaGen", "schema")))
    outputs = run_component(transform, {"examples": older, "schema": schema}, folder)
    return Path(outputs["transform_graph"][0].uri)
