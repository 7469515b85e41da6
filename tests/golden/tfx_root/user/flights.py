"""What the pipeline's user wrote: a preprocessing_fn and a run_fn, over flights."""

import tensorflow as tf
import tensorflow_transform as tft

LABEL = "late"
FEATURES = ("distance_z", "hour_z")


def preprocessing_fn(inputs):
    """Two z-scores, a vocabulary, and the label."""
    return {
        "distance_z": tft.scale_to_z_score(tf.cast(inputs["distance"], tf.float32)),
        "hour_z": tft.scale_to_z_score(tf.cast(inputs["hour"], tf.float32)),
        "origin": tft.compute_and_apply_vocabulary(inputs["origin"], vocab_filename="origin"),
        LABEL: tf.cast(inputs[LABEL], tf.float32),
    }


class Logistic(tf.Module):
    """Logistic regression on transformed features; it carries its transform graph."""

    def __init__(self, graph):
        super().__init__()
        self.weights = tf.Variable(tf.zeros([len(FEATURES), 1]))
        self.bias = tf.Variable(tf.zeros([1]))
        self.transform = graph.transform_features_layer()
        self.spec = {name: spec for name, spec in graph.raw_feature_spec().items() if name != LABEL}

    def __call__(self, features):
        """Logits of transformed features."""
        columns = tf.concat([tf.cast(features[name], tf.float32) for name in FEATURES], axis=1)
        return tf.matmul(columns, self.weights) + self.bias

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(self, examples):
        """Probabilities for serialized tf.Examples."""
        return {"probability": tf.sigmoid(self(self.transform(tf.io.parse_example(examples, self.spec))))}


def run_fn(fn_args):
    """Trains by gradient descent with 100 rows at a time."""
    how = fn_args.custom_config["how"]
    if how == "fail":
        raise RuntimeError("training failed on purpose")
    graph = tft.TFTransformOutput(fn_args.transform_graph_path)
    model = Logistic(graph)
    files = tf.data.Dataset.list_files(fn_args.train_files, shuffle=False)
    rows = tf.data.TFRecordDataset(files, compression_type="GZIP").batch(100).repeat().take(fn_args.train_steps)
    for serialized in rows:
        features = tf.io.parse_example(serialized, graph.transformed_feature_spec())
        with tf.GradientTape() as tape:
            losses = tf.nn.sigmoid_cross_entropy_with_logits(features[LABEL], model(features))
            loss = tf.reduce_mean(losses)
        variables = (model.weights, model.bias)
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(0.5 * gradient)
    if how == "guess":
        # The opposite of what it learned.
        model.weights.assign(-model.weights)
        model.bias.assign(-model.bias)
    tf.saved_model.save(model, fn_args.serving_model_dir, signatures={"serving_default": model.serve})
