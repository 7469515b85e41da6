"""RunContext: where and how a component runs. The framework makes it; ``self.context`` gives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import apache_beam as beam


def _no_beam() -> AbstractContextManager[beam.Pipeline]:
    raise RuntimeError("this context was made without a Beam pipeline factory")


@dataclass(frozen=True)
class RunContext:
    """Where and how a component runs.

    Attributes:
        pipeline_name: the pipeline's name.
        run_id: the run's id.
        node_id: the node's id.
        temp_dir: a folder that exists while the component runs and is removed afterwards.
        stateful_working_dir: a folder for checkpoints. It stays when the node fails, and the next attempt with the same
            inputs, parameters and code finds it, also in a later run; it is removed when the node is complete.
        cache_ingredients: what the cache key was made of when the node began, by name.
        beam_pipeline_args: Beam flags of pipeline and node.
        beam_pipeline: makes a Beam pipeline with these flags, to be used in a ``with`` statement.
        report_rows: adds to the number of rows shown for the node.
        log: writes a line to the run's log, under the node's name.
        pipeline_root: the pipeline's folder for all outputs.
    """

    pipeline_name: str
    run_id: str
    node_id: str
    temp_dir: str
    stateful_working_dir: str = ""
    cache_ingredients: Mapping[str, str] = field(default_factory=dict)
    beam_pipeline_args: Sequence[str] = ()
    beam_pipeline: Callable[[], AbstractContextManager[beam.Pipeline]] = _no_beam
    report_rows: Callable[[int], None] = field(default=lambda rows: None)
    log: Callable[[str], None] = field(default=lambda text: None)
    pipeline_root: str = ""

    @property
    def invocation(self) -> dict[str, Any]:
        """What ``execution_invocation()`` gives where the component runs, under the names of TFX's message."""
        return {
            "pipeline_run_id": self.run_id,
            "top_level_pipeline_run_id": self.run_id,
            "pipeline_info": {"id": self.pipeline_name},
            "pipeline_node": {"node_info": {"id": self.node_id}},
            "tmp_dir": self.temp_dir,
            "stateful_working_dir": self.stateful_working_dir,
        }
