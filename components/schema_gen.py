"""SchemaGen: a first schema, inferred from statistics by TensorFlow Data Validation."""

from __future__ import annotations

from mlops_tfx.artifacts import ExampleStatistics, Schema
from mlops_tfx.component import Component, Inputs, Output


class SchemaGen(Component):
    """Infers a schema from the statistics of all splits.

    Types, presence, shapes and the values of string features (up to 100) are inferred; ranges of numbers are not: a
    person adds those, and ImportSchemaGen brings the edited file back.

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
        first, *others = (read_statistics(f"{folder}/{STATISTICS_FILE}") for folder in folders)
        schema = tfdv.infer_schema(first, self.infer_feature_shape)
        for statistics in others:
            # update_schema only widens: a shape that the first split has may be dropped here, none is inferred.
            schema = tfdv.update_schema(schema, statistics)
        write_schema(f"{self.schema.uri}/{SCHEMA_FILE}", schema)
