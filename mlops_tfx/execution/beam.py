"""Beam pipelines for components."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import apache_beam as beam


_LOCAL_RUNNERS = {"DirectRunner", "BundleBasedDirectRunner", "FnApiRunner", "PrismRunner", "InteractiveRunner"}


def names_a_runner(args: Sequence[str]) -> bool:
    """Whether Beam flags name a runner, such as that of a cluster."""
    return any(arg == "--runner" or arg.startswith("--runner=") for arg in args)


def on_other_machines(args: Sequence[str]) -> bool:
    """Whether these flags name a runner whose workers may be on other machines."""
    for arg, following in zip(args, [*args[1:], ""], strict=False):
        name, _, value = arg.partition("=")
        if name == "--runner" and (value or following).rpartition(".")[2] not in _LOCAL_RUNNERS:
            return True
    return False


@contextmanager
def beam_pipeline(beam_pipeline_args: Sequence[str] = ()) -> Iterator[beam.Pipeline]:
    """Makes a Beam pipeline, and runs it and waits for its end on leaving the ``with`` statement.

    Without ``--runner`` it runs inside this process (Beam's FnApiRunner): the runner that Beam's name "DirectRunner"
    now stands for looks for a downloaded binary first, and may not find a network. A pipeline that was run inside the
    statement already is not run again.
    """
    with watching_workers(beam_pipeline_args), new_pipeline(beam_pipeline_args) as pipeline:
        pipeline.run = functools.lru_cache(maxsize=1)(pipeline.run)
        yield pipeline


def new_pipeline(beam_pipeline_args: Sequence[str] = ()) -> beam.Pipeline:
    """Makes the pipeline of `beam_pipeline` alone, to be run inside `watching_workers`."""
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    runner = None if names_a_runner(beam_pipeline_args) else FnApiRunner()
    return beam.Pipeline(runner=runner, options=PipelineOptions(list(beam_pipeline_args)))


def watching_workers(beam_pipeline_args: Sequence[str]) -> AbstractContextManager[None]:
    """While it is entered, a lost worker process of Beam's multi-process mode fails its pipeline."""
    if not any("multi_processing" in arg for arg in beam_pipeline_args):
        return nullcontext()
    from mlops_tfx.execution.beam_workers import watched_workers

    return watched_workers()
