"""A model without Keras: a tf.Module, trained with GradientTape; raw tensors and tf.Examples are served."""

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import tf_metadata
from tfx import v1 as tfx
from tfx_bsl.public.tfxio import TensorFlowDatasetOptions

NUMBERS = ("distance", "temp", "wind_speed")
LABEL = "late"
WIDTH = 3 + 3 + 8


def transform_features(inputs, custom_config):
    """The preprocessing_fn, named in the pipeline by its dotted path."""
    outputs = {name: tft.scale_by_min_max(inputs[name], -1.0, 1.0) for name in NUMBERS}
    origin = tft.vocabulary(inputs["origin"], vocab_filename="origins")
    outputs["origin"] = tft.apply_vocabulary(inputs["origin"], origin, default_value=-1)
    outputs["carrier"] = tft.compute_and_apply_vocabulary(
        inputs["carrier"], frequency_threshold=custom_config["least"], num_oov_buckets=1, vocab_filename="carriers"
    )
    outputs["temp_quantile"] = tf.cast(
        tft.apply_buckets(inputs["temp"], tft.quantiles(inputs["temp"], 4, 0.001)), "int64"
    )
    outputs["distance_over_mean"] = tf.cast(
        inputs["distance"] / tf.cast(tft.mean(inputs["distance"]), tf.int64), tf.float32
    )
    outputs["mean_wind"] = tf.ones_like(inputs["wind_speed"]) * tft.max(inputs["wind_speed"])
    outputs[LABEL] = inputs[LABEL]
    return outputs


def inputs_of(features):
    """One row of numbers per example."""
    numbers = [tf.reshape(tf.cast(features[name], tf.float32), [-1, 1]) for name in NUMBERS]
    origin = tf.one_hot(tf.reshape(features["origin"], [-1]), 3)
    carrier = tf.one_hot(tf.reshape(features["carrier"], [-1]), 8)
    return tf.concat([*numbers, origin, carrier], axis=1)


class Logistic(tf.Module):
    """Logistic regression."""

    def __init__(self, graph: tft.TFTransformOutput):
        super().__init__(name="logistic")
        self.weights = tf.Variable(tf.zeros([WIDTH, 1]), name="weights")
        self.bias = tf.Variable(tf.zeros([1]), name="bias")
        self.layer = graph.transform_features_layer()
        spec = graph.raw_feature_spec()
        spec.pop(LABEL)
        self._spec = spec

    def __call__(self, rows):
        return tf.sigmoid(tf.matmul(rows, self.weights) + self.bias)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(self, examples):
        return {"late": self(inputs_of(self.layer(tf.io.parse_example(examples, self._spec))))}

    @tf.function
    def serve_raw(self, **features):
        return {"late": self(inputs_of(self.layer(features)))}

    def raw_signature(self):
        specs = {name: tf.TensorSpec([None, 1], spec.dtype, name=name) for name, spec in self._spec.items()}
        return self.serve_raw.get_concrete_function(**specs)


def train(fn_args: tfx.components.FnArgs):
    """The run_fn, named in the pipeline by its dotted path."""
    graph = tft.TFTransformOutput(fn_args.transform_output)
    spec = graph.transformed_feature_spec()
    assert isinstance(graph.transformed_metadata, tf_metadata.dataset_metadata.DatasetMetadata)
    assert fn_args.eval_steps is None and fn_args.train_steps == 200
    options = TensorFlowDatasetOptions(batch_size=600, num_epochs=None, shuffle=False, label_key=LABEL)
    data = fn_args.data_accessor.tf_dataset_factory(fn_args.train_files, options, graph.transformed_metadata.schema)
    model = Logistic(graph)
    rate = fn_args.custom_config["training"]["rate"]
    for features, label in data.take(fn_args.train_steps):
        assert set(features) == set(spec) - {LABEL}
        with tf.GradientTape() as tape:
            predicted = model(inputs_of(features))
            loss = tf.reduce_mean(tf.keras.losses.binary_crossentropy(tf.cast(label, tf.float32), predicted))
        variables = (model.weights, model.bias)
        for variable, gradient in zip(variables, tape.gradient(loss, variables)):  # noqa: B905
            variable.assign_sub(rate * gradient)
    batches = fn_args.data_accessor.record_batch_factory(
        fn_args.eval_files, tfx_bsl_batches(), graph.transformed_metadata.schema
    )
    assert sum(batch.num_rows for batch in batches) > 0
    signatures = {"serving_default": model.serve, "serving_raw": model.raw_signature()}
    tf.saved_model.save(model, fn_args.serving_model_dir, signatures=signatures)


def tfx_bsl_batches():
    from tfx_bsl.public.tfxio import RecordBatchesOptions

    return RecordBatchesOptions(batch_size=64, num_epochs=1, shuffle=False)
