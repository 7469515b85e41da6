"""Work: what an attempt does, once all is decided. It can be pickled, so that a process of its own can do it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_tfx.component import Component, RunContext
from mlops_tfx.execution.beam import beam_pipeline, on_other_machines
from mlops_tfx.execution.heavy_imports import import_heavy
from mlops_tfx.execution.staging import inputs_here

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Artifact
    from mlops_tfx.execution.resolve import Artifacts
    from mlops_tfx.execution.stand_ins import StandIn
    from mlops_tfx.ports import OutputArtifacts

    Outputs = Mapping[str, Artifact | OutputArtifacts[Any]]


@dataclass(frozen=True)
class Work:
    """One run of a component.

    Attributes:
        component: with all its parameters known.
        inputs: artifacts by input name.
        outputs: what ``run()`` writes to, by output name; the folders are there.
        pipeline_name: for ``component.context``, like all that follow.
        run_id: the run.
        temp_dir: removed afterwards.
        stateful_working_dir: stays until the work is done.
        cache_ingredients: what the cache key was made of.
        beam_pipeline_args: Beam flags of pipeline and node.
        pipeline_root: the pipeline's folder.
        stand_in: runs in place of the component's ``run()``.
    """

    component: Component
    inputs: Artifacts
    outputs: Outputs
    pipeline_name: str
    run_id: str
    temp_dir: str
    stateful_working_dir: str
    cache_ingredients: Mapping[str, str]
    beam_pipeline_args: tuple[str, ...]
    pipeline_root: str = ""
    stand_in: StandIn | None = None

    def do(self, report_rows: Callable[[int], None], log: Callable[[str], None]) -> Outputs:
        """Runs the component and returns its outputs. Raises whatever it raises."""
        if self.stand_in is None:
            import_heavy(type(self.component).HEAVY_IMPORTS)
        context = RunContext(
            pipeline_name=self.pipeline_name,
            run_id=self.run_id,
            node_id=self.component.id,
            temp_dir=self.temp_dir,
            stateful_working_dir=self.stateful_working_dir,
            cache_ingredients=self.cache_ingredients,
            beam_pipeline_args=self.beam_pipeline_args,
            beam_pipeline=lambda: beam_pipeline(self.beam_pipeline_args),
            report_rows=report_rows,
            log=log,
            pipeline_root=self.pipeline_root,
        )
        with inputs_here(self.inputs, streamed=on_other_machines(self.beam_pipeline_args)) as near:
            bound = self.component.bind(near, self.outputs, context)
            (self.stand_in or type(bound).run)(bound)
        return self.outputs
