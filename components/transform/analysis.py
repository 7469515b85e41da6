"""The first pass: analyzes the data and writes the transform graph, with TensorFlow Transform on Beam."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import apache_beam as beam
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.beam import analyzer_cache
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io

from mlops_tfx import filesystem
from mlops_tfx.components.transform import tensors
from mlops_tfx.components.transform.cache_files import write_cache
from mlops_tfx.errors import DataError, UserCodeError
from mlops_tfx.io.beam_examples import ReadExamples
from mlops_tfx.io.examples import read_batches

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Examples

# Every cached analyzer of every dataset adds about ten stages to the pipeline; TFX has the same limit.
_MAX_STAGES = 20_000
_STAGES_PER_CACHED_ANALYZER = 10


# How tensorflow_transform words an error of the graph; the batch's whole content follows.
_GRAPH_ERROR = re.compile(r'An error occurred while trying to apply the transformation: "(.*?)"\.\s+Batch', re.DOTALL)


@contextmanager
def graph_errors() -> Iterator[None]:
    """Turns an error of the user's graph during analysis into UserCodeError."""
    try:
        yield
    except ValueError as error:
        match = _GRAPH_ERROR.search(str(error))
        if match is None:
            raise
        raise UserCodeError(f"the graph of preprocessing_fn failed while data was analyzed: {match[1]}") from error


@dataclass(frozen=True)
class Cache:
    """Where analyzer results of earlier runs lie, if there are any, and where those of this run go."""

    read_from: str | None
    write_to: str


@dataclass(frozen=True)
class Dataset:
    """One split of one artifact: the unit in which analyzer results are cached, by content."""

    examples: Examples
    split: str

    @property
    def where(self) -> str:
        """Names the dataset in errors."""
        return self.examples.path(self.split)

    def key(self, cached: bool) -> Any:
        """The dataset's name in the analyzer cache: two datasets with equal bytes have the same."""
        name = filesystem.digest(self.where) if cached else self.where
        return analyzer_cache.DatasetKey(f"{self.split}-{name}", is_cached=cached)


@dataclass(frozen=True)
class Analysis:
    """One analysis.

    Attributes:
        function: the checked preprocessing_fn.
        schema: the schema of the raw data.
        shape: what tracing the function told.
        columns: features to read; more than the analyzers need if statistics are made of the same batches.
        datasets: what to analyze.
        compat_v1: whether to trace a TF 1 graph.
    """

    function: Callable[[Any], Any]
    schema: Any
    shape: tensors.FunctionShape
    columns: tuple[str, ...]
    datasets: tuple[Dataset, ...]
    compat_v1: bool

    def add_to(
        self,
        pipeline: beam.Pipeline,
        graph_uri: str,
        temp_dir: str,
        cache: Cache | None,
        read_all: bool,
    ) -> beam.PCollection | None:
        """Adds the analysis to a Beam pipeline.

        Args:
            pipeline: the pipeline.
            graph_uri: the folder for the transform graph.
            temp_dir: a folder for intermediate graphs.
            cache: where analyzer results are cached; None for no cache.
            read_all: whether all batches are wanted, even those that the analysis need not read.

        Returns:
            The raw batches, if ``read_all``.
        """
        keys = self._keys(cached=cache is not None)
        # Without use_deep_copy_optimization: in TFT 1.16 it fails on newer Beams once analyzers build on analyzers.
        with tft_beam.Context(temp_dir=temp_dir, force_tf_compat_v1=self.compat_v1):
            known = self._known_results(pipeline, cache, list(keys))
            needed = self._needed(list(keys), known)
            batches = {
                key: self._read(pipeline, index, dataset)
                for index, (key, dataset) in enumerate(keys.items())
                if read_all or key in needed
            }
            data = {key: batches[key] if key in needed else None for key in keys}
            config = tensors.adapter_config(self.schema, self.columns)
            analyze = tft_beam.AnalyzeDatasetWithCache(self.function, pipeline=pipeline)
            transform_fn, results = (data, known, config) | "Analyze" >> analyze
            _ = transform_fn | "WriteTransformFn" >> tft_beam.WriteTransformFn(graph_uri)
            if cache is not None:
                self._write_cache(pipeline, cache, results, list(keys))
        return tuple(batches.values()) | "Flatten" >> beam.Flatten(pipeline=pipeline) if read_all else None

    def check_rows(self) -> None:
        """Raises DataError if there is nothing to learn from: without rows, means and quantiles are undefined."""
        first = tensors.project(self.schema, self.columns[:1])
        for dataset in self.datasets if self.shape.analyzers else ():
            batches = read_batches(dataset.examples, dataset.split, schema=first, batch_rows=1)
            if any(batch.num_rows for batch in batches):
                return
        if self.shape.analyzers:
            names = ", ".join(dataset.where for dataset in self.datasets)
            raise DataError(f"expected rows to analyze, received none in {names}; analyze splits that have rows")

    def write_raw_metadata(self, graph_uri: str) -> None:
        """Writes the schema of the raw data into the graph's folder, where TensorFlow Transform looks for it."""
        metadata = dataset_metadata.DatasetMetadata(self.schema)
        metadata_io.write_metadata(metadata, os.path.join(graph_uri, tft.TFTransformOutput.RAW_METADATA_DIR))

    def cacheable(self) -> bool:
        """Whether caching would keep the pipeline at a size that runners can handle."""
        stages = self.shape.analyzers * len(self.datasets) * _STAGES_PER_CACHED_ANALYZER
        return stages <= _MAX_STAGES

    def _keys(self, cached: bool) -> dict[Any, Dataset]:
        # Datasets with equal bytes share a key, and are both read.
        keys: dict[Any, Dataset] = {}
        for dataset in self.datasets:
            key = dataset.key(cached)
            while key in keys:
                key = key._replace(key=f"{key.key}-again")
            keys[key] = dataset
        return keys

    def _read(self, pipeline: beam.Pipeline, index: int, dataset: Dataset) -> beam.PCollection:
        raw = tensors.RawBatches.of(tensors.adapter_config(self.schema, self.columns))
        read = ReadExamples(dataset.examples, dataset.split, schema=tensors.project(self.schema, self.columns))
        check = beam.Map(raw.check, dataset.where)
        return pipeline | f"Read[{index}]" >> read | f"Check[{index}]" >> check

    def _known_results(self, pipeline: beam.Pipeline, cache: Cache | None, keys: Sequence[Any]) -> Any:
        if cache is None:
            return None
        if cache.read_from is None:
            return {}
        specs = tensors.type_specs(self.schema)
        entries = tft_beam.analysis_graph_builder.get_analysis_cache_entry_keys(
            self.function, specs, keys, self.compat_v1
        )
        return pipeline | "ReadCache" >> analyzer_cache.ReadAnalysisCacheFromFS(
            cache.read_from, keys, cache_entry_keys=entries
        )

    def _needed(self, keys: Sequence[Any], known: Any) -> set[Any]:
        if not self.shape.analyzers:
            return set()
        if not known:
            return set(keys)
        specs = tensors.type_specs(self.schema)
        return set(
            tft_beam.analysis_graph_builder.get_analysis_dataset_keys(self.function, specs, keys, known, self.compat_v1)
        )

    def _write_cache(
        self, pipeline: beam.Pipeline, cache: Cache, results: Mapping[Any, Any] | None, keys: Sequence[Any]
    ) -> None:
        filesystem.makedirs(cache.write_to)
        for key in keys if cache.read_from is not None else ():
            earlier = os.path.join(cache.read_from or "", key.key)
            if filesystem.isdir(earlier):
                filesystem.copy_tree(earlier, os.path.join(cache.write_to, key.key))
        if results:
            write_cache(pipeline, results, cache.write_to, keys)
