"""preprocessing_fn, tuner_fn and run_fn: a Keras 3 model of penguins."""

from typing import List

import absl
import keras
import keras_tuner
import tensorflow as tf
import tensorflow_transform as tft
from tfx import v1 as tfx
from tfx_bsl.public import tfxio

_FEATURE_KEYS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
_LABEL_KEY = "species"


def _transformed_name(key: str) -> str:
    return key + "_xf"


def preprocessing_fn(inputs):
    """Scaled measures, and the index of the species."""
    outputs = {_transformed_name(key): tft.scale_to_z_score(tf.cast(inputs[key], tf.float32)) for key in _FEATURE_KEYS}
    outputs[_transformed_name(_LABEL_KEY)] = tft.compute_and_apply_vocabulary(
        inputs[_LABEL_KEY], vocab_filename="species"
    )
    return outputs


def _input_fn(
    file_pattern: List[str], data_accessor: tfx.components.DataAccessor, graph: tft.TFTransformOutput, batch_size: int
) -> tf.data.Dataset:
    return data_accessor.tf_dataset_factory(
        file_pattern,
        tfxio.TensorFlowDatasetOptions(batch_size=batch_size, label_key=_transformed_name(_LABEL_KEY), shuffle_seed=3),
        graph.transformed_metadata.schema,
    ).repeat()


def _get_hyperparameters() -> keras_tuner.HyperParameters:
    """Which rates and depths to try."""
    hp = keras_tuner.HyperParameters()
    hp.Choice("learning_rate", [3e-2, 1e-4], default=3e-2)
    hp.Int("num_layers", 1, 2, default=1)
    return hp


def _make_keras_model(hparams: keras_tuner.HyperParameters) -> keras.Model:
    keras.utils.set_random_seed(5)
    inputs = {
        _transformed_name(key): keras.layers.Input(shape=(1,), name=_transformed_name(key)) for key in _FEATURE_KEYS
    }
    d = keras.layers.concatenate(list(inputs.values()))
    for _ in range(int(hparams.get("num_layers"))):
        d = keras.layers.Dense(8, activation="relu")(d)
    model = keras.Model(inputs=inputs, outputs=keras.layers.Dense(3)(d))
    model.compile(
        optimizer=keras.optimizers.Adam(hparams.get("learning_rate")),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy()],
    )
    return model


def tuner_fn(fn_args: tfx.components.FnArgs) -> tfx.components.TunerFnResult:
    """A random search over all of them."""
    tuner = keras_tuner.RandomSearch(
        _make_keras_model,
        max_trials=4,
        hyperparameters=_get_hyperparameters(),
        allow_new_entries=False,
        objective=keras_tuner.Objective("val_sparse_categorical_accuracy", "max"),
        directory=fn_args.working_dir,
        project_name="penguin_tuning",
        seed=11,
    )
    graph = tft.TFTransformOutput(fn_args.transform_graph_path)
    return tfx.components.TunerFnResult(
        tuner=tuner,
        fit_kwargs={
            "x": _input_fn(fn_args.train_files, fn_args.data_accessor, graph, 20),
            "validation_data": _input_fn(fn_args.eval_files, fn_args.data_accessor, graph, 10),
            "steps_per_epoch": fn_args.train_steps,
            "validation_steps": fn_args.eval_steps,
        },
    )


def run_fn(fn_args: tfx.components.FnArgs):
    """Trains with what the search found."""
    graph = tft.TFTransformOutput(fn_args.transform_output)
    train_dataset = _input_fn(fn_args.train_files, fn_args.data_accessor, graph, 20)
    eval_dataset = _input_fn(fn_args.eval_files, fn_args.data_accessor, graph, 10)
    if fn_args.hyperparameters:
        hparams = keras_tuner.HyperParameters.from_config(fn_args.hyperparameters)
    else:
        hparams = _get_hyperparameters()
    absl.logging.info("training with %s", hparams.values)
    model = _make_keras_model(hparams)
    tensorboard_callback = keras.callbacks.TensorBoard(log_dir=fn_args.model_run_dir, update_freq="epoch")
    model.fit(
        train_dataset,
        steps_per_epoch=fn_args.train_steps,
        validation_data=eval_dataset,
        validation_steps=fn_args.eval_steps,
        callbacks=[tensorboard_callback],
    )
    export_archive = keras.export.ExportArchive()
    export_archive.track(model)
    export_archive.add_endpoint(
        name="serving_default",
        fn=lambda features: {"outputs": model(features)},
        input_signature=[
            {
                _transformed_name(key): tf.TensorSpec([None, 1], tf.float32, _transformed_name(key))
                for key in _FEATURE_KEYS
            }
        ],
    )
    export_archive.write_out(fn_args.serving_model_dir)
