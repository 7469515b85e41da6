"""The model: embeddings of categories beside numbers, three hidden layers, one probability."""

import os

import keras
import tensorflow_transform as tft
from features import LABEL

from mlops_tfx.pipelines.tabular_model import batches, embedding, load, rows_of
from mlops_tfx.serving.export import export_model

BATCH_SIZE, EPOCHS, LEARNING_RATE = 1024, 4, 0.005


def build_model(graph, names):
    inputs, parts = {}, []
    for name in sorted(names):
        is_category = name.endswith("_category")
        inputs[name] = keras.Input((1,), name=name, dtype="int64" if is_category else "float32")
        if is_category:
            size = graph.vocabulary_size_by_name(name.replace("_category", "_vocabulary")) + 1
            parts.append(embedding(inputs[name], size, width=8))
        else:
            parts.append(inputs[name])
    hidden = keras.layers.Concatenate()(parts)
    for units in (128, 128, 64):
        hidden = keras.layers.Dense(units, activation="relu")(hidden)
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(hidden))


def run_fn(fn_args):
    graph = tft.TFTransformOutput(fn_args.transform_graph_path)
    train = load(fn_args, fn_args.train_files, graph)
    steps = EPOCHS * -(-rows_of(train) // BATCH_SIZE)
    model = build_model(graph, train.keys() - {LABEL})
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)),
        loss="binary_crossentropy",
        steps_per_execution=20,
    )
    history = keras.callbacks.CSVLogger(os.path.join(fn_args.model_run_dir, "history.csv"))
    rows = batches(train, LABEL, BATCH_SIZE, shuffle=True)
    model.fit(rows, epochs=EPOCHS, shuffle=False, callbacks=[history], verbose=0)
    model.save(os.path.join(fn_args.model_run_dir, "model.keras"))  # the model alone, without the transform graph
    export_model(model, graph, fn_args.serving_model_dir, label_key=LABEL, output_names="probability")
