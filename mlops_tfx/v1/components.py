"""``tfx.v1.components``: the standard components."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tfx.v1.lazy import offer

if TYPE_CHECKING:
    from mlops_tfx.compat.example_gen.component import CsvExampleGen, ImportExampleGen
    from mlops_tfx.components import (
        BulkInferrer,
        Evaluator,
        ExampleDiff,
        ExampleValidator,
        ImportSchemaGen,
        InfraValidator,
        Pusher,
        SchemaGen,
        StatisticsGen,
        Trainer,
        Transform,
        Tuner,
    )
    from mlops_tfx.components.tuner import TunerFnResult
    from mlops_tfx.io.dataset import DataAccessor
    from mlops_tfx.training import FnArgs

__all__ = [
    "BulkInferrer",
    "CsvExampleGen",
    "DataAccessor",
    "Evaluator",
    "ExampleDiff",
    "ExampleValidator",
    "FnArgs",
    "ImportExampleGen",
    "ImportSchemaGen",
    "InfraValidator",
    "Pusher",
    "SchemaGen",
    "StatisticsGen",
    "Trainer",
    "Transform",
    "Tuner",
    "TunerFnResult",
]

_HOMES = {
    **dict.fromkeys(__all__, "mlops_tfx.components"),
    # Those which subclasses may give an executor and a driver of their own.
    **dict.fromkeys(("CsvExampleGen", "ImportExampleGen"), "mlops_tfx.compat.example_gen.component"),
    "DataAccessor": "mlops_tfx.io.dataset",
    "FnArgs": "mlops_tfx.training",
    "TunerFnResult": "mlops_tfx.components.tuner",
}

__getattr__, __dir__ = offer(__name__, _HOMES)
