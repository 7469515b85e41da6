"""The standard components, one file each. Imported as ``mlops_tfx.components``; each loads when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if __name__ != "mlops_tfx.components":
    raise ImportError(f"the folder components/ is imported as 'mlops_tfx.components', not as {__name__!r}")

if TYPE_CHECKING:
    from mlops_tfx.components.avro_example_gen import AvroExampleGen
    from mlops_tfx.components.big_query_example_gen import BigQueryExampleGen
    from mlops_tfx.components.bulk_inferrer import BulkInferrer
    from mlops_tfx.components.csv_example_gen import CsvExampleGen
    from mlops_tfx.components.data_view import DataViewBinder, TfGraphDataViewProvider
    from mlops_tfx.components.distribution_validator import DistributionValidator
    from mlops_tfx.components.evaluator import Evaluator
    from mlops_tfx.components.example_diff import ExampleDiff
    from mlops_tfx.components.example_validator import ExampleValidator
    from mlops_tfx.components.feature_usefulness import FeatureUsefulness
    from mlops_tfx.components.import_example_gen import ImportExampleGen
    from mlops_tfx.components.import_schema_gen import ImportSchemaGen
    from mlops_tfx.components.infra_validator import InfraValidator
    from mlops_tfx.components.json_lines_example_gen import JsonLinesExampleGen
    from mlops_tfx.components.pusher import Pusher
    from mlops_tfx.components.schema_gen import SchemaGen
    from mlops_tfx.components.skew_validator import SkewValidator
    from mlops_tfx.components.statistics_gen import MergeStatistics, StatisticsGen
    from mlops_tfx.components.trainer import Trainer
    from mlops_tfx.components.transform import Transform
    from mlops_tfx.components.tuner import Tuner
    from mlops_tfx.ingestion import FileBasedExampleGen, QueryBasedExampleGen

__all__ = [
    "AvroExampleGen",
    "BigQueryExampleGen",
    "BulkInferrer",
    "CsvExampleGen",
    "DataViewBinder",
    "DistributionValidator",
    "Evaluator",
    "ExampleDiff",
    "ExampleValidator",
    "FeatureUsefulness",
    "FileBasedExampleGen",
    "ImportExampleGen",
    "ImportSchemaGen",
    "InfraValidator",
    "JsonLinesExampleGen",
    "MergeStatistics",
    "Pusher",
    "QueryBasedExampleGen",
    "SchemaGen",
    "SkewValidator",
    "StatisticsGen",
    "TfGraphDataViewProvider",
    "Trainer",
    "Transform",
    "Tuner",
]

_FILES = {
    "AvroExampleGen": "avro_example_gen",
    "BigQueryExampleGen": "big_query_example_gen",
    "BulkInferrer": "bulk_inferrer",
    "CsvExampleGen": "csv_example_gen",
    "DataViewBinder": "data_view",
    "DistributionValidator": "distribution_validator",
    "Evaluator": "evaluator",
    "ExampleDiff": "example_diff",
    "ExampleValidator": "example_validator",
    "FeatureUsefulness": "feature_usefulness",
    "ImportExampleGen": "import_example_gen",
    "ImportSchemaGen": "import_schema_gen",
    "InfraValidator": "infra_validator",
    "JsonLinesExampleGen": "json_lines_example_gen",
    "MergeStatistics": "statistics_gen",
    "Pusher": "pusher",
    "SchemaGen": "schema_gen",
    "SkewValidator": "skew_validator",
    "StatisticsGen": "statistics_gen",
    "TfGraphDataViewProvider": "data_view",
    "Trainer": "trainer",
    "Transform": "transform",
    "Tuner": "tuner",
}
_BASES = ("FileBasedExampleGen", "QueryBasedExampleGen")  # they lie below the components


def __getattr__(name: str) -> Any:
    if name in _BASES:
        return getattr(importlib.import_module("mlops_tfx.ingestion"), name)
    if name not in _FILES:
        raise AttributeError(f"module 'mlops_tfx.components' has no attribute {name!r}")
    return getattr(importlib.import_module(f"mlops_tfx.components.{_FILES[name]}"), name)
