"""run_fn of Trainer: a scikit-learn pipeline, saved as model.pkl."""

import os
import pickle
from typing import List, Tuple

import absl
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.trainer.fn_args_utils import DataAccessor, FnArgs
from tfx.dsl.io import fileio
from tfx.utils import io_utils
from tfx_bsl.tfxio import dataset_options

_FEATURE_KEYS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
_LABEL_KEY = "species"
_SPECIES = [b"Adelie", b"Chinstrap", b"Gentoo"]


def _input_fn(
    file_pattern: List[str], data_accessor: DataAccessor, schema: schema_pb2.Schema, batch_size: int = 20
) -> Tuple[np.ndarray, np.ndarray]:
    """Generates features and label for training."""
    record_batch_iterator = data_accessor.record_batch_factory(
        file_pattern, dataset_options.RecordBatchesOptions(batch_size=batch_size, num_epochs=1), schema
    )
    feature_list, label_list = [], []
    for record_batch in record_batch_iterator:
        record_dict = {}
        for column, field in zip(record_batch, record_batch.schema):  # noqa: B905
            record_dict[field.name] = column.flatten()
        label_list.append([_SPECIES.index(label.as_py()) for label in record_dict[_LABEL_KEY]])
        feature_list.append(np.stack([record_dict[key] for key in _FEATURE_KEYS], axis=-1))
    return np.concatenate(feature_list), np.concatenate(label_list)


def run_fn(fn_args: FnArgs):
    """Train the model based on given args."""
    schema = io_utils.parse_pbtxt_file(fn_args.schema_file, schema_pb2.Schema())
    x_train, y_train = _input_fn(fn_args.train_files, fn_args.data_accessor, schema)
    x_eval, y_eval = _input_fn(fn_args.eval_files, fn_args.data_accessor, schema)

    model = Pipeline([("scaler", StandardScaler()), ("estimator", LogisticRegression(max_iter=fn_args.train_steps))])
    model.feature_keys = _FEATURE_KEYS
    model.label_key = _LABEL_KEY
    model.species = _SPECIES
    model.fit(x_train, y_train)
    absl.logging.info(model)
    absl.logging.info("Accuracy: %f", model.score(x_eval, y_eval))

    os.makedirs(fn_args.serving_model_dir)
    with fileio.open(os.path.join(fn_args.serving_model_dir, "model.pkl"), "wb+") as f:
        pickle.dump(model, f)
