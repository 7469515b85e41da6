"""Bulk inference on a Beam runner: the elements are shards; every worker process loads the model once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import apache_beam as beam
from apache_beam.utils.shared import Shared

if TYPE_CHECKING:
    from mlops_tfx.inference.bulk import Job, Piece


class _Infer(beam.DoFn):
    """Does numbered pieces."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job
        self._shared = Shared()  # threads of one process share the model

    def setup(self) -> None:
        self._model = self._shared.acquire(self._job.load)

    def process(self, numbered: tuple[int, Iterable[Piece]]) -> None:
        number, pieces = numbered
        for piece in pieces:
            self._job.infer(self._model, number, piece)


class _Nothing:
    """Something to share in place of a model."""


def infer(pipeline: Any, job: Job, pieces: Sequence[Piece]) -> None:
    """Adds the work to a pipeline."""
    # Grouping by number spreads the pieces over the workers, like Reshuffle, but in an order that is always the same.
    numbered = pipeline | "Pieces" >> beam.Create(list(enumerate(pieces)), reshuffle=False)
    _ = numbered | "Spread" >> beam.GroupByKey() | "Infer" >> beam.ParDo(_Infer(job))


def release_model() -> None:
    """Lets go of the model, which Beam keeps until something else is shared."""
    Shared().acquire(_Nothing)
