"""run_fn: a linear classifier by least squares, without Keras, so that the same data give the same weights."""

from typing import List

import tensorflow as tf
from absl import logging
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import v1 as tfx
from tfx_bsl.public import tfxio

_LABEL = "species"
_SPECIES = ["Adelie", "Chinstrap", "Gentoo"]


class Classifier(tf.Module):
    """Scores of three species from measures."""

    def __init__(self, features: List[str], mean: tf.Tensor, deviation: tf.Tensor, weights: tf.Tensor):
        super().__init__()
        self.features = features
        self.mean = tf.Variable(mean)
        self.deviation = tf.Variable(deviation)
        self.weights = tf.Variable(weights)
        self.names = tf.constant(_SPECIES)

    def scores(self, columns):
        x = (
            tf.concat([tf.cast(columns[name], tf.float32) for name in self.features], axis=1) - self.mean
        ) / self.deviation
        return tf.matmul(tf.concat([x, tf.ones_like(x[:, :1])], axis=1), self.weights)


def _matrix(fn_args, files, schema):
    dataset = fn_args.data_accessor.tf_dataset_factory(
        files, tfxio.TensorFlowDatasetOptions(batch_size=64, num_epochs=1, shuffle=False, label_key=_LABEL), schema
    )
    rows, labels = [], []
    for columns, label in dataset:
        rows.append(
            tf.concat([tf.cast(columns[name], tf.float32) for name in fn_args.custom_config["features"]], axis=1)
        )
        labels.append(tf.reshape(label, [-1, 1]))
    return tf.concat(rows, axis=0), tf.cast(tf.concat(labels, axis=0) == tf.constant([_SPECIES]), tf.float32)


def run_fn(fn_args: tfx.components.FnArgs) -> None:
    schema = tfx.utils.parse_pbtxt_file(fn_args.schema_path, schema_pb2.Schema())
    x, y = _matrix(fn_args, fn_args.train_files, schema)
    mean, deviation = tf.reduce_mean(x, axis=0), tf.math.reduce_std(x, axis=0)
    scaled = tf.concat([(x - mean) / deviation, tf.ones_like(x[:, :1])], axis=1)
    weights = tf.linalg.lstsq(scaled, y, l2_regularizer=fn_args.custom_config["ridge"])
    model = Classifier(fn_args.custom_config["features"], mean, deviation, weights)

    eval_x, eval_y = _matrix(fn_args, fn_args.eval_files, schema)
    predicted = tf.matmul(tf.concat([(eval_x - mean) / deviation, tf.ones_like(eval_x[:, :1])], axis=1), weights)
    logging.info("accuracy %s", tf.reduce_mean(tf.cast(tf.argmax(predicted, 1) == tf.argmax(eval_y, 1), tf.float32)))

    whole = schema_of(schema)
    without_label = {name: feature for name, feature in whole.items() if name in model.features}
    serialized = [tf.TensorSpec(shape=[None], dtype=tf.string, name="examples")]

    @tf.function(input_signature=serialized)
    def serve(examples):
        scores = model.scores(tf.io.parse_example(examples, without_label))
        return {"scores": scores, "species": tf.gather(model.names, tf.argmax(scores, axis=1))[:, tf.newaxis]}

    @tf.function(input_signature=serialized)
    def evaluate(examples):
        return {"scores": model.scores(tf.io.parse_example(examples, without_label))}

    @tf.function(input_signature=serialized)
    def label_of(examples):
        species = tf.io.parse_example(examples, {_LABEL: whole[_LABEL]})[_LABEL]
        return {"label": tf.argmax(tf.cast(species == model.names, tf.int64), axis=1)[:, tf.newaxis]}

    model.label_of = label_of
    tf.saved_model.save(
        model,
        fn_args.serving_model_dir,
        signatures={"serving_default": serve, "evaluation": evaluate, "label_of": label_of},
    )


def schema_of(schema: schema_pb2.Schema):
    """The feature spec of a schema."""
    from tensorflow_transform.tf_metadata import schema_utils

    return schema_utils.schema_as_feature_spec(schema).feature_spec
