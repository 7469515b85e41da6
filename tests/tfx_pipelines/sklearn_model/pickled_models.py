"""What Evaluator needs for models that are pickles: how to load them, and how to predict with them."""

import pickle

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tfx.dsl.io import fileio


class Predict(tfma.utils.DoFnWithModels):
    """Adds labels and predictions of one or of several models to batches of extracts."""

    def process(self, element):
        features = element[tfma.FEATURES_KEY]
        labels, predictions = {}, {}
        for name, model in self._loaded_models.items():
            measures = [np.ravel(features[measure]) for measure in model.measures]
            predictions[name] = model.predict(np.column_stack(measures))
            labels[name] = np.array([model.species.index(species) for species in np.ravel(features["species"])])
        if len(predictions) == 1:
            (labels,), (predictions,) = labels.values(), predictions.values()
        yield {**element, tfma.LABELS_KEY: labels, tfma.PREDICTIONS_KEY: predictions}


class PredictWithPickles(beam.PTransform):
    """Predict, as a step of TFMA's pipeline."""

    def __init__(self, models):
        super().__init__()
        self._loaders = {model.model_name: model.model_loader for model in models}

    def expand(self, extracts):
        return extracts | "PredictWithPickles" >> beam.ParDo(Predict(self._loaders))


def custom_eval_shared_model(eval_saved_model_path, model_name, eval_config, **kwargs):
    path = f"{eval_saved_model_path}/model.pkl"

    def load():
        with fileio.open(path, "rb") as file:
            return pickle.load(file)

    return tfma.default_eval_shared_model(
        eval_saved_model_path=path,
        model_name=model_name,
        eval_config=eval_config,
        custom_model_loader=tfma.ModelLoader(construct_fn=load),
        **kwargs,
    )


def custom_extractors(eval_shared_model, eval_config, tensor_adapter_config):
    models = tfma.utils.verify_and_update_eval_shared_models(eval_shared_model)
    predict = tfma.extractors.Extractor(stage_name="PredictWithPickles", ptransform=PredictWithPickles(models))
    return tfma.default_extractors(
        eval_shared_model=eval_shared_model,
        eval_config=eval_config,
        tensor_adapter_config=tensor_adapter_config,
        custom_predict_extractor=predict,
    )
