"""InteractiveContext: runs a pipeline node by node, in a notebook, on the store and in the folders of LocalRunner."""

from __future__ import annotations

import datetime
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlops_tfx.artifacts import Artifact
from mlops_tfx.connection import ConnectionConfig, as_connection
from mlops_tfx.errors import ConfigError
from mlops_tfx.execution import LocalRunner, Observer
from mlops_tfx.metadata import MetadataStore
from mlops_tfx.node import Node
from mlops_tfx.notebook import export, views, visualizations
from mlops_tfx.notebook.session import Session
from mlops_tfx.pipeline import Pipeline
from mlops_tfx.run_options import RunOptions


@dataclass(frozen=True)
class ExecutionResult:
    """How a node ended in a notebook; shown as a table.

    Attributes:
        component: the node.
        component_id: its id.
        execution_id: of its execution in the store.
        run_id: of the run.
        state: ``complete``, ``cached`` or ``skipped``.
        seconds: wall time.
        message: why it was skipped; else empty.
        inputs: artifacts by input name.
        outputs: artifacts by output name.
    """

    component: Node
    component_id: str
    execution_id: int
    run_id: str
    state: str
    seconds: float
    message: str = ""
    inputs: Mapping[str, Sequence[Artifact]] = field(default_factory=dict)
    outputs: Mapping[str, Sequence[Artifact]] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        return views.execution(self)


class InteractiveContext:
    """Runs a pipeline node by node. TFX's class of this name, on the same store and folders as LocalRunner.

    A pipeline begun here goes on with ``mlops-tfx run``: give both the same name and root, and what is unchanged is
    taken from the cache.

    Args:
        pipeline_name: names the pipeline in the store; ``interactive-<time>`` by default.
        pipeline_root: folder for all outputs; a temporary folder by default.
        metadata_connection_config: the metadata store, as settings or as TFX's message of ML Metadata;
            ``metadata.sqlite`` in the root by default.
        beam_pipeline_args: flags for every node's Beam pipelines.
        observer: hears about every step; a progress display on standard error by default.
    """

    def __init__(
        self,
        pipeline_name: str | None = None,
        pipeline_root: str | os.PathLike[str] | None = None,
        metadata_connection_config: ConnectionConfig | None = None,
        beam_pipeline_args: Sequence[str] | None = None,
        *,
        observer: Observer | None = None,
    ) -> None:
        started = datetime.datetime.now().isoformat().replace(":", "_")
        self.pipeline_name = pipeline_name or f"interactive-{started}"
        self.pipeline_root = os.fspath(pipeline_root or tempfile.mkdtemp(prefix=f"tfx-{self.pipeline_name}-"))
        # All that can be wrong with these is told now.
        empty = Pipeline(self.pipeline_name, self.pipeline_root, as_connection(metadata_connection_config))
        self._connection: ConnectionConfig = empty.metadata_connection_config
        self._beam_pipeline_args = tuple(beam_pipeline_args or ())
        self._observer = observer
        self._session = Session()
        export.offer_magic()

    @property
    def metadata_connection_config(self) -> Any:
        """Where the metadata store lies."""
        return self._connection

    def run(
        self,
        component: Node,
        enable_cache: bool = True,
        beam_pipeline_args: Sequence[str] | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
    ) -> ExecutionResult:
        """Runs one node; what it needs must have run before.

        Afterwards ``component.outputs["..."].get()`` gives the artifacts.

        Args:
            component: the node; also a pipeline within a pipeline.
            enable_cache: whether an earlier result may be used.
            beam_pipeline_args: further Beam flags, for this node.
            parameters: values of runtime parameters by name.

        Raises:
            ConfigError: something that it depends on has not run here.
            WiringError: lists all that is wrong with how it was made.
            PipelineFailedError: it failed; the cause is ``__cause__``.
        """
        if not isinstance(component, Node):
            raise ConfigError(f"run: expected a component, received {component!r}")
        nodes, base_run = self._session.pipeline_for(component)
        pipeline = self._pipeline(nodes, enable_cache, beam_pipeline_args or ())
        only = RunOptions([component.id], [component.id], base_run)
        result = LocalRunner(observer=self._observer).run(pipeline, parameters=parameters, run_options=only)
        self._session.ended(component, result.run_id, nodes)
        outputs = result.outputs.get(component.id, {})
        for key, channel in component.outputs.items():
            channel.set_artifacts(outputs.get(key, ()))
        return self._result(component, result)

    def _pipeline(self, nodes: Sequence[Node], enable_cache: bool, beam_pipeline_args: Sequence[str]) -> Pipeline:
        return Pipeline(
            self.pipeline_name,
            self.pipeline_root,
            self._connection,
            components=nodes,
            enable_cache=enable_cache,
            beam_pipeline_args=[*self._beam_pipeline_args, *beam_pipeline_args],
        )

    def _result(self, component: Node, result: Any) -> ExecutionResult:
        report = next(report for report in result.reports if report.node_id == component.id)
        with MetadataStore(self._connection) as store:
            records = store.executions(self.pipeline_name, result.run_id, component.id)
        last = records[-1]
        return ExecutionResult(
            component=component,
            component_id=component.id,
            execution_id=last.id,
            run_id=result.run_id,
            state=report.state.value,
            seconds=report.seconds,
            message=report.message,
            inputs=last.inputs,
            outputs=result.outputs.get(component.id, {}),
        )

    def show(self, item: Any) -> None:
        """Shows an artifact, the artifacts of a channel, or how a node ended; as HTML in a notebook, else as text.

        Types for which something is registered (`mlops_tfx.notebook.visualizations`) are shown by that.

        Raises:
            ConfigError: it is nothing of that kind, or a channel without artifacts yet.
        """
        visualizations.show(item)

    def export_to_pipeline(
        self,
        notebook_filepath: str | os.PathLike[str],
        export_filepath: str | os.PathLike[str],
        runner_type: str = "local",
    ) -> None:
        """Writes the notebook's code as a pipeline file for ``mlops-tfx run``.

        The pipeline has the nodes that ran here, under the notebook's names for them. Cells that begin with
        ``%%skip_for_export`` are left out, as are calls of this context, magics and shell commands.

        Args:
            notebook_filepath: the notebook, saved.
            export_filepath: the Python file to write.
            runner_type: ``local``, or ``beam``, TFX's name for the same.

        Raises:
            ConfigError: there is no such notebook or runner, or a node has no name in it.
        """
        if runner_type not in ("local", "beam"):
            raise ConfigError(f"runner_type: expected 'local' or 'beam', received {runner_type!r}")
        code = export.pipeline_code(
            os.fspath(notebook_filepath), self._session.nodes, self.pipeline_name, self.pipeline_root
        )
        with open(export_filepath, "w", encoding="utf-8") as file:
            file.write(code)

    def __repr__(self) -> str:
        return f"InteractiveContext({self.pipeline_name!r}, {self.pipeline_root!r})"
