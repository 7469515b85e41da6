"""Where statistics are computed: in this process, in processes of this machine, or by a Beam runner.

All three compute the same partials, shard by shard, and merge them in the same order: the bytes they write are equal.
TFDV itself always builds a Beam pipeline, which costs 0.7 CPU seconds a split before the first row is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Examples, ExampleStatistics
from mlops_tfx.component import RunContext
from mlops_tfx.components.statistics_gen import processes, results
from mlops_tfx.execution.beam import names_a_runner
from mlops_tfx.io import examples as examples_io
from mlops_tfx.io.ahead import ahead
from mlops_tfx.statistics.compute import Computation, Partial
from mlops_tfx.statistics.settings import Settings

# Measured on one core: decoding and all combiners, 20 columns. A row of flights takes 90 bytes of gzip, 40 of Parquet.
_BYTES_PER_SECOND = {examples_io.TFRECORDS_GZIP: 25e6, examples_io.PARQUET: 30e6}
# Worker processes import TFDV, and this process the partials: less than this is sooner done here.
_LEAST_SECONDS_SAVED = 10.0


@dataclass(frozen=True)
class Work:
    """One execution of StatisticsGen.

    Attributes:
        examples: the data.
        settings: what to compute, per split.
        statistics: where to write.
        context: the component's.
    """

    examples: Sequence[Examples]
    settings: Mapping[str, Settings]
    statistics: ExampleStatistics
    context: RunContext

    def shards(self, split: str) -> list[examples_io.Shard]:
        """The shards of a split, those of the first artifact first."""
        return examples_io.list_shards(self.examples, split)

    def where(self, split: str) -> str:
        """The split and its artifacts, for messages."""
        return (
            f"split {split!r} of Examples at {' and '.join(repr(artifact.recorded_uri) for artifact in self.examples)}"
        )


def compute(work: Work) -> tuple[dict[str, int], bool]:
    """Writes the statistics of every split; returns how many rows were read, by split, and if in other processes."""
    args = work.context.beam_pipeline_args
    if names_a_runner(args):
        from mlops_tfx.components.statistics_gen import beam_mode

        return beam_mode.compute(work), True
    # Statistics of a user's own may keep objects that cannot be sent between processes.
    alone = any(settings.generators for settings in work.settings.values())
    shards = {split: work.shards(split) for split in work.settings}
    count = 1 if alone else process_count(args, [shard for group in shards.values() for shard in group])
    if count == 1:
        return {split: _finish(work, split, None) for split in work.settings}, False
    with processes.shard_states(work.settings, shards, count, work.context.temp_dir) as read_partials:
        return {split: _finish(work, split, read_partials(split)) for split in work.settings}, True


def _usable_cores() -> int:
    # Containers are often given fewer cores than the machine has; not every system can say so.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_count(args: Sequence[str], shards: Sequence[examples_io.Shard], cores: int | None = None) -> int:
    """How many processes to use: as many as Beam's ``--direct_num_workers`` says, or as pay off.

    Args:
        args: Beam flags; ``--direct_num_workers=0`` means one per core.
        shards: of all splits.
        cores: by default those that this process may use.
    """
    cores = cores or _usable_cores()
    asked = [arg.partition("=")[2] for arg in args if arg.startswith("--direct_num_workers=")]
    if asked:
        return max(1, min(int(asked[-1]) or cores, len(shards)))
    most = min(cores, len(shards))
    seconds = sum(
        filesystem.size(uri) / _BYTES_PER_SECOND[kind] for uri, kind in {(s.uri, s.file_format) for s in shards}
    )
    return most if seconds * (1 - 1 / most) > _LEAST_SECONDS_SAVED else 1


def _finish(work: Work, split: str, partials: Iterator[Partial] | None) -> int:
    """Merges the partials of a split (computed here if there are none yet) and writes the result."""
    computation = Computation(work.settings[split])
    more = []
    if computation.transforms:
        from mlops_tfx.components.statistics_gen import beam_mode

        more = beam_mode.transformed(work, split)
    if partials is None:
        partials = (shard_partial(computation, shard) for shard in work.shards(split))
    folder = work.statistics.path(split)
    return results.write(computation, computation.merge(partials), folder, work.where(split), more)


def shard_partial(computation: Computation, shard: examples_io.Shard) -> Partial:
    """Computes the partial of one shard; a thread decodes the next batches meanwhile."""
    return computation.partial(ahead(examples_io.read_shard(shard)), where=shard.uri)
