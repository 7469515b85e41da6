"""run_fn of Trainer: logistic regression on four measures, saved as model.pkl."""

import pickle

import numpy as np
from absl import logging
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.dsl.io import fileio
from tfx.utils import io_utils
from tfx_bsl.tfxio import dataset_options

MEASURES = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
SPECIES = [b"Adelie", b"Chinstrap", b"Gentoo"]


def _read(fn_args: FnArgs, files, schema):
    """Matrix of measures and vector of indices of species, of all record batches of some files."""
    options = dataset_options.RecordBatchesOptions(batch_size=50, num_epochs=1)
    matrices, indices = [], []
    for batch in fn_args.data_accessor.record_batch_factory(files, options, schema):
        columns = dict(zip(batch.schema.names, batch.columns))  # noqa: B905
        matrices.append(np.column_stack([columns[name].flatten().to_numpy() for name in MEASURES]))
        indices += [SPECIES.index(species) for species in columns["species"].flatten().to_pylist()]
    return np.vstack(matrices), np.array(indices)


def run_fn(fn_args: FnArgs):
    schema = io_utils.parse_pbtxt_file(fn_args.schema_file, schema_pb2.Schema())
    classifier = LogisticRegression(max_iter=fn_args.train_steps)
    model = Pipeline([("scale", StandardScaler()), ("classify", classifier)])
    model.fit(*_read(fn_args, fn_args.train_files, schema))
    model.measures, model.species = MEASURES, SPECIES
    logging.info("accuracy on the eval split: %f", model.score(*_read(fn_args, fn_args.eval_files, schema)))

    fileio.makedirs(fn_args.serving_model_dir)
    with fileio.open(f"{fn_args.serving_model_dir}/model.pkl", "wb") as file:
        pickle.dump(model, file)
