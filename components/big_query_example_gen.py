"""BigQueryExampleGen: what a query of BigQuery returns to examples."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mlops_tfx import config
from mlops_tfx.errors import did_you_mean
from mlops_tfx.ingestion import QueryBasedExampleGen

_ARGUMENTS = ("query", "input_config", "output_config", "range_config", "custom_executor_spec", "custom_config")
_OPTIONS = (
    "bigquery_job_labels",
    "flatten_results",
    "gcs_location",
    "kms_key",
    "method",
    "project",
    "query_priority",
    "temp_dataset",
    "timeout",
    "use_json_exports",
    "use_native_datetime",
    "validate",
)


class BigQueryExampleGen(QueryBasedExampleGen, first=_ARGUMENTS):
    """Runs queries in BigQuery through Beam's connector and divides the rows into splits.

    Not verified against the real service; its logic is tested against a fake of Beam's connector.

    INTEGER and BOOLEAN become int64, FLOAT, NUMERIC and BIGNUMERIC float32, STRING, BYTES, GEOGRAPHY and JSON bytes;
    DATE days since 1970-01-01, TIMESTAMP and DATETIME microseconds since then, TIME microseconds; REPEATED columns
    several values. NULL and an empty array are missing. A STRUCT is refused: select its fields.

    Needs ``pip install 'apache-beam[gcp]'``, and ``--project`` and ``--temp_location`` (or ``gcs_location`` in
    custom_config) in beam_pipeline_args. The cache goes by the text of the query: if the table changes and the query
    does not, use ``with_cache(False)``.

    Args:
        query: standard SQL; its rows are one input split. It may have the variables ``@span_begin_timestamp``,
            ``@span_end_timestamp`` and ``@span_yyyymmdd_utc``.
        input_config: instead of query: input splits, the pattern of each a query. Several splits are kept as they are.
        output_config: output splits and their hash buckets; by default train: 2, eval: 1.
        range_config: which spans (days since 1970-01-01) to query, as a static range; one artifact each.
        custom_executor_spec: as in QueryBasedExampleGen.
        custom_config: further arguments of ``apache_beam.io.ReadFromBigQuery``, such as ``{"method": "DIRECT_READ"}``,
            or ``{"temp_dataset": "project.dataset"}`` for where the result is kept until it has been read.
        output_data_format: FORMAT_TF_EXAMPLE or FORMAT_PARQUET.
        output_file_format: TFRecord (gzip) of tf.Example, or Parquet with plain typed columns.
    """

    query: str | None = None

    def queries(self) -> dict[str, str]:
        """Query by input split, variables and all."""
        return {"single_split": self.query} if self.query else super().queries()

    def check(self) -> Iterable[str]:
        """Both query and input_config or none, or options that the connector does not have."""
        if bool(self.query) == bool(self.input_config):
            yield "expected exactly one of query and input_config, received " + ("both" if self.query else "none")
        else:
            yield from super().check()
        for name in self._options():
            if name not in _OPTIONS:
                hint = did_you_mean(name, _OPTIONS)
                yield f"custom_config: apache_beam.io.ReadFromBigQuery has no option {name!r}{hint}"

    def read(self, query: str) -> Any:
        """Asks for the types of the query's columns, and returns a PTransform that runs it."""
        from mlops_tfx.ingestion import big_query

        options = self._options()
        return big_query.ReadQuery(query, big_query.result_types(query, self._project()), options)

    def _options(self) -> dict[str, Any]:
        given = self.custom_config
        options = given.custom_config if isinstance(given, config.CustomConfig) else given
        return dict(options or {})

    def _project(self) -> str | None:
        from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions

        options = PipelineOptions(list(self.context.beam_pipeline_args)).view_as(GoogleCloudOptions)
        project: str | None = self._options().get("project", options.project)
        return project
