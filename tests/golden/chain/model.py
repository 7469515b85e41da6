"""The model of the whole-chain comparison: a fixed logistic function of raw features; both sides save it."""

import tensorflow as tf

# The configuration of the evaluation, as JSON.
EVAL_CONFIG = """{
  "model_specs": [{"label_key": "late", "signature_name": "serving_default"}],
  "slicing_specs": [{}, {"feature_keys": ["origin"]}],
  "metrics_specs": [{"metrics": [
    {"class_name": "ExampleCount"}, {"class_name": "BinaryAccuracy"}, {"class_name": "Precision"},
    {"class_name": "Recall"}, {"class_name": "BinaryCrossentropy"}, {"class_name": "MeanPrediction"},
    {"class_name": "AUC", "threshold": {"value_threshold": {"lower_bound": 0.99}}},
    {"class_name": "MeanLabel"}
  ]}]
}"""


class Logistic(tf.Module):
    """Probability of a late departure, from month and distance."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(self, examples):
        """Serialized tf.Examples to probabilities."""
        spec = {name: tf.io.FixedLenFeature([1], tf.int64, [0]) for name in ("month", "distance")}
        parsed = tf.io.parse_example(examples, spec)
        month, distance = (tf.cast(parsed[name], tf.float32) for name in ("month", "distance"))
        return {"probability": tf.sigmoid(-1.3 + 0.3 * tf.sin(month) - distance / 4000.0)}


def save(path):
    """Saves the model with its serving signature."""
    model = Logistic()
    tf.saved_model.save(model, path, signatures={"serving_default": model.serve})
