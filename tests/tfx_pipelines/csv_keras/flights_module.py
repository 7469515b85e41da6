"""preprocessing_fn and run_fn: late departures with a Keras model."""

from typing import Any, Dict, List, Text

import absl.logging as logging
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow import keras
from tensorflow_transform.tf_metadata import schema_utils
from tfx import v1 as tfx
from tfx_bsl.public import tfxio

NUMERIC_KEYS = ["distance", "temp", "wind_speed"]
VOCABULARY_KEYS = ["carrier", "dest"]
BUCKET_KEYS = ["month"]
LABEL_KEY = "late"
OOV_SIZE = 3


def _transformed_name(key: Text) -> Text:
    return key + "_xf"


def preprocessing_fn(inputs: Dict[Text, Any], custom_config: Dict[Text, Any]) -> Dict[Text, Any]:
    outputs = {}
    for key in NUMERIC_KEYS:
        outputs[_transformed_name(key)] = tft.scale_to_z_score(tf.cast(inputs[key], tf.float32))
    for key in VOCABULARY_KEYS:
        outputs[_transformed_name(key)] = tft.compute_and_apply_vocabulary(
            inputs[key], top_k=custom_config["top_k"], num_oov_buckets=OOV_SIZE, vocab_filename=key
        )
    for key in BUCKET_KEYS:
        outputs[_transformed_name(key)] = tft.bucketize(inputs[key], custom_config["buckets"])
    outputs["origin_hash_xf"] = tft.hash_strings(inputs["origin"], 8)
    outputs[_transformed_name(LABEL_KEY)] = tf.cast(inputs[LABEL_KEY], tf.float32)
    return outputs


def _input_fn(
    file_pattern: List[Text],
    data_accessor: tfx.components.DataAccessor,
    tf_transform_output: tft.TFTransformOutput,
    batch_size: int,
) -> tf.data.Dataset:
    return data_accessor.tf_dataset_factory(
        file_pattern,
        tfxio.TensorFlowDatasetOptions(batch_size=batch_size, label_key=_transformed_name(LABEL_KEY)),
        tf_transform_output.transformed_metadata.schema,
    ).repeat()


def _build_model(top_k: int, buckets: int) -> keras.Model:
    numeric = [keras.Input((1,), name=_transformed_name(key)) for key in NUMERIC_KEYS]
    categories = [keras.Input((1,), name=_transformed_name(key), dtype="int64") for key in VOCABULARY_KEYS]
    month = keras.Input((1,), name="month_xf", dtype="int64")
    origin = keras.Input((1,), name="origin_hash_xf", dtype="int64")
    encoded = [keras.layers.CategoryEncoding(top_k + OOV_SIZE, output_mode="one_hot")(c) for c in categories]
    encoded.append(keras.layers.CategoryEncoding(buckets, output_mode="one_hot")(month))
    encoded.append(keras.layers.CategoryEncoding(8, output_mode="one_hot")(origin))
    hidden = keras.layers.Dense(16, activation="relu")(keras.layers.concatenate(numeric + encoded))
    output = keras.layers.Dense(1, activation="sigmoid", name="late_probability")(hidden)
    model = keras.Model(numeric + categories + [month, origin], output)
    model.compile(
        optimizer=keras.optimizers.Adam(0.01), loss="binary_crossentropy", metrics=[keras.metrics.BinaryAccuracy()]
    )
    model.summary(print_fn=logging.info)
    return model


def _serving_signature(model: keras.Model, tf_transform_output: tft.TFTransformOutput):
    model.tft_layer = tf_transform_output.transform_features_layer()

    @tf.function(input_signature=[tf.TensorSpec(shape=[None], dtype=tf.string, name="examples")])
    def serve_tf_examples_fn(serialized_tf_examples):
        feature_spec = tf_transform_output.raw_feature_spec()
        feature_spec.pop(LABEL_KEY)
        parsed = tf.io.parse_example(serialized_tf_examples, feature_spec)
        transformed = model.tft_layer(parsed)
        transformed.pop(_transformed_name(LABEL_KEY), None)
        return {"outputs": model(transformed)}

    return serve_tf_examples_fn


def run_fn(fn_args: tfx.components.FnArgs) -> None:
    tf_transform_output = tft.TFTransformOutput(fn_args.transform_output)
    schema = tfx.utils.parse_pbtxt_file(fn_args.schema_path, _schema())
    assert {feature.name for feature in schema.feature} == set(schema_utils.schema_as_feature_spec(schema).feature_spec)
    batch_size = fn_args.custom_config["batch_size"]
    train = _input_fn(fn_args.train_files, fn_args.data_accessor, tf_transform_output, batch_size)
    evaluation = _input_fn(fn_args.eval_files, fn_args.data_accessor, tf_transform_output, batch_size)
    model = _build_model(fn_args.custom_config["top_k"], fn_args.custom_config["buckets"])
    tensorboard = keras.callbacks.TensorBoard(log_dir=fn_args.model_run_dir, update_freq="batch")
    model.fit(
        train,
        steps_per_epoch=fn_args.train_steps,
        validation_data=evaluation,
        validation_steps=fn_args.eval_steps,
        callbacks=[tensorboard],
        verbose=2,
    )
    signatures = {"serving_default": _serving_signature(model, tf_transform_output)}
    tf.saved_model.save(model, fn_args.serving_model_dir, signatures=signatures)


def _schema():
    from tensorflow_metadata.proto.v0 import schema_pb2

    return schema_pb2.Schema()
