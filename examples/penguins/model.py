"""The model: numbers and embeddings of categories, one hidden layer, a probability per species."""

import keras
import tensorflow_transform as tft
from features import CATEGORIES, LABEL, NUMBERS

from mlops_tfx.pipelines.tabular_model import batches, embedding, load
from mlops_tfx.pipelines.tabular_preprocessing import CLASSES
from mlops_tfx.serving.export import export_model

EPOCHS = 40


def build_model(graph):
    numbers = {f"{name}_number": keras.Input((1,), name=f"{name}_number") for name in NUMBERS}
    categories = {f"{name}_category": keras.Input((1,), name=f"{name}_category", dtype="int64") for name in CATEGORIES}
    sizes = [graph.vocabulary_size_by_name(f"{name}_vocabulary") + 1 for name in CATEGORIES]
    embedded = [embedding(column, size, width=2) for column, size in zip(categories.values(), sizes, strict=True)]
    hidden = keras.layers.Dense(16, activation="relu")(keras.layers.Concatenate()([*numbers.values(), *embedded]))
    species = keras.layers.Dense(graph.vocabulary_size_by_name(CLASSES), activation="softmax")(hidden)
    return keras.Model({**numbers, **categories}, species)


def run_fn(fn_args):
    graph = tft.TFTransformOutput(fn_args.transform_graph_path)
    rows = batches(load(fn_args, fn_args.train_files, graph), LABEL, batch_size=16, shuffle=True)
    model = build_model(graph)
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy")
    model.fit(rows, epochs=EPOCHS, shuffle=False, verbose=0)
    export_model(model, graph, fn_args.serving_model_dir, label_key=LABEL, class_vocabulary=CLASSES)
