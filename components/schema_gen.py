"""SchemaGen: a first schema, inferred from statistics by TensorFlow Data Validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlops_tfx.artifacts import ExampleStatistics, Schema
from mlops_tfx.component import Component, Inputs, Output

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList


class SchemaGen(Component):
    """Infers a schema from the statistics of all splits.

    Types, presence, shapes and the values of string features (up to 100) are inferred; ranges of numbers are not: a
    person adds those, and ImportSchemaGen brings the edited file back. A feature without any value in one split has the
    type that it has in the others, and need not be present.

    Args:
        statistics: statistics of the data; one artifact, or several (a ``union``), whose splits all count.
        infer_feature_shape: whether features that always have the same number of values get that shape.
        exclude_splits: splits to leave out.

    Writes ``schema.pbtxt``.
    """

    EXECUTION_TYPE = "tfx.components.schema_gen.component.SchemaGen"
    BASE_TYPE = "Process"
    HEAVY_IMPORTS = ("tensorflow_data_validation",)

    statistics: Inputs[ExampleStatistics]
    infer_feature_shape: bool = True
    exclude_splits: tuple[str, ...] | None = None
    schema = Output(Schema)

    def run(self) -> None:
        import tensorflow_data_validation as tfdv

        from mlops_tfx.io.protos import SCHEMA_FILE, STATISTICS_FILE, read_statistics, write_schema

        folders = [
            artifact.path(split) for artifact in self.statistics for split in artifact.kept_splits(self.exclude_splits)
        ]
        # Of statistics with slices, TFDV takes the dataset of all rows.
        every = [read_statistics(f"{folder}/{STATISTICS_FILE}") for folder in folders]
        absent = _take_out_empty(every)
        first, *others = every
        schema = tfdv.infer_schema(first, self.infer_feature_shape)
        for statistics in others:
            # update_schema only widens: a shape that the first split has may be dropped here, none is inferred.
            schema = tfdv.update_schema(schema, statistics)
        for feature in schema.feature:
            if feature.name in absent:
                feature.ClearField("lifecycle_stage")  # update_schema deprecates what it does not see
                feature.presence.ClearField("min_fraction")
                feature.presence.min_count = 0
        write_schema(f"{self.schema.uri}/{SCHEMA_FILE}", schema)


def _take_out_empty(every: Sequence[DatasetFeatureStatisticsList]) -> set[str]:
    """Takes features out of datasets that have no value of them, if others have: their type there is a guess.

    TFDV gives such a feature the type STRING, and deprecates it when the next dataset has numbers.

    Returns:
        The names of these features.
    """
    datasets = [dataset for statistics in every for dataset in statistics.datasets]
    full = {_name(feature) for dataset in datasets for feature in dataset.features if _has_values(feature)}
    absent = set()
    for dataset in datasets:
        empty = {_name(feature) for feature in dataset.features if not _has_values(feature)} & full
        absent |= empty
        kept = [feature for feature in dataset.features if _name(feature) not in empty]
        if empty:
            del dataset.features[:]
            dataset.features.extend(kept)
    return absent


def _name(feature: Any) -> str:
    return ".".join(feature.path.step) or str(feature.name)


def _has_values(feature: Any) -> bool:
    kind = feature.WhichOneof("stats")
    return kind is None or getattr(feature, kind).common_stats.num_non_missing > 0
