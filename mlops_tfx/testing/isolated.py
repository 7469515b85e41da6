"""Runs pipelines where they touch nothing: in a root and a metadata store of their own."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from mlops_tfx.component import Component
from mlops_tfx.errors import ConfigError, did_you_mean
from mlops_tfx.execution import LocalRunner, Observer
from mlops_tfx.testing.recordings import Recording

if TYPE_CHECKING:
    from mlops_tfx.execution import RunResult
    from mlops_tfx.execution.stand_ins import StandIn
    from mlops_tfx.pipeline import Pipeline
    from mlops_tfx.run_options import RunOptions


class PipelineTest:
    """Runs pipelines below one folder, with its own metadata store; two runs of one test share their cache.

    What components write elsewhere they still do: give a Pusher a destination in the test's folder, or a stand-in.

    Args:
        root: the folder; it is the root of every pipeline that runs here.
    """

    __test__ = False  # pytest: no class of tests

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.fspath(root)
        self.logged: list[tuple[str, str]] = []

    def run(
        self,
        pipeline: Pipeline,
        *,
        recorded: str | os.PathLike[str] | Recording | None = None,
        only: Collection[str] | None = None,
        stand_ins: Mapping[str, StandIn] | None = None,
        parameters: Mapping[str, Any] | None = None,
        run_options: RunOptions | None = None,
    ) -> RunResult:
        """Runs a pipeline to its end.

        Args:
            pipeline: as the program makes it; its own root and store are not touched.
            recorded: a folder made by `record`, whose outputs stand in for the components they are of.
            only: ids of components that run for real even if there are recorded outputs of them; with ``recorded``,
                all others must have some.
            stand_ins: functions that run in place of components, by id; they go before recorded outputs.
            parameters: values of runtime parameters.
            run_options: a part of the pipeline.

        Raises:
            ConfigError: a name in ``only`` or ``stand_ins`` is no component, or nothing is recorded of another one.
            PipelineFailedError: as `LocalRunner.run`.
        """
        chosen: dict[str, StandIn] = dict(stand_ins or {})
        if recorded is not None:
            recording = recorded if isinstance(recorded, Recording) else Recording(recorded)
            chosen = {**_recorded(pipeline, recording, only, chosen), **chosen}
        elif only is not None:
            raise ConfigError("only: expected recorded=..., which gives the outputs of the other components")
        runner = LocalRunner(observer=_Log(self.logged), stand_ins=chosen)
        return runner.run(pipeline.at(self.root), parameters, run_options)


def _recorded(
    pipeline: Pipeline, recording: Recording, only: Collection[str] | None, given: Mapping[str, StandIn]
) -> dict[str, StandIn]:
    components = [node.id for node in pipeline if isinstance(node, Component)]
    unknown = [f"{node_id!r}{did_you_mean(node_id, components)}" for node_id in only or () if node_id not in components]
    if unknown:
        raise ConfigError(f"only: the pipeline has no component {'; '.join(unknown)}")
    wanted = [node_id for node_id in components if node_id not in (only or ()) and node_id not in given]
    if only is None:
        wanted = [node_id for node_id in wanted if node_id in recording.node_ids]
    return {node_id: recording.stand_in(node_id) for node_id in wanted}


class _Log(Observer):
    """Keeps what components log, for assertions."""

    def __init__(self, lines: list[tuple[str, str]]) -> None:
        self._lines = lines

    def logged(self, node_id: str, text: str) -> None:
        self._lines.append((node_id, text))
