"""Runs one component by itself, for its tests: no store, no cache, no graph."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Artifact
from mlops_tfx.component import Component, RunContext
from mlops_tfx.errors import WiringError
from mlops_tfx.execution.beam import beam_pipeline
from mlops_tfx.ports import artifacts_of


def run_component(
    component: Component,
    inputs: Mapping[str, Artifact | Sequence[Artifact]],
    root: str | os.PathLike[str],
    *,
    report_rows: Callable[[int], None] = lambda rows: None,
    log: Callable[[str], None] = lambda text: None,
) -> dict[str, list[Artifact]]:
    """Runs a component on the given artifacts and returns its outputs, below ``{root}/{node id}/``.

    The component need not be wired: ``run_component(SchemaGen(), {"statistics": statistics}, tmp_path)`` is fine.

    Raises:
        WiringError: the component's parameters are wrong.
        Exception: whatever ``run()`` raises, as it is.
    """
    problems = [problem for problem in component.problems if not problem.endswith("is missing")]
    if problems:
        raise WiringError([f"{component.id}: {problem}" for problem in problems])
    folder = os.path.join(os.fspath(root), component.id)
    outputs = {key: component.OUTPUTS[key].prepare(os.path.join(folder, key)) for key in component.output_keys()}
    temp_dir = os.path.join(folder, ".temp")
    stateful_working_dir = os.path.join(folder, ".stateful_working_dir")
    filesystem.makedirs(temp_dir)
    filesystem.makedirs(stateful_working_dir)
    context = RunContext(
        pipeline_name="test",
        run_id="test",
        node_id=component.id,
        temp_dir=temp_dir,
        stateful_working_dir=stateful_working_dir,
        beam_pipeline_args=component.beam_pipeline_args,
        beam_pipeline=lambda: beam_pipeline(component.beam_pipeline_args),
        report_rows=report_rows,
        log=log,
    )
    given = {key: [value] if isinstance(value, Artifact) else list(value) for key, value in inputs.items()}
    try:
        component.bind(given, outputs, context).run()
    finally:
        filesystem.remove_tree(temp_dir)
        filesystem.remove_tree(stateful_working_dir)
    return artifacts_of(outputs)
