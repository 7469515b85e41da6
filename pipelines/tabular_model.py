"""A Keras 3 model for tables: embeddings of categories beside numbers, two hidden layers, one head per task.

The parts are there for training functions of your own. TensorFlow and Keras are imported when they are called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlops_tfx.pipelines.tabular_preprocessing import CATEGORY, CLASSES

if TYPE_CHECKING:
    from mlops_tfx.training import FnArgs

HYPERPARAMETERS: Mapping[str, Any] = {
    "batch_size": 1024,
    "epochs": 4,
    "learning_rate": 0.005,
    "hidden_layers": (128, 128, 64),
    "embedding_size": 8,
}
# Small data gets more passes, so that there are at least this many steps.
_LEAST_STEPS = 400
_STEPS_PER_EXECUTION = 20


def run_fn(fn_args: FnArgs) -> None:
    """Trains and exports; ``custom_config`` has ``label``, ``task`` and any of HYPERPARAMETERS."""
    import keras
    import tensorflow_transform as tft

    from mlops_tfx.serving.export import export_model

    config = {**HYPERPARAMETERS, **(fn_args.custom_config or {})}
    label, task = config["label"], config["task"]
    graph = tft.TFTransformOutput(fn_args.transform_graph_path)
    train = load(fn_args, fn_args.train_files or (), graph)
    batch_size = min(config["batch_size"], max(32, rows_of(train) // 20))
    steps_per_epoch = -(-rows_of(train) // batch_size)
    steps = fn_args.train_steps or max(config["epochs"] * steps_per_epoch, _LEAST_STEPS)

    model = build_model(graph, train, config)
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(config["learning_rate"], steps)),
        loss={
            "binary": "binary_crossentropy",
            "multiclass": "sparse_categorical_crossentropy",
            "regression": "mean_squared_error",
        }[task],
        steps_per_execution=min(_STEPS_PER_EXECUTION, steps),
    )
    rows = batches(train, label, batch_size, shuffle=True).repeat()
    model.fit(rows, epochs=1, steps_per_epoch=steps, shuffle=False, verbose=0)
    export_model(
        model,
        graph,
        str(fn_args.serving_model_dir),
        label_key=label,
        class_vocabulary=CLASSES if task == "multiclass" else None,
    )


def load(fn_args: FnArgs, files: Sequence[str], graph: Any) -> dict[str, Any]:
    """Reads transformed examples into memory: a tensor ``[rows, 1]`` for every transformed feature.

    Rows of 40 numbers take 250 bytes each. For data that does not fit, use ``fn_args.data_accessor`` yourself.
    """
    import tensorflow as tf

    from mlops_tfx.io.dataset import TensorFlowDatasetOptions

    assert fn_args.data_accessor is not None  # the Trainer always sets it
    options = TensorFlowDatasetOptions(batch_size=20_000, num_epochs=1, shuffle=False)
    schema = graph.transformed_metadata.schema
    parts = list(fn_args.data_accessor.tf_dataset_factory(list(files), options, schema))
    return {name: tf.concat([part[name] for part in parts], axis=0) for name in parts[0]}


def rows_of(columns: Mapping[str, Any]) -> int:
    """The number of rows in loaded columns."""
    return int(next(iter(columns.values())).shape[0])


def batches(columns: Mapping[str, Any], label: str, batch_size: int, *, shuffle: bool = False) -> Any:
    """Returns a ``tf.data.Dataset`` of ``(features, label, weight)``; the weight is 0 where the label is missing."""
    import tensorflow as tf

    rows = rows_of(columns)
    # Only row numbers are shuffled; whole batches are gathered at once.
    numbers = tf.data.Dataset.range(rows)
    if shuffle:
        numbers = numbers.shuffle(rows, seed=0, reshuffle_each_iteration=True)

    def gather(indices: Any) -> tuple[dict[str, Any], Any, Any]:
        features = {name: tf.gather(column, indices) for name, column in columns.items()}
        target = features.pop(label)
        known = target >= 0 if target.dtype.is_integer else tf.math.is_finite(target)
        return features, tf.where(known, target, tf.zeros_like(target)), tf.cast(known, tf.float32)

    return numbers.batch(batch_size).map(gather, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def build_model(graph: Any, train: Mapping[str, Any], config: Mapping[str, Any]) -> Any:
    """Returns the model, not compiled. Its inputs are all transformed features but the label."""
    import keras

    inputs, parts = {}, []
    for name, column in sorted(train.items()):
        if name == config["label"]:
            continue
        inputs[name] = keras.Input((1,), name=name, dtype=column.dtype.name)
        if name.endswith(CATEGORY):
            size = graph.vocabulary_size_by_name(name.removesuffix(CATEGORY) + "_vocabulary") + 1
            parts.append(embedding(inputs[name], size, config["embedding_size"]))
        else:
            parts.append(inputs[name])
    hidden = keras.layers.Concatenate()(parts)
    for units in config["hidden_layers"]:
        hidden = keras.layers.Dense(units, activation="relu")(hidden)
    return keras.Model(inputs, _head(graph, train[config["label"]], config["task"])(hidden))


def embedding(category: Any, size: int, width: int) -> Any:
    """Returns the embedding ``[rows, width]`` of a category ``[rows, 1]`` that has ``size`` values."""
    import keras

    # No more dimensions than values: an embedding of three airports needs no eight.
    return keras.layers.Flatten()(keras.layers.Embedding(size, min(width, size))(category))


def _head(graph: Any, label: Any, task: str) -> Any:
    import keras
    import numpy as np

    if task == "binary":
        return keras.layers.Dense(1, activation="sigmoid", name="probability")
    if task == "multiclass":
        return keras.layers.Dense(graph.vocabulary_size_by_name(CLASSES), activation="softmax", name="probabilities")
    values = label.numpy()
    # Predictions start at the label's mean and scale, so that its unit does not matter.
    scale, offset = float(np.nanstd(values)) or 1.0, float(np.nanmean(values))
    return keras.Sequential([keras.layers.Dense(1), keras.layers.Rescaling(scale, offset)], name="prediction")
