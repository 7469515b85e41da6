"""custom_eval_shared_model and custom_extractors of Evaluator: predictions of pickled scikit-learn models."""

import copy
import os
import pickle
from typing import Dict, Iterable, List

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.api.types import EvalSharedModel
from tfx_bsl.tfxio import tensor_adapter

_PREDICT_EXTRACTOR_STAGE_NAME = "SklearnPredict"


def _make_sklearn_predict_extractor(eval_shared_model: EvalSharedModel) -> tfma.extractors.Extractor:
    """Creates an extractor for performing predictions using a scikit-learn model."""
    eval_shared_models = tfma.utils.verify_and_update_eval_shared_models(eval_shared_model)
    return tfma.extractors.Extractor(
        stage_name=_PREDICT_EXTRACTOR_STAGE_NAME,
        ptransform=_ExtractPredictions(eval_shared_models={m.model_name: m for m in eval_shared_models}),
    )


@beam.typehints.with_input_types(tfma.Extracts)
@beam.typehints.with_output_types(tfma.Extracts)
class _TFMAPredictionDoFn(tfma.utils.DoFnWithModels):
    """A DoFn that loads the models and predicts."""

    def __init__(self, eval_shared_models: Dict[str, EvalSharedModel]):
        super().__init__({k: v.model_loader for k, v in eval_shared_models.items()})

    def process(self, elem: tfma.Extracts) -> Iterable[tfma.Extracts]:
        """Uses loaded models to make predictions on batches of data."""
        result = copy.copy(elem)
        (first, *_) = self._loaded_models.values()
        matrix = np.stack([np.ravel(result[tfma.FEATURES_KEY][key]) for key in first.feature_keys], axis=-1)
        labels = [first.species.index(label) for label in np.ravel(result[tfma.FEATURES_KEY][first.label_key])]
        result[tfma.LABELS_KEY] = np.array(labels)
        if len(self._loaded_models) == 1:
            result[tfma.PREDICTIONS_KEY] = first.predict(matrix)
        else:
            result[tfma.LABELS_KEY] = {name: np.array(labels) for name in self._loaded_models}
            result[tfma.PREDICTIONS_KEY] = {
                name: loaded_model.predict(matrix) for name, loaded_model in self._loaded_models.items()
            }
        yield result


@beam.ptransform_fn
@beam.typehints.with_input_types(tfma.Extracts)
@beam.typehints.with_output_types(tfma.Extracts)
def _ExtractPredictions(  # pylint: disable=invalid-name
    extracts: beam.pvalue.PCollection, eval_shared_models: Dict[str, EvalSharedModel]
) -> beam.pvalue.PCollection:
    """A PTransform that adds predictions to extracts."""
    return extracts | "Predict" >> beam.ParDo(_TFMAPredictionDoFn(eval_shared_models))


def _custom_model_loader_fn(model_path: str):
    """Returns a function that loads a scikit-learn model."""
    return lambda: pickle.load(tf.io.gfile.GFile(model_path, "rb"))


# TFX Evaluator will call the following functions.
def custom_eval_shared_model(eval_saved_model_path, model_name, eval_config, **kwargs) -> EvalSharedModel:
    """Returns a single custom EvalSharedModel."""
    model_path = os.path.join(eval_saved_model_path, "model.pkl")
    return tfma.default_eval_shared_model(
        eval_saved_model_path=model_path,
        model_name=model_name,
        eval_config=eval_config,
        custom_model_loader=tfma.ModelLoader(construct_fn=_custom_model_loader_fn(model_path)),
        add_metrics_callbacks=kwargs.get("add_metrics_callbacks"),
    )


def custom_extractors(
    eval_shared_model: tfma.MaybeMultipleEvalSharedModels,
    eval_config: tfma.EvalConfig,
    tensor_adapter_config: tensor_adapter.TensorAdapterConfig,
) -> List[tfma.extractors.Extractor]:
    """Returns default extractors plus a custom prediction extractor."""
    predict_extractor = _make_sklearn_predict_extractor(eval_shared_model)
    return tfma.default_extractors(
        eval_shared_model=eval_shared_model,
        eval_config=eval_config,
        tensor_adapter_config=tensor_adapter_config,
        custom_predict_extractor=predict_extractor,
    )
