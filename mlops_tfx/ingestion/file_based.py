"""FileBasedExampleGen: files of one or several spans to examples. A subclass says how a split's files are read."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mlops_tfx import config
from mlops_tfx.errors import ConfigError, DataError
from mlops_tfx.ingestion.base import BaseExampleGen, SpanSources
from mlops_tfx.ingestion.source import Source, as_source

if TYPE_CHECKING:
    from mlops_tfx.io.inputs import InputSplit, SpanInput

_PARQUET = config.FileFormat.FILE_FORMAT_PARQUET


class FileBasedExampleGen(BaseExampleGen):
    """Reads files of any format and divides their rows into splits.

    How files are read is said by a subclass that overrides `read`, or by ``custom_executor_spec``. There is one
    Examples artifact per span; without ``{SPAN}`` or a date in the patterns, all files are one span, number 0.

    Args:
        input_base: the folder with the files.
        input_config: input splits, as patterns below ``input_base``; by default one split of all files. Several splits
            are kept as they are. Patterns may have ``{SPAN}`` or ``{YYYY}``, ``{MM}`` and ``{DD}``, and ``{VERSION}``.
        output_config: output splits and their hash buckets; by default train: 2, eval: 1.
        custom_config: anything a reader needs.
        range_config: which spans to read; by default the latest. Always in its latest version.
        output_data_format: what the records of the output hold.
        output_file_format: how they are stored; by default Parquet for Parquet, else TFRecord (gzip).
        custom_executor_spec: reads the files instead of `read`: a function that takes an `InputSplit` and returns what
            `read` may return, or a class with TFX's method ``GetInputSourceToExamplePTransform``.
    """

    EXECUTION_TYPE = "tfx.components.example_gen.component.FileBasedExampleGen"

    input_base: str
    input_config: config.Input | None = None
    output_config: config.Output | None = None
    custom_config: config.CustomConfig | dict[str, Any] | None = None
    range_config: config.RangeConfig | None = None
    output_data_format: config.PayloadFormat = config.PayloadFormat.FORMAT_TF_EXAMPLE
    output_file_format: config.FileFormat = config.FileFormat.FILE_FORMAT_UNSPECIFIED
    custom_executor_spec: Any = None

    # What a subclass may define --------------------------------------------------------------------------------

    def read(self, split: InputSplit) -> Any:
        """Reads one input split of one span. Every subclass defines it, unless ``custom_executor_spec`` is given.

        It is called for all splits before the first row is written, so what it checks at once, it checks in time.

        Args:
            split: name, files (sorted) and pattern.

        Returns:
            An iterable of Arrow record batches or one of the other forms that `Source` lists; a `Source`, to say how
            many rows there must be.
        """
        raise NotImplementedError(f"{type(self).__name__} must define read(), or be given custom_executor_spec")

    def storage(self) -> tuple[config.PayloadFormat, config.FileFormat]:
        """What the records of the output hold, and how they are stored."""
        return self.output_data_format, self.output_file_format

    # What the framework calls ----------------------------------------------------------------------------------

    def check(self) -> Iterable[str]:
        """Patterns, range and formats that cannot be."""
        from mlops_tfx.io import inputs, spans

        try:
            patterns = spans.parse_patterns(inputs.split_patterns(self.input_config))
            spans.check_range(self.range_config, patterns)
        except ConfigError as error:
            yield str(error)
        if self.custom_executor_spec is not None and not callable(self._executor()):
            yield f"expected a function or class as custom_executor_spec, received {self.custom_executor_spec!r}"
        yield from self.problems_with_reader(self._executor())
        payload, file_format = self.storage()
        if payload == config.PayloadFormat.FORMAT_UNSPECIFIED:
            yield f"expected an output_data_format such as FORMAT_TF_EXAMPLE, received {payload!r}"
        if file_format == _PARQUET and payload.name in ("FORMAT_TF_SEQUENCE_EXAMPLE", "FORMAT_PROTO"):
            yield f"expected FORMAT_TFRECORDS_GZIP for {payload.name}, received output_file_format={file_format!r}"
        if payload.name == "FORMAT_PARQUET" and file_format.name == "FORMAT_TFRECORDS_GZIP":
            yield f"expected FILE_FORMAT_PARQUET for {payload.name}, received output_file_format={file_format!r}"

    def cache_ingredients(self) -> Mapping[str, str]:
        """The content of the files, the spans they belong to, and the code of a reader."""
        from mlops_tfx.execution.user_code import code_ingredients

        found = self._ingredients(self._find())
        return {**found, **code_ingredients(function=self._executor())}

    def run(self) -> None:
        """Reads the files of all spans. Raises DataError if one changed meanwhile."""
        from mlops_tfx.io import inputs

        found = self._find()
        before = self.context.cache_ingredients or self._ingredients(found)
        spans = [
            SpanSources(
                self._sources(span),
                span.span,
                span.version,
                inputs.fingerprint(span.splits),
                functools.partial(self._sources, span),
            )
            for span in found
        ]
        try:
            self.ingest(spans, self.output_config, *self.storage())
        except DataError:
            self._check_unchanged(found, before)  # names the file, where a count of rows cannot
            raise
        self._check_unchanged(found, before)

    def _sources(self, span: SpanInput) -> dict[str, Source]:
        return {split.name: as_source(self._read(split), split.name) for split in span.splits}

    def _find(self) -> list[SpanInput]:
        from mlops_tfx.io import inputs

        return inputs.find_spans(
            self.input_base, self.input_config, self.range_config, may_be_empty=self._reads_anything()
        )

    def _reads_anything(self) -> bool:
        """Whether a TFX executor reads, which is given a pattern, not files: its source may be another."""
        return any(hasattr(self._executor(), name) for name in ("GetInputSourceToExamplePTransform", "Do"))

    def _ingredients(self, found: list[SpanInput]) -> dict[str, str]:
        from mlops_tfx.io import inputs

        ingredients = inputs.ingredients(split for span in found for split in span.splits)
        if any(span.span or span.version is not None for span in found):
            ingredients["spans"] = ", ".join(str((span.span, span.version)) for span in found)
        return ingredients

    def _check_unchanged(self, found: list[SpanInput], before: Mapping[str, str]) -> None:
        changed = [name for name, digest in self._ingredients(found).items() if before.get(name) != digest]
        if changed:
            raise DataError(
                f"expected files that stay as they are while they are read, received {', '.join(changed[:10])}, "
                f"which changed meanwhile; nothing was published: run again when the files are complete"
            )

    def _read(self, split: InputSplit) -> Any:
        executor = self._executor()
        if executor is None:
            return self.read(split)
        if not hasattr(executor, "GetInputSourceToExamplePTransform"):
            return executor(split)
        made = self._new_executor(executor) if isinstance(executor, type) else executor
        return made.GetInputSourceToExamplePTransform()(self._tfx_properties(), split.pattern)

    def _executor(self) -> Any:
        return getattr(self.custom_executor_spec, "executor_class", self.custom_executor_spec)

    def _new_executor(self, executor_class: type) -> Any:
        return executor_class()

    def _tfx_properties(self) -> dict[str, Any]:
        """Execution properties as a TFX executor receives them: configurations as JSON text."""
        given = {name: as_text(value) for name, value in self.exec_properties.items()}
        return {**given, "_beam_pipeline_args": list(self.context.beam_pipeline_args)}


def as_text(value: Any) -> Any:
    """Returns configuration as JSON text, as TFX's executors receive it; anything else as it is."""
    from pydantic import BaseModel

    if isinstance(value, BaseModel):
        return value.model_dump_json(exclude_none=True)
    return json.dumps(value) if isinstance(value, dict) else value
