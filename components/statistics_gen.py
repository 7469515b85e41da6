"""StatisticsGen: descriptive statistics over every split, computed by TensorFlow Data Validation (TFDV).

TFDV's generators are vectorised, so they are fed Arrow batches of thousands of rows; all splits run in one Beam
pipeline. Measured on 2 cores: see ``benchmarks/statistics_gen.py``.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pydantic import Field

from mlops_tfx.artifacts import Examples, ExampleStatistics, Schema
from mlops_tfx.component import Component, Input, OptionalInput, Output
from mlops_tfx.config import Config
from mlops_tfx.errors import DataError

if TYPE_CHECKING:
    import apache_beam as beam
    import pyarrow as pa
    import tensorflow_data_validation as tfdv
    from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList


class StatsOptions(Config):
    """What to compute: the common fields of ``tfdv.StatsOptions``, without importing TFDV (10 seconds).

    Attributes:
        label_feature: the label, for statistics of lift; needs a schema.
        weight_feature: a numeric feature that weighs each row; weighted statistics are added.
        sample_rate: share of rows to look at, greater than 0 and at most 1; None looks at all.
        num_top_values: how many of the most frequent values to keep per string feature.
        frequency_threshold: least number of rows for a value to be among the most frequent.
        weighted_frequency_threshold: the same by weight.
        num_rank_histogram_buckets: buckets of the rank histogram of string features.
        num_values_histogram_buckets: buckets of the histogram of values per row.
        num_histogram_buckets: buckets of equal width per numeric feature.
        num_quantiles_histogram_buckets: quantile buckets per numeric feature.
        epsilon: error of the quantiles, as a share of the rows.
        enable_semantic_domain_stats: whether to look for images, natural language and times in string features.
        semantic_domain_stats_sample_rate: share of rows to look at for these.
        vocab_paths: vocabulary files by name, for natural language domains of the schema.
        feature_allowlist: the features to look at; None looks at all.
        use_sketch_based_topk_uniques: whether counts of values are estimated; for columns of millions of values.
    """

    label_feature: str | None = None
    weight_feature: str | None = None
    sample_rate: float | None = Field(default=None, gt=0, le=1)
    num_top_values: int = Field(default=20, ge=1)
    frequency_threshold: int = Field(default=1, ge=1)
    weighted_frequency_threshold: float = Field(default=1.0, ge=0)
    num_rank_histogram_buckets: int = Field(default=1000, ge=1)
    num_values_histogram_buckets: int = Field(default=10, ge=2)
    num_histogram_buckets: int = Field(default=10, ge=1)
    num_quantiles_histogram_buckets: int = Field(default=10, ge=1)
    epsilon: float = Field(default=0.01, gt=0, lt=1)
    enable_semantic_domain_stats: bool = False
    semantic_domain_stats_sample_rate: float | None = Field(default=None, gt=0, le=1)
    vocab_paths: dict[str, str] | None = None
    feature_allowlist: list[str] | None = Field(default=None, min_length=1)
    use_sketch_based_topk_uniques: bool = False


@runtime_checkable
class TfdvStatsOptions(Protocol):
    """A ``tfdv.StatsOptions``, seen without importing TFDV."""

    schema: Any

    def to_json(self) -> str:
        """The options as JSON text."""


class StatisticsGen(Component):
    """Computes descriptive statistics over every split.

    Args:
        examples: the data.
        schema: types and domains to go by, for example integers that are categories; optional.
        stats_options: a StatsOptions, a ``tfdv.StatsOptions`` or its JSON text.
        exclude_splits: splits to leave out.

    Writes ``Split-{name}/FeatureStats.pb``, a binary DatasetFeatureStatisticsList, per split.
    """

    HEAVY_IMPORTS = ("apache_beam", "tensorflow_data_validation")

    examples: Input[Examples]
    schema: OptionalInput[Schema] = OptionalInput()
    stats_options: StatsOptions | TfdvStatsOptions | str | None = None
    exclude_splits: tuple[str, ...] | None = ()
    statistics = Output(ExampleStatistics)

    def check(self) -> Iterable[str]:
        """Options that cannot be read or kept, and a schema given twice."""
        problem, has_schema = _look_at(self.stats_options)
        if problem:
            yield f"parameter 'stats_options': {problem}"
        if has_schema and "schema" in self.inputs:
            yield "a schema is given both as input 'schema' and in 'stats_options'; leave one of them out"

    def run(self) -> None:
        splits = self.examples.kept_splits(self.exclude_splits)
        self.statistics.splits = splits
        self.statistics.span = int(self.examples.custom_properties.get("span", self.examples.span))
        sample_rate = self._options().sample_rate or 1.0
        with self.context.beam_pipeline() as pipeline:
            for split in splits:
                self._add_split(pipeline, split)
        for split in splits:
            self._check_rows(split, sample_rate)
        self.statistics.custom_properties["sample_rate_by_split"] = json.dumps(dict.fromkeys(splits, sample_rate))

    def _options(self) -> tfdv.StatsOptions:
        """TFDV's options; a new object every time, because GenerateStatistics changes what it is given."""
        import tensorflow_data_validation as tfdv

        from mlops_tfx.io.protos import SCHEMA_FILE, read_schema

        given = self.stats_options
        if given is None or isinstance(given, StatsOptions):
            options = tfdv.StatsOptions(**given.model_dump(exclude_unset=True) if given else {})
        else:
            options = tfdv.StatsOptions.from_json(given if isinstance(given, str) else given.to_json())
        if self.schema is not None:
            options.schema = read_schema(f"{self.schema.uri}/{SCHEMA_FILE}")
        return options

    def _add_split(self, pipeline: beam.Pipeline, split: str) -> None:
        import apache_beam as beam
        import tensorflow_data_validation as tfdv

        from mlops_tfx.io.beam_examples import ReadExamples

        options = self._options()
        batches = pipeline | f"Read[{split}]" >> ReadExamples(self.examples, split)
        if options.sample_rate is not None:
            # TFDV would keep or drop whole batches, at random: far too coarse, and different in every run.
            batches |= f"Sample[{split}]" >> beam.Map(sample_rows, rate=options.sample_rate)
            options.sample_rate = None
        # The result is written as one message, however the options share the work out.
        options.experimental_result_partitions = 1
        statistics = batches | f"GenerateStatistics[{split}]" >> tfdv.GenerateStatistics(options)
        _ = statistics | f"Write[{split}]" >> beam.Map(_write, path=self._path(split))

    def _path(self, split: str) -> str:
        from mlops_tfx.io.protos import STATISTICS_FILE

        return f"{self.statistics.path(split)}/{STATISTICS_FILE}"

    def _check_rows(self, split: str, sample_rate: float) -> None:
        """Raises DataError unless the statistics cover the rows that the split has, and at least one."""
        from mlops_tfx.io.examples import count_rows
        from mlops_tfx.io.protos import read_statistics

        counted = read_statistics(self._path(split)).datasets[0].num_examples
        rows = count_rows(self.examples, split)
        if not counted:
            why = f"sample_rate={sample_rate} left none of its {rows} rows" if rows else "it has none"
            raise DataError(
                f"expected rows in split {split!r} of Examples at {self.examples.uri!r}, but {why}; "
                f"give it rows, raise the sample rate, or leave it out with exclude_splits=[{split!r}]"
            )
        if sample_rate == 1.0 and counted != rows:
            raise DataError(
                f"split {split!r} of Examples at {self.examples.uri!r} has {rows} rows, but statistics were computed "
                f"over {counted}; the files may have changed meanwhile: run again"
            )
        self.context.report_rows(counted)


def sample_rows(batch: pa.RecordBatch, rate: float) -> pa.RecordBatch:
    """Keeps each row with probability ``rate``; equal batches give equal samples, in any process and order."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    seed = zlib.crc32(memoryview(batch.serialize()))
    return pc.filter(batch, pa.array(np.random.default_rng(seed).random(batch.num_rows) < rate))


def _write(statistics: DatasetFeatureStatisticsList, path: str) -> None:
    from mlops_tfx.io.protos import write_statistics

    write_statistics(path, statistics)


def _look_at(options: StatsOptions | TfdvStatsOptions | str | None) -> tuple[str | None, bool]:
    """What is wrong with the options, and whether they hold a schema; without importing TFDV."""
    if options is None or isinstance(options, StatsOptions):
        return None, False
    try:
        fields = json.loads(options if isinstance(options, str) else options.to_json())
    except (ValueError, TypeError) as error:
        # TFDV refuses to write generators and functions as JSON; without it, a cached result could not be trusted.
        return f"expected options that can be written as JSON, received {options!r} ({error})", False
    if not isinstance(fields, dict) or fields.get("TYPE_NAME") != "StatsOptions":
        return f"expected the JSON text of a tfdv.StatsOptions (its to_json()), received {options!r}", False
    return None, "schema_json" in fields
