"""Tuner: searches for the best hyperparameters with the user's ``tuner_fn``."""

from mlops_tfx.components.tuner.component import Tuner
from mlops_tfx.components.tuner.job import TunerFnResult

__all__ = ["Tuner", "TunerFnResult"]
