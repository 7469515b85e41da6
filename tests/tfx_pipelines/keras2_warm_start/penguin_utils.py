"""User functions of the pipeline: a tf_keras model of species that goes on from the blessed one."""

import os
from typing import List

import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras
from absl import logging
from tensorflow_transform import TFTransformOutput
from tfx.components.trainer.fn_args_utils import DataAccessor, FnArgs
from tfx_bsl.tfxio import dataset_options

FEATURE_KEYS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
LABEL_KEY = "species"
TRAIN_BATCH_SIZE = 20
EVAL_BATCH_SIZE = 10


def transformed_name(key):
    return key + "_xf"


def preprocessing_fn(inputs):
    """Z-scores of what was measured; species and sex as indices."""
    outputs = {}
    for key in FEATURE_KEYS:
        outputs[transformed_name(key)] = tft.scale_to_z_score(inputs[key])
    outputs["sex_xf"] = tft.compute_and_apply_vocabulary(
        tf.strings.upper(inputs["sex"]), num_oov_buckets=1, vocab_filename="sex_vocabulary"
    )
    table_keys = ["Adelie", "Chinstrap", "Gentoo"]
    initializer = tf.lookup.KeyValueTensorInitializer(
        keys=table_keys,
        values=tf.cast(tf.range(len(table_keys)), tf.int64),
        key_dtype=tf.string,
        value_dtype=tf.int64,
    )
    table = tf.lookup.StaticHashTable(initializer, default_value=-1)
    outputs[transformed_name(LABEL_KEY)] = table.lookup(inputs[LABEL_KEY])
    return outputs


def stats_options_updater_fn(stats_type, stats_options):
    """Fewer buckets than by default."""
    from tfx.components.transform import stats_options_util

    if stats_type == stats_options_util.StatsType.POST_TRANSFORM:
        stats_options.num_histogram_buckets = 4
    return stats_options


def input_fn(
    file_pattern: List[str],
    data_accessor: DataAccessor,
    tf_transform_output: TFTransformOutput,
    batch_size: int = 200,
) -> tf.data.Dataset:
    return data_accessor.tf_dataset_factory(
        file_pattern,
        dataset_options.TensorFlowDatasetOptions(batch_size=batch_size, label_key=transformed_name(LABEL_KEY)),
        tf_transform_output.transformed_metadata.schema,
    ).repeat()


def make_serving_signatures(model, tf_transform_output: TFTransformOutput):
    model.tft_layer_inference = tf_transform_output.transform_features_layer()
    model.tft_layer_eval = tf_transform_output.transform_features_layer()

    @tf.function(input_signature=[tf.TensorSpec(shape=[None], dtype=tf.string, name="examples")])
    def serve_tf_examples_fn(serialized_tf_example):
        raw_feature_spec = tf_transform_output.raw_feature_spec()
        raw_feature_spec.pop(LABEL_KEY)
        raw_features = tf.io.parse_example(serialized_tf_example, raw_feature_spec)
        transformed_features = model.tft_layer_inference(raw_features)
        logging.info("serve_transformed_features = %s", transformed_features)
        return {"outputs": model(transformed_features)}

    @tf.function(input_signature=[tf.TensorSpec(shape=[None], dtype=tf.string, name="examples")])
    def transform_features_fn(serialized_tf_example):
        raw_feature_spec = tf_transform_output.raw_feature_spec()
        raw_features = tf.io.parse_example(serialized_tf_example, raw_feature_spec)
        return model.tft_layer_eval(raw_features)

    return {"serving_default": serve_tf_examples_fn, "transform_features": transform_features_fn}


def make_keras_model() -> keras.Model:
    inputs = [keras.layers.Input(shape=(1,), name=transformed_name(key)) for key in FEATURE_KEYS]
    sex = keras.layers.Input(shape=(1,), name="sex_xf", dtype=tf.int64)
    deep = keras.layers.concatenate([*inputs, keras.layers.CategoryEncoding(3, output_mode="one_hot")(sex)])
    for _ in range(2):
        deep = keras.layers.Dense(8, activation="relu")(deep)
    output = keras.layers.Dense(3, activation="softmax")(deep)
    model = keras.Model(inputs=[*inputs, sex], outputs=output)
    model.compile(
        optimizer=keras.optimizers.legacy.Adam(1e-2),
        loss="sparse_categorical_crossentropy",
        metrics=[keras.metrics.SparseCategoricalAccuracy()],
    )
    model.summary(print_fn=logging.info)
    return model


def run_fn(fn_args: FnArgs):
    """Trains, from the base model's weights if there is one."""
    tf_transform_output = tft.TFTransformOutput(fn_args.transform_graph_path)
    train_dataset = input_fn(fn_args.train_files, fn_args.data_accessor, tf_transform_output, TRAIN_BATCH_SIZE)
    eval_dataset = input_fn(fn_args.eval_files, fn_args.data_accessor, tf_transform_output, EVAL_BATCH_SIZE)
    model = make_keras_model()
    if fn_args.base_model:
        logging.info("going on from %s", fn_args.base_model)
        base = keras.models.load_model(os.path.join(fn_args.base_model), compile=False)
        model.set_weights(base.get_weights())
    first = model.evaluate(eval_dataset, steps=5, return_dict=True)
    model.fit(
        train_dataset,
        steps_per_epoch=fn_args.train_steps // 4,
        epochs=4,
        validation_data=eval_dataset,
        validation_steps=fn_args.eval_steps,
        callbacks=[keras.callbacks.TensorBoard(log_dir=fn_args.model_run_dir, update_freq="epoch")],
    )
    signatures = make_serving_signatures(model, tf_transform_output)
    model.save(fn_args.serving_model_dir, save_format="tf", signatures=signatures)
    warm = first["sparse_categorical_accuracy"] > 0.8
    with tf.io.gfile.GFile(os.path.join(fn_args.model_run_dir, "start.txt"), "w") as file:
        file.write("warm" if fn_args.base_model and warm else "cold")
