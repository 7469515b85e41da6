"""QueryBasedExampleGen: rows that a query returns to examples. A subclass says how a query is run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mlops_tfx import config
from mlops_tfx.errors import ConfigError
from mlops_tfx.ingestion.base import BaseExampleGen, SpanSources
from mlops_tfx.ingestion.queries import query_of_span, spans_of
from mlops_tfx.ingestion.source import as_source


class QueryBasedExampleGen(BaseExampleGen):
    """Runs queries and divides the rows that they return into splits.

    How a query is run is said by a subclass that overrides `read`, or by ``custom_executor_spec``. A query may have
    ``@span_begin_timestamp`` and ``@span_end_timestamp`` (seconds since 1970-01-01 UTC at both ends of a day) and
    ``@span_yyyymmdd_utc`` (its date, such as ``'20130114'`` with the quotes); which days, says ``range_config``.

    The cache goes by the text of the queries, as in TFX: if the data behind a query change and its text does not, use
    ``with_cache(False)``.

    Args:
        input_config: input splits; the pattern of each is a query. Several splits are kept as they are.
        output_config: output splits and their hash buckets; by default train: 2, eval: 1.
        custom_config: anything that running a query needs.
        range_config: which spans (days since 1970-01-01) to query, as a static range; one artifact each.
        output_data_format: what the records of the output hold.
        output_file_format: how they are stored; by default Parquet for Parquet, else TFRecord (gzip).
        custom_executor_spec: runs queries instead of `read`: a function of a query that returns what `read` may return,
            or a class with TFX's method ``GetInputSourceToExamplePTransform``.
    """

    EXECUTION_TYPE = "tfx.components.example_gen.component.QueryBasedExampleGen"
    BASE_TYPE = "Process"

    input_config: config.Input | None = None
    output_config: config.Output | None = None
    custom_config: config.CustomConfig | dict[str, Any] | None = None
    range_config: config.RangeConfig | None = None
    output_data_format: config.PayloadFormat = config.PayloadFormat.FORMAT_TF_EXAMPLE
    output_file_format: config.FileFormat = config.FileFormat.FILE_FORMAT_UNSPECIFIED
    custom_executor_spec: Any = None

    # What a subclass may define --------------------------------------------------------------------------------

    def read(self, query: str) -> Any:
        """Runs one query. Every subclass defines it, unless ``custom_executor_spec`` is given.

        Args:
            query: with its variables replaced.

        Returns:
            An iterable of Arrow record batches or one of the other forms that `Source` lists, such as a Beam PTransform
            whose elements are dicts.
        """
        raise NotImplementedError(f"{type(self).__name__} must define read(), or be given custom_executor_spec")

    def queries(self) -> dict[str, str]:
        """Query by input split, variables and all."""
        return {split.name: split.pattern for split in self.input_config.splits} if self.input_config else {}

    # What the framework calls ----------------------------------------------------------------------------------

    def check(self) -> Iterable[str]:
        """No query, or a range that cannot be."""
        queries = self.queries()
        if not queries or not all(query.strip() for query in queries.values()):
            yield "expected input_config with a query as the pattern of every split, received none"
        try:
            spans_of(self.range_config, queries)
        except ConfigError as error:
            yield str(error)
        if self.custom_executor_spec is not None and not callable(self._executor()):
            yield f"expected a function or class as custom_executor_spec, received {self.custom_executor_spec!r}"
        yield from self.problems_with_reader(self._executor())

    def cache_ingredients(self) -> Mapping[str, str]:
        """The code of a reader; the queries are parameters."""
        from mlops_tfx.execution.user_code import code_ingredients

        return code_ingredients(function=self._executor())

    def run(self) -> None:
        """Runs the queries of all spans."""
        queries = self.queries()
        spans = [
            SpanSources(
                {name: as_source(self._read(query_of_span(query, span)), name) for name, query in queries.items()}, span
            )
            for span in spans_of(self.range_config, queries)
        ]
        self.ingest(spans, self.output_config, self.output_data_format, self.output_file_format)

    def _read(self, query: str) -> Any:
        executor = self._executor()
        if executor is None:
            return self.read(query)
        if not hasattr(executor, "GetInputSourceToExamplePTransform"):
            return executor(query)
        made = self._new_executor(executor) if isinstance(executor, type) else executor
        return made.GetInputSourceToExamplePTransform()(self._tfx_properties(), query)

    def _executor(self) -> Any:
        return getattr(self.custom_executor_spec, "executor_class", self.custom_executor_spec)

    def _new_executor(self, executor_class: type) -> Any:
        return executor_class()

    def _tfx_properties(self) -> dict[str, Any]:
        """Execution properties as a TFX executor receives them: configurations as JSON text."""
        from pydantic import BaseModel

        given = {
            name: value.model_dump_json(exclude_none=True) if isinstance(value, BaseModel) else value
            for name, value in self.exec_properties.items()
        }
        return {**given, "_beam_pipeline_args": list(self.context.beam_pipeline_args)}
