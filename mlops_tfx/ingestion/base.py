"""BaseExampleGen: sources of rows in, one Examples artifact per span out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_tfx.artifacts import Examples
from mlops_tfx.component import Component, Outputs
from mlops_tfx.config import FileFormat, PayloadFormat
from mlops_tfx.errors import ConfigError
from mlops_tfx.ingestion.source import Source, rows_of

if TYPE_CHECKING:
    from mlops_tfx import config
    from mlops_tfx.io.ingest import Storage
    from mlops_tfx.io.partition import Partition
    from mlops_tfx.run_context import RunContext


_MOST_LOGGED = 20


@dataclass(frozen=True)
class SpanSources:
    """All rows of one span.

    Attributes:
        sources: rows by input split.
        span: the span's number.
        version: its version, if it has one.
        fingerprint: TFX's fingerprint of the input.
        again: gives the same rows once more, for splits that need two passes; None if they can be read only once.
    """

    sources: Mapping[str, Source]
    span: int = 0
    version: int | None = None
    fingerprint: str = ""
    again: Callable[[], Mapping[str, Source]] | None = None


class BaseExampleGen(Component):
    """What ExampleGens share: rows are divided into splits and written, one Examples artifact per span.

    A subclass defines ``run()``, which collects its sources and calls `ingest`.
    """

    examples = Outputs(Examples)

    @classmethod
    def adopt_executor(cls) -> None:
        """Raises TypeError: executors and drivers written for TFX are called by the ExampleGens of `mlops_tfx.v1`."""
        base = cls.__mro__[1].__name__
        raise TypeError(
            f"{cls.__qualname__}: EXECUTOR_SPEC and DRIVER_CLASS are not called for mlops_tfx.{base}; derive the class "
            f"from mlops_tfx.v1's {base}, or from the one of mlops_tfx.compat.example_gen.component; or define read()"
        )

    def beam_context(self) -> RunContext:
        """Where Beam pipelines of sources run."""
        return self.context

    def problems_with_reader(self, executor: Any) -> Iterator[str]:
        """What would not be called of an executor written for TFX, which here can but read."""
        if hasattr(executor, "is_reader") and not executor.is_reader():
            yield (
                f"expected an executor that defines GetInputSourceToExamplePTransform alone, received {executor!r}: "
                f"its Do or GenerateExamplesByBeam is called by the {type(self).__name__} of mlops_tfx.v1 and "
                "mlops_tfx.compat.example_gen.component only"
            )

    def ingest(
        self,
        spans: Sequence[SpanSources],
        output_config: config.Output | None,
        payload: PayloadFormat = PayloadFormat.FORMAT_TF_EXAMPLE,
        file_format: FileFormat = FileFormat.FILE_FORMAT_UNSPECIFIED,
    ) -> None:
        """Divides the rows of every span into splits, and writes and describes its artifact as TFX does.

        Args:
            spans: at least one; there will be as many artifacts, in this order.
            output_config: output splits; by default train: 2, eval: 1, or the input splits if there are several.
            payload: what the records hold.
            file_format: how they are stored; by default what goes with the payload.

        Raises:
            ConfigError: the output splits do not go with the input splits.
            DataError: a source is wrong, or as many rows were not written as there are.
        """
        from mlops_tfx.io import ingest, partition

        storage = ingest.Storage.of(payload, file_format)
        names = list(spans[0].sources)
        division = partition.output_partition(output_config, names)
        for span, artifact in zip(spans, self.examples.make(len(spans)), strict=True):
            self._write_span(span, artifact, division, storage)
            ingest.set_input_properties(artifact, span.span, span.version, span.fingerprint)

    def _write_span(self, span: SpanSources, artifact: Examples, division: Partition | None, storage: Storage) -> None:
        from mlops_tfx.io import ingest as ingesting
        from mlops_tfx.io import row_counts

        division = self._fitted(division, span, storage)
        if any(source.is_beam for source in span.sources.values()):
            from mlops_tfx.ingestion import beam_source

            written = beam_source.write_splits(artifact, span.sources, division, storage, self.beam_context())
        else:
            rows = {name: rows_of(source, storage.payload, name) for name, source in span.sources.items()}
            written = ingesting.write_splits(artifact, rows, division, storage, self.context.report_rows)
        self._report_skipped(artifact, [text for source in span.sources.values() for text in source.skipped()])
        expected = [source.expected_rows() for source in span.sources.values()]
        known = [rows for rows in expected if rows is not None]
        if len(known) == len(expected):
            ingesting.check_rows(sum(known), written)
        row_counts.record_rows(artifact, written)

    def _fitted(self, division: Partition | None, span: SpanSources, storage: Storage) -> Partition | None:
        """Splits in order of a feature are known only when all rows have been seen."""
        from mlops_tfx import filesystem
        from mlops_tfx.io import time_order

        if division is None or division.order_by is None:
            return division
        if span.again is None or any(source.is_beam for source in span.sources.values()):
            raise ConfigError(
                f"order_by={division.order_by!r}: expected rows of files, which can be read twice, received a query "
                f"or a Beam source; divide by hash, or by partition_feature_name"
            )
        rows = (rows for name, source in span.again().items() for rows in rows_of(source, storage.payload, name))
        return time_order.fit(division, rows, filesystem.join(self.context.temp_dir, "order"))

    def _report_skipped(self, artifact: Examples, skipped: Sequence[str]) -> None:
        if skipped:
            artifact.custom_properties["corrupt_records"] = len(skipped)
            more = f"; and {len(skipped) - _MOST_LOGGED} more" if len(skipped) > _MOST_LOGGED else ""
            self.context.log(f"left out {len(skipped)} corrupt records: {'; '.join(skipped[:_MOST_LOGGED])}{more}")
