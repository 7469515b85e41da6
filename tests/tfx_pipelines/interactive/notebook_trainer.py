"""run_fn: a threshold on the flipper, learnt as a tf.Module; its signature takes transformed examples."""

import tensorflow as tf
import tensorflow_transform as tft
from tfx import v1 as tfx
from tfx_bsl.public import tfxio


class Threshold(tf.Module):
    """Says how probable it is that a penguin is big."""

    def __init__(self, threshold, spec):
        super().__init__()
        self.threshold = tf.Variable(threshold)
        self.spec = spec

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(self, examples):
        """Probability per serialized example."""
        features = tf.io.parse_example(examples, self.spec)
        return {"probability": tf.sigmoid(4.0 * (features["flipper_length_mm_xf"] - self.threshold))[:, tf.newaxis]}


def run_fn(fn_args: tfx.components.FnArgs):
    output = tft.TFTransformOutput(fn_args.transform_graph_path)
    (batch,) = fn_args.data_accessor.tf_dataset_factory(
        fn_args.train_files,
        tfxio.TensorFlowDatasetOptions(batch_size=1000, num_epochs=1, label_key="big"),
        output.transformed_metadata.schema,
    )
    features, labels = batch
    flipper, big = tf.reshape(features["flipper_length_mm_xf"], [-1]), tf.reshape(labels, [-1]) == 1
    threshold = (tf.reduce_mean(flipper[big]) + tf.reduce_mean(flipper[~big])) / 2
    spec = {"flipper_length_mm_xf": output.transformed_feature_spec()["flipper_length_mm_xf"]}
    model = Threshold(threshold, spec)
    tf.saved_model.save(model, fn_args.serving_model_dir, signatures={"serving_default": model.serve})
