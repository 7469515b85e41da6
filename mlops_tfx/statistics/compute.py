"""Feeds TFDV's combiners with record batches: the whole computation of statistics, in any process, without Beam.

One shard (a file) gives one `Partial`; the partials of a split are merged in the order of the shards. So the result
does not depend on how many processes share the work, or whether Beam does.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_tfx.errors import ConfigError, DataError, MlopsTfxError
from mlops_tfx.execution.user_code import load_function, user_code
from mlops_tfx.statistics import slicing
from mlops_tfx.statistics.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList

_BUFFER_BYTES = 64 << 20


@dataclass
class Partial:
    """What is known of some of the rows.

    Attributes:
        rows: how many were read, before sampling.
        columns: the features that occurred.
        slices: per slice (None without slices) the accumulators of the generators.
    """

    rows: int = 0
    columns: set[str] = field(default_factory=set)
    slices: dict[str | None, list[Any]] = field(default_factory=dict)


class Computation:
    """Computes statistics of one split.

    Args:
        settings: what to compute.

    Attributes:
        transforms: generators that only Beam can run (lift, and the user's own of that kind).
    """

    def __init__(self, settings: Settings) -> None:
        import tensorflow_data_validation as tfdv

        self.settings = settings
        self.options = tfdv.StatsOptions.from_json(settings.tfdv)
        self._generators, self.transforms = _make_generators(self.options, settings.generators)
        self._samplers: list[float] = [1.0] * len(self._generators)
        if settings.semantic:
            self._generators.append(_semantic_generator())
            self._samplers.append(settings.semantic_sample_rate)
        for generator in self._generators:
            generator.setup()
        self._least_rows = self.options.desired_batch_size or 1000

    @functools.cached_property
    def _slicer(self) -> Callable[[pa.RecordBatch], Iterator[slicing.SlicedBatch]]:
        # Made when rows come: merging must not import the slice functions that a file names.
        return slicing.make_slicer(self.settings, self.options)

    def partial(self, batches: Iterable[pa.RecordBatch], where: str = "") -> Partial:
        """Adds up the rows of a shard.

        Raises:
            DataError: TFDV cannot take the data, such as a feature with two types; ``where`` names the shard.
        """
        growing = self.start(where)
        for batch in batches:
            growing.add(batch)
        return growing.finish()

    def start(self, where: str = "") -> GrowingPartial:
        """The same for those who have batches one at a time."""
        return GrowingPartial(self, _Buffer(self._least_rows), where)

    def sliced(self, batch: pa.RecordBatch) -> Iterator[slicing.SlicedBatch]:
        """The sampled rows of a batch, of the features that are looked at, by slice."""
        return self._slicer(select(sample_rows(batch, self.settings.sample_rate), self.options.feature_allowlist))

    def add_all(self, result: Partial, batches: Iterable[slicing.SlicedBatch]) -> None:
        """Adds batches of slices to a partial."""
        for key, batch in batches:
            if key not in result.slices:
                result.slices[key] = [generator.create_accumulator() for generator in self._generators]
            accumulators = result.slices[key]
            for index, generator in enumerate(self._generators):
                rows = sample_rows(batch, self._samplers[index])
                accumulators[index] = generator.add_input(accumulators[index], rows)

    def merge(self, partials: Iterable[Partial]) -> Partial:
        """Merges partials in the given order; they must not be used afterwards."""
        result = Partial()
        for partial in partials:
            result.rows += partial.rows
            result.columns |= partial.columns
            for key, accumulators in partial.slices.items():
                mine = result.slices.get(key)
                result.slices[key] = accumulators if mine is None else self._merged(mine, accumulators)
        return result

    def _merged(self, first: list[Any], second: list[Any]) -> list[Any]:
        together = zip(self._generators, first, second, strict=True)
        try:
            return [generator.merge_accumulators([one, other]) for generator, one, other in together]
        except (ValueError, TypeError) as error:
            raise DataError(
                f"statistics of several files cannot be merged: {error} Expected one type per feature in all files"
            ) from error

    def compact(self, partial: Partial) -> Partial:
        """Makes a partial small. Always done, so that all modes merge the same sketches."""
        for key, accumulators in partial.slices.items():
            pairs = zip(self._generators, accumulators, strict=True)
            partial.slices[key] = [generator.compact(accumulator) for generator, accumulator in pairs]
        return partial

    def statistics(self, partial: Partial, more: Sequence[tuple[str, Any]] = ()) -> DatasetFeatureStatisticsList:
        """The finished statistics, one dataset per slice, all rows first. The partial cannot be used afterwards.

        Args:
            partial: of all rows.
            more: pairs of a slice (empty without slices) and a DatasetFeatureStatistics, from ``transforms``.
        """
        from tensorflow_data_validation import constants
        from tensorflow_metadata.proto.v0 import statistics_pb2
        from tfx_bsl.statistics import merge_util

        result = statistics_pb2.DatasetFeatureStatisticsList()
        for key in sorted(partial.slices, key=lambda name: (name != constants.DEFAULT_SLICE_KEY, name or "")):
            pairs = zip(self._generators, partial.slices[key], strict=True)
            found = [generator.extract_output(accumulator) for generator, accumulator in pairs]
            found += [message for name, message in more if name == (key or "")]
            (dataset,) = merge_util.merge_dataset_feature_statistics(found).datasets
            dataset.name = key or ""
            result.datasets.append(dataset)
        return result


class GrowingPartial:
    """The partial of a shard that is being read; made by `Computation.start`."""

    def __init__(self, computation: Computation, buffer: _Buffer, where: str) -> None:
        self._computation = computation
        self._buffer = buffer
        self._where = where
        self._result = Partial()

    def add(self, batch: pa.RecordBatch) -> None:
        """Adds rows. Raises DataError if TFDV cannot take them."""
        self._result.rows += batch.num_rows
        self._result.columns.update(batch.schema.names)
        with self._data_errors():
            for key, part in self._computation.sliced(batch):
                self._computation.add_all(self._result, self._buffer.add(key, part))

    def finish(self) -> Partial:
        """Returns the partial of all rows added; nothing can be added afterwards. Raises DataError as `add` does."""
        with self._data_errors():
            self._computation.add_all(self._result, self._buffer.rest())
        return self._computation.compact(self._result)

    @contextmanager
    def _data_errors(self) -> Iterator[None]:
        try:
            yield
        except MlopsTfxError:
            raise
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"{self._where}: statistics cannot be computed: {error}") from error


class _Buffer:
    """Collects the small batches of slices until there are enough rows for TFDV to work on at once."""

    def __init__(self, least_rows: int) -> None:
        self._least_rows = least_rows
        self._batches: dict[str | None, list[pa.RecordBatch]] = {}
        self._rows: dict[str | None, int] = {}
        self._bytes = 0

    def add(self, key: str | None, batch: pa.RecordBatch) -> Iterator[slicing.SlicedBatch]:
        """Adds a batch; yields what is now large enough."""
        self._batches.setdefault(key, []).append(batch)
        self._rows[key] = self._rows.get(key, 0) + batch.num_rows
        self._bytes += batch.nbytes
        if self._bytes > _BUFFER_BYTES:
            yield from self.rest()
        elif self._rows[key] >= self._least_rows:
            yield self._take(key)

    def rest(self) -> Iterator[slicing.SlicedBatch]:
        """Yields all that is left."""
        for key in list(self._batches):
            yield self._take(key)

    def _take(self, key: str | None) -> slicing.SlicedBatch:
        from tfx_bsl.arrow import table_util

        batches = self._batches.pop(key)
        del self._rows[key]
        self._bytes -= sum(batch.nbytes for batch in batches)
        return key, batches[0] if len(batches) == 1 else table_util.MergeRecordBatches(batches)


def _make_generators(options: Any, paths: Sequence[str]) -> tuple[list[Any], list[Any]]:
    """TFDV's generators by its options, and the user's: combiners, and those that need Beam."""
    from tensorflow_data_validation.statistics import stats_impl
    from tensorflow_data_validation.statistics.generators import stats_generator
    from tensorflow_data_validation.statistics.generators import top_k_uniques_stats_generator as top_k

    from mlops_tfx.statistics.top_values import ExactTopValues

    own = [generator for path in paths for generator in _own_generators(path)]
    if own:
        options.generators = own
    combiners, transforms = [], []
    for generator in stats_impl.get_generators(options):
        if isinstance(generator, top_k.TopKUniquesStatsGenerator):
            combiners.append(ExactTopValues(options))
        elif isinstance(generator, stats_generator.TransformStatsGenerator):
            transforms.append(generator)
        else:
            combiners.append(generator)
    return combiners, transforms


def _own_generators(path: str) -> list[Any]:
    from tensorflow_data_validation.statistics.generators import stats_generator

    function = load_function(function=path)
    with user_code(f"generators={path!r}"):
        made = function()
    found = list(made) if isinstance(made, list | tuple) else [made]
    for generator in found:
        if not isinstance(generator, stats_generator.StatsGenerator | stats_generator.CombinerFeatureStatsGenerator):
            raise ConfigError(
                f"generators={path!r}: expected a function that returns TFDV StatsGenerators, received {generator!r}"
            )
    return found


def _semantic_generator() -> Any:
    """TFDV's generators for images, natural language and times, apart from the others: they may look at fewer rows."""
    import tensorflow_data_validation as tfdv
    from tensorflow_data_validation.statistics import stats_impl

    options = tfdv.StatsOptions(add_default_generators=False, enable_semantic_domain_stats=True)
    (generator,) = stats_impl.get_generators(options)
    return generator


def select(batch: pa.RecordBatch, names: Sequence[Any] | None) -> pa.RecordBatch:
    """Only these features, where the batch has them; all without names."""
    import pyarrow as pa

    if not names:
        return batch
    indexes = [batch.schema.get_field_index(name) for name in names]
    kept = [index for index in indexes if index >= 0]
    return pa.RecordBatch.from_arrays([batch.column(i) for i in kept], [batch.schema.names[i] for i in kept])


def sample_rows(batch: pa.RecordBatch, rate: float) -> pa.RecordBatch:
    """Keeps each row with probability ``rate``; equal batches give equal samples, in any process and order."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if rate >= 1.0:
        return batch
    seed = zlib.crc32(memoryview(batch.serialize()))
    return pc.filter(batch, pa.array(np.random.default_rng(seed).random(batch.num_rows) < rate))
