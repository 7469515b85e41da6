"""The user's code of the benchmark: preprocessing_fn and run_fn, written in TFX's way, run unchanged by both sides.

``custom_config["keras"]`` says which Keras: 3, TensorFlow's own since 2.16, or 2 (tf_keras), as TFX's examples have it.
"""

import importlib

import tensorflow as tf
import tensorflow_transform as tft

LABEL = "late"
NUMBERS = (
    "sched_arr_time", "distance", "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure",
    "visib",
)  # fmt: skip
BUCKETS = ("hour", "minute", "day")
CATEGORIES = ("carrier", "origin", "dest")
BATCH_SIZE = 40
NUM_BUCKETS = 10


def preprocessing_fn(inputs):
    outputs = {name: tft.scale_to_z_score(dense(inputs[name], 0)) for name in NUMBERS}
    outputs |= {name: tft.bucketize(dense(inputs[name], 0), NUM_BUCKETS) for name in BUCKETS}
    for name in CATEGORIES:
        text = dense(inputs[name], "")
        outputs[name] = tft.compute_and_apply_vocabulary(text, num_oov_buckets=1, vocab_filename=name)
    outputs[LABEL] = dense(inputs[LABEL], 0)
    return outputs


def dense(tensor, default):
    if isinstance(tensor, tf.SparseTensor):
        default = tf.cast(default, tensor.dtype) if default != "" else default
        rows = tf.SparseTensor(tensor.indices, tensor.values, [tensor.dense_shape[0], 1])
        tensor = tf.sparse.to_dense(rows, default)
    tensor = tf.squeeze(tensor, axis=1)
    return tf.cast(tensor, tf.float32) if tensor.dtype.is_floating else tensor


def read(files, data_accessor, schema):
    from tfx_bsl.public import tfxio

    options = tfxio.TensorFlowDatasetOptions(batch_size=BATCH_SIZE, label_key=LABEL)
    return data_accessor.tf_dataset_factory(files, options, schema).repeat()


def build_model(graph, keras):
    inputs = {name: keras.Input((1,), name=name) for name in NUMBERS}
    inputs |= {name: keras.Input((1,), name=name, dtype="int64") for name in BUCKETS + CATEGORIES}
    parts = [inputs[name] for name in NUMBERS]
    parts += [keras.layers.CategoryEncoding(NUM_BUCKETS, output_mode="one_hot")(inputs[name]) for name in BUCKETS]
    for name in CATEGORIES:
        size = graph.vocabulary_size_by_name(name) + 1
        parts.append(keras.layers.Flatten()(keras.layers.Embedding(size, 8)(inputs[name])))
    hidden = keras.layers.Concatenate()(parts)
    for units in (100, 70, 50, 25):
        hidden = keras.layers.Dense(units, activation="relu")(hidden)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(hidden))
    model.compile(optimizer=keras.optimizers.Adam(0.001), loss="binary_crossentropy", metrics=[keras.metrics.AUC()])
    return model


class ServedModel(tf.Module):
    """What Keras 3 needs in place of ``model.save(..., signatures=...)``: model and transform graph in one module."""

    def __init__(self, model, layer):
        super().__init__()
        self.model = model
        self.tft_layer = layer


def signature(model, layer, graph):
    raw_spec = graph.raw_feature_spec()
    raw_spec.pop(LABEL)
    names = [tensor.name for tensor in model.inputs]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples):
        transformed = layer(tf.io.parse_example(examples, raw_spec))
        return {"outputs": model({name: tf.expand_dims(transformed[name], 1) for name in names})}

    return serve


def run_fn(fn_args):
    version = fn_args.custom_config["keras"]
    keras = importlib.import_module({2: "tf_keras", 3: "keras"}[version])
    graph = tft.TFTransformOutput(fn_args.transform_output)
    schema = graph.transformed_metadata.schema
    train = read(fn_args.train_files, fn_args.data_accessor, schema)
    evaluation = read(fn_args.eval_files, fn_args.data_accessor, schema)
    model = build_model(graph, keras)
    model.fit(
        train,
        steps_per_epoch=fn_args.train_steps,
        validation_data=evaluation,
        validation_steps=fn_args.eval_steps,
        verbose=0,
    )
    layer = graph.transform_features_layer()
    signatures = {"serving_default": signature(model, layer, graph)}
    if version == 2:
        model.tft_layer = layer
        model.save(fn_args.serving_model_dir, save_format="tf", signatures=signatures)
    else:
        tf.saved_model.save(ServedModel(model, layer), fn_args.serving_model_dir, signatures)
