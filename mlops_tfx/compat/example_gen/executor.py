"""``tfx.components.example_gen.base_example_gen_executor``: from which executors of custom ExampleGens are derived."""

from __future__ import annotations

import abc
import dataclasses
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import apache_beam as beam

from mlops_tfx import config
from mlops_tfx.artifacts import Examples
from mlops_tfx.compat.artifact_lists import get_single_instance
from mlops_tfx.compat.example_gen.configuration import generate_output_split_names
from mlops_tfx.compat.executors import Artifacts, BaseBeamExecutor
from mlops_tfx.ingestion.source import Source, make_rows
from mlops_tfx.io import ingest, partition
from mlops_tfx.run_context import RunContext

if TYPE_CHECKING:
    from collections.abc import Iterator


class BaseExampleGenExecutor(BaseBeamExecutor, abc.ABC):
    """Makes examples of a source: subclasses define ``GetInputSourceToExamplePTransform``.

    Those that divide rows in their own way override ``GenerateExamplesByBeam``.
    """

    @classmethod
    def is_reader(cls) -> bool:
        """Whether a subclass does no more than read: we divide and write the rows then, and count them."""
        base = BaseExampleGenExecutor
        names = ("Do", "GenerateExamplesByBeam", "_make_beam_pipeline")
        return all(getattr(cls, name) is getattr(base, name) for name in names)

    @abc.abstractmethod
    def GetInputSourceToExamplePTransform(self) -> Any:
        """Returns what makes a PTransform of ``(exec_properties, split_pattern)``: from a pipeline to rows.

        Rows are tf.train.Examples, tf.train.SequenceExamples, serialized records or dicts.
        """

    def GenerateExamplesByBeam(self, pipeline: beam.Pipeline, exec_properties: dict[str, Any]) -> dict[str, Any]:
        """Returns a PCollection of rows for every output split."""
        splits, division, storage = _plan(exec_properties)
        exec_properties["_beam_pipeline_args"] = self._beam_pipeline_args
        transform = self.GetInputSourceToExamplePTransform()
        if division is None:
            return {
                name: pipeline | f"InputToRecord[{name}]" >> transform(exec_properties, pattern)
                for name, pattern in splits.items()
            }
        records = pipeline | "InputToRecord" >> transform(exec_properties, next(iter(splits.values())))
        divide = beam.ParDo(_Divide(division, storage.payload)).with_outputs(*division.names)
        divided = records | "Batch" >> beam.BatchElements(1, 1000) | "SplitData" >> divide
        return {name: divided[name] for name in division.names}

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Writes the rows of every split, and describes the artifact as TFX does."""
        from mlops_tfx.ingestion import beam_source

        self._log_startup(input_dict, output_dict, exec_properties)
        artifact = get_single_instance(output_dict["examples"])
        assert isinstance(artifact, Examples)
        splits, division, storage = _plan(exec_properties)
        if type(self).GenerateExamplesByBeam is BaseExampleGenExecutor.GenerateExamplesByBeam:
            exec_properties["_beam_pipeline_args"] = self._beam_pipeline_args
            transform = self.GetInputSourceToExamplePTransform()
            sources = {name: Source(transform(exec_properties, pattern)) for name, pattern in splits.items()}
        else:
            division = None
            generated = _Generated(self, exec_properties)
            sources = {name: Source(_OneSplit(generated, name)) for name in _output_names(exec_properties)}
        beam_source.write_splits(artifact, sources, division, storage, self._run_context())

    def _run_context(self) -> RunContext:
        known: RunContext | None = getattr(self._context, "run_context", None)
        if known is None:  # an executor that is called by itself, in a test
            known = RunContext("", "", type(self).__name__, tempfile.mkdtemp())
        return dataclasses.replace(known, beam_pipeline=self._make_beam_pipeline)


class _Generated:
    """Calls ``GenerateExamplesByBeam`` once for a pipeline, and remembers its splits."""

    def __init__(self, executor: BaseExampleGenExecutor, exec_properties: dict[str, Any]) -> None:
        self._executor = executor
        self._exec_properties = exec_properties
        self._splits: Mapping[str, Any] | None = None

    def split(self, pipeline: beam.Pipeline, name: str) -> Any:
        """Returns the PCollection of one split."""
        if self._splits is None:
            self._splits = self._executor.GenerateExamplesByBeam(pipeline, self._exec_properties)
        return self._splits[name]


class _OneSplit(beam.PTransform):
    def __init__(self, generated: _Generated, name: str) -> None:
        super().__init__()
        self._generated = generated
        self._name = name

    def expand(self, pipeline: Any) -> Any:
        # A transform must have a step of its own: the split may have been made by another one.
        return self._generated.split(pipeline.pipeline, self._name) | beam.Map(_same)


def _same(row: Any) -> Any:
    return row


class _Divide(beam.DoFn):
    """Lists of rows to the output splits of their rows."""

    def __init__(self, division: partition.Partition, payload: str) -> None:
        super().__init__()
        self._division = division
        self._payload = payload

    def process(self, batch: list[Any]) -> Iterator[Any]:
        import pyarrow as pa

        records = [row if isinstance(row, bytes) else row.SerializeToString(deterministic=True) for row in batch]
        rows = make_rows(pa.array(records, pa.large_binary()), self._payload, "the Beam source")
        for row, index in zip(batch, self._division.assign(rows).tolist(), strict=True):
            yield beam.pvalue.TaggedOutput(self._division.names[index], row)


def _plan(exec_properties: Mapping[str, Any]) -> tuple[dict[str, str], partition.Partition | None, ingest.Storage]:
    """Patterns by input split, how rows are divided, and how they are stored."""
    read = config.Input.model_validate_json(exec_properties["input_config"])
    splits = {split.name: split.pattern for split in read.splits}
    output_config = config.Output.model_validate_json(exec_properties.get("output_config") or "{}")
    payload = config.PayloadFormat(exec_properties.get("output_data_format") or config.PayloadFormat.FORMAT_TF_EXAMPLE)
    file_format = config.FileFormat(exec_properties.get("output_file_format") or 0)
    division = partition.output_partition(output_config, list(splits))
    has_output_splits = output_config.split_config is not None and bool(output_config.split_config.splits)
    return splits, division if has_output_splits else None, ingest.Storage.of(payload, file_format)


def _output_names(exec_properties: Mapping[str, Any]) -> list[str]:
    read = config.Input.model_validate_json(exec_properties["input_config"])
    written = config.Output.model_validate_json(exec_properties.get("output_config") or "{}")
    return generate_output_split_names(read, written)
