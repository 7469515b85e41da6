"""A search, before and after tuner_fn is called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from mlops_tfx.errors import UserCodeError
from mlops_tfx.training import FnArgs


class TunerFnResult(NamedTuple):
    """What ``tuner_fn`` returns.

    Attributes:
        tuner: a KerasTuner tuner.
        fit_kwargs: keyword arguments of its ``search``, which it hands to the model's ``fit``.
    """

    tuner: Any
    fit_kwargs: dict[str, Any]


@dataclass(frozen=True)
class Job:
    """A search, before tuner_fn is called: what a process needs to make the tuner."""

    module_file: str | None
    tuner_fn: Any
    fn_args: FnArgs

    def make(self) -> TunerFnResult:
        """Calls tuner_fn. Raises UserCodeError if it fails, or returns something else."""
        from mlops_tfx.execution.user_code import load_function, user_code

        function = load_function(self.module_file, self.tuner_fn, "tuner_fn")
        with user_code("tuner_fn"):
            made = function(self.fn_args)
        tuner, fit_kwargs = getattr(made, "tuner", None), getattr(made, "fit_kwargs", None)
        missing = [name for name in ("search", "oracle", "get_best_hyperparameters") if not hasattr(tuner, name)]
        if missing or not isinstance(fit_kwargs, dict):
            raise UserCodeError(
                "tuner_fn: expected TunerFnResult(tuner=<a KerasTuner tuner>, fit_kwargs={...}), received "
                f"{type(made).__name__} with tuner of type {type(tuner).__name__} and fit_kwargs of type "
                f"{type(fit_kwargs).__name__}"
            )
        # KerasTuner and Keras would draw their bars and tables into the run's own display.
        return TunerFnResult(tuner, {"verbose": 0, **fit_kwargs})
