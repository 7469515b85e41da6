"""Statistics on a Beam runner: for clusters, and for generators that are Beam transforms."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import apache_beam as beam
from apache_beam.options.pipeline_options import TypeOptions

from mlops_tfx import filesystem
from mlops_tfx.components.statistics_gen import results
from mlops_tfx.io import examples as examples_io
from mlops_tfx.io.beam_examples import ReadExamples
from mlops_tfx.io.protos import read_statistics, write_statistics
from mlops_tfx.statistics import partial_state
from mlops_tfx.statistics.compute import Computation, Partial
from mlops_tfx.statistics.settings import Settings

if TYPE_CHECKING:
    from mlops_tfx.components.statistics_gen.modes import Work

_TRANSFORMED = ".transformed"


def compute(work: Work) -> dict[str, int]:
    """Writes the statistics of every split; returns how many rows were read, by split."""
    with_transforms = {split for split, settings in work.settings.items() if Computation(settings).transforms}
    for split in with_transforms:
        _run_transforms(work, split)
    with work.context.beam_pipeline() as pipeline:
        for split, settings in work.settings.items():
            numbered = list(enumerate(work.shards(split)))
            finish = _Finish(settings, work.statistics.path(split), work.where(split), split in with_transforms)
            _ = (
                pipeline
                | f"Shards[{split}]" >> beam.Create(numbered, reshuffle=False)
                | f"Spread[{split}]" >> beam.GroupByKey()
                | f"Partial[{split}]" >> beam.ParDo(_ShardPartial(settings))
                | f"Gather[{split}]" >> beam.GroupByKey()
                | f"Finish[{split}]" >> beam.ParDo(finish)
            )
    return {split: _rows(work.statistics.path(split)) for split in work.settings}


class _WithComputation(beam.DoFn):
    """A step that makes its own Computation where it runs: TFDV's generators hold what cannot be sent."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    def setup(self) -> None:
        self._computation = Computation(self._settings)


class _ShardPartial(_WithComputation):
    def process(self, numbered: tuple[int, Iterable[examples_io.Shard]]) -> Iterator[tuple[int, tuple[int, Partial]]]:
        number, shards = numbered
        for shard in shards:
            yield 0, (number, self._computation.partial(examples_io.read_shard(shard), where=shard.uri))


class _Finish(_WithComputation):
    def __init__(self, settings: Settings, folder: str, where: str, transforms: bool) -> None:
        super().__init__(settings)
        self._folder = folder
        self._where = where
        self._transforms = transforms

    def process(self, gathered: tuple[int, Iterable[tuple[int, Partial]]]) -> None:
        numbered = sorted(gathered[1], key=lambda item: item[0])
        more = _read_transformed(self._folder) if self._transforms else []
        merged = self._computation.merge(partial for _, partial in numbered)
        results.write(self._computation, merged, self._folder, self._where, more)


def _rows(folder: str) -> int:
    path = f"{folder}/{partial_state.STATE_FILE}"
    return int(partial_state.loads_header(filesystem.read_bytes(path), path)["rows"])


def transformed(work: Work, split: str) -> list[tuple[str, Any]]:
    """Runs the generators of a split that are Beam transforms; returns pairs of a slice and its statistics."""
    _run_transforms(work, split)
    return _read_transformed(work.statistics.path(split))


def _run_transforms(work: Work, split: str) -> None:
    settings = work.settings[split]
    generators = Computation(settings).transforms
    path = f"{work.statistics.path(split)}/{_TRANSFORMED}/statistics.pb"
    with work.context.beam_pipeline() as pipeline:
        # The annotations of TFDV's lift are stricter than what it passes, and newer versions of Beam check them.
        pipeline.options.view_as(TypeOptions).pipeline_type_check = False
        batches = pipeline | "Read" >> ReadExamples(list(work.examples), split)
        sliced = batches | "Slice" >> beam.ParDo(_Slice(settings))
        found = [sliced | generator.name >> generator.ptransform for generator in generators]
        # One list is written, also where nothing is found.
        listed = found | beam.Flatten() | beam.combiners.ToList()
        _ = listed | "Write" >> beam.Map(_write_transformed, path=path)


class _Slice(_WithComputation):
    def process(self, batch: Any) -> Iterator[tuple[str | None, Any]]:
        yield from self._computation.sliced(batch)


def _write_transformed(found: list[tuple[str | None, Any]], path: str) -> None:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    result = statistics_pb2.DatasetFeatureStatisticsList()
    for key, message in found:
        dataset = result.datasets.add()
        dataset.CopyFrom(message)
        dataset.name = key or ""
    write_statistics(path, result)


def _read_transformed(folder: str) -> list[tuple[str, Any]]:
    path = f"{folder}/{_TRANSFORMED}/statistics.pb"
    found = []
    for dataset in read_statistics(path).datasets:
        name = dataset.name
        dataset.name = ""
        found.append((name, dataset))
    filesystem.remove_tree(os.path.dirname(path))
    return found
