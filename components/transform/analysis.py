"""The first pass: analyzes the data and writes the transform graph, with TensorFlow Transform on Beam."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import apache_beam as beam
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.beam import analyzer_cache
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io

from mlops_tfx import filesystem
from mlops_tfx.components.transform.cache_files import write_cache
from mlops_tfx.components.transform.datasets import (
    Dataset,
    Reading,
    cached_datasets_limit,
    choose_cached,
    code_digest,
    has_partial,
    make_keys,
)
from mlops_tfx.components.transform.reading import ReadDataset
from mlops_tfx.errors import DataError, UserCodeError
from mlops_tfx.io.examples import read_batches
from mlops_tfx.transformation import tensors

if TYPE_CHECKING:
    from mlops_tfx.statistics.settings import Settings

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
class Analysis:
    """One analysis.

    Attributes:
        function: the checked preprocessing_fn.
        schema: the schema of the raw data.
        shape: what tracing the function told.
        columns: tensors to read; more than the analyzers need if statistics are made of the same batches.
        datasets: what to analyze.
        compat_v1: whether to trace a TF 1 graph.
        settings: what statistics of the raw data to compute while it is read; None for none.
        opaque_code: digests of the user's code, if the graph calls code that it does not contain.
    """

    function: Callable[[Any], Any]
    schema: Any
    shape: tensors.FunctionShape
    columns: tuple[str, ...]
    datasets: tuple[Dataset, ...]
    compat_v1: bool
    settings: Settings | None = None
    opaque_code: Mapping[str, str] = field(default_factory=dict)

    def add_to(
        self, pipeline: beam.Pipeline, graph_uri: str, temp_dir: str, cache: Cache | None, read_all: bool
    ) -> tuple[Reading, beam.PCollection | None]:
        """Adds the analysis to a Beam pipeline.

        Args:
            pipeline: the pipeline.
            graph_uri: the folder for the transform graph.
            temp_dir: a folder for intermediate graphs and tallies.
            cache: where analyzer results are cached; None for no cache.
            read_all: whether all batches are wanted, even those that the analysis need not read.

        Returns:
            What is read; and the raw batches, if ``read_all``.
        """
        keys = make_keys(self.datasets, code_digest(self.schema, self.shape.analyze_columns, self.opaque_code))
        earlier = None if cache is None else cache.read_from
        # Without use_deep_copy_optimization: in TFT 1.16 it fails on newer Beams once analyzers build on analyzers.
        with tft_beam.Context(temp_dir=temp_dir, force_tf_compat_v1=self.compat_v1):
            known = self._known_results(pipeline, cache, list(keys))
            needed = self._needed(list(keys), known)
            read = {key for key in keys if read_all or key in needed or not has_partial(earlier, key, self.settings)}
            reading = Reading(keys, read, os.path.join(temp_dir, "tallies"), self.settings, earlier)
            batches = {key: self._read(pipeline, index, reading, key) for index, key in enumerate(keys) if key in read}
            data = self._data(pipeline, {key: batches.get(key) if key in needed else None for key in keys}, known)
            config = tensors.adapter_config(self.schema, self.columns)
            analyze = tft_beam.AnalyzeDatasetWithCache(self.function, pipeline=pipeline)
            transform_fn, results = (data, known, config) | "Analyze" >> analyze
            _ = transform_fn | "WriteTransformFn" >> tft_beam.WriteTransformFn(graph_uri)
            if cache is not None:
                self._write_cache(pipeline, cache, results, list(keys))
        flat = tuple(batches.values()) | "Flatten" >> beam.Flatten(pipeline=pipeline) if read_all else None
        return reading, flat

    def _data(
        self, pipeline: beam.Pipeline, batches: Mapping[Any, beam.PCollection | None], known: Any
    ) -> dict[Any, beam.PCollection | None]:
        """What TensorFlow Transform gets: datasets that take part in the cache, and all others as one."""
        cached = () if known is None else choose_cached(list(batches), known, lambda: self._limit(list(batches)))
        data = {key: batches[key] for key in cached}
        if len(data) == len(batches):
            return data
        rest = [found for key, found in batches.items() if key not in data and found is not None]
        alone = analyzer_cache.DatasetKey("uncached", is_cached=False)
        data[alone] = tuple(rest) | "FlattenUncached" >> beam.Flatten(pipeline=pipeline) if rest else None
        return data

    def _limit(self, keys: Sequence[Any]) -> int:
        return cached_datasets_limit(len(self._entry_keys(keys)), self.settings is not None)

    def _entry_keys(self, keys: Sequence[Any]) -> Any:
        specs = tensors.type_specs(self.schema)
        build = tft_beam.analysis_graph_builder
        return build.get_analysis_cache_entry_keys(self.function, specs, keys, self.compat_v1)

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

    def _read(self, pipeline: beam.Pipeline, index: int, reading: Reading, key: Any) -> beam.PCollection:
        schema = tensors.project(self.schema, self.columns)
        read = ReadDataset(reading.keys[key], schema, reading.tally_folder(key), self.settings)
        return pipeline | f"Read[{index}]" >> read

    def _known_results(self, pipeline: beam.Pipeline, cache: Cache | None, keys: Sequence[Any]) -> Any:
        if cache is None:
            return None
        if cache.read_from is None:
            return {}
        entries = self._entry_keys(keys)
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
