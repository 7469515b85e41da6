"""``tfx.dsl.components.base``: executors, which do the work of component classes written for TFX."""

from __future__ import annotations

import abc
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Artifact

if TYPE_CHECKING:
    import apache_beam as beam

_LOG = logging.getLogger(__name__)
Artifacts = dict[str, list[Artifact]]


class ExecutorContext:
    """Where an executor runs; TFX's ``BaseExecutor.Context``.

    Args:
        extra_flags: of the executor spec.
        tmp_dir: a folder that is removed when the executor is done.
        unique_id: names the execution.
        executor_output_uri: accepted for TFX's sake.
        stateful_working_dir: a folder for checkpoints.
        pipeline_node: ``.node_info.id`` is the node's id.
        pipeline_info: ``.id`` is the pipeline's name.
        pipeline_run_id: names the run.
    """

    def __init__(
        self,
        extra_flags: list[str] | None = None,
        tmp_dir: str | None = None,
        unique_id: str | None = None,
        executor_output_uri: str | None = None,
        stateful_working_dir: str | None = None,
        pipeline_node: Any = None,
        pipeline_info: Any = None,
        pipeline_run_id: str | None = None,
    ) -> None:
        self.extra_flags = extra_flags
        self.executor_output_uri = executor_output_uri
        self.stateful_working_dir = stateful_working_dir
        self.pipeline_node = pipeline_node
        self.pipeline_info = pipeline_info
        self.pipeline_run_id = pipeline_run_id
        self.run_context: Any = None  # of our component, for our own executors
        self._tmp_dir = tmp_dir
        self._unique_id = unique_id

    def get_tmp_path(self) -> str:
        """Returns a folder of this execution below ``tmp_dir``. Raises RuntimeError if there is none."""
        if not self._tmp_dir or not self._unique_id:
            raise RuntimeError("this context was made without a temporary folder: tmp_dir or unique_id is missing")
        return filesystem.join(self._tmp_dir, str(self._unique_id), "")


class BeamExecutorContext(ExecutorContext):
    """Where a Beam executor runs; TFX's ``BaseBeamExecutor.Context``.

    Args:
        beam_pipeline_args: flags of its Beam pipelines.
        make_beam_pipeline_fn: makes them, instead of the flags.
        **context: what `ExecutorContext` takes.
    """

    def __init__(
        self,
        beam_pipeline_args: list[str] | None = None,
        *args: Any,
        make_beam_pipeline_fn: Callable[[], beam.Pipeline] | None = None,
        **context: Any,
    ) -> None:
        super().__init__(*args, **context)
        self.beam_pipeline_args = beam_pipeline_args
        self.make_beam_pipeline_fn = make_beam_pipeline_fn


class BaseExecutor(abc.ABC):
    """Does the work of a component: subclasses define ``Do``."""

    Context: Any = ExecutorContext

    def __init__(self, context: Any = None) -> None:
        self._context = context
        self._extra_flags = context.extra_flags if context else None

    @abc.abstractmethod
    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> Any:
        """Reads the inputs and writes the outputs.

        Args:
            input_dict: artifacts by input name.
            output_dict: artifacts by output name; the ``uri`` of each is an empty folder.
            exec_properties: parameters by name.

        Returns:
            None, or an `ExecutorOutput` with properties of outputs.
        """

    def _get_tmp_dir(self) -> str:
        """A folder for temporary files, which is there. Raises RuntimeError for an executor without a context."""
        if not self._context:
            raise RuntimeError("this executor was made without a context, and so has no temporary folder")
        path: str = self._context.get_tmp_path()
        filesystem.makedirs(path)
        return path

    def _log_startup(self, inputs: Artifacts, outputs: Artifacts, exec_properties: dict[str, Any]) -> None:
        _LOG.debug("starting %s", type(self).__name__)


class EmptyExecutor(BaseExecutor):
    """Does nothing."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Does nothing."""


class BaseBeamExecutor(BaseExecutor):
    """An executor with Beam pipelines: ``with self._make_beam_pipeline() as pipeline:``."""

    Context: Any = BeamExecutorContext

    def __init__(self, context: Any = None) -> None:
        super().__init__(context)
        self._beam_pipeline_args = list(getattr(context, "beam_pipeline_args", None) or [])
        self._make_beam_pipeline_fn = getattr(context, "make_beam_pipeline_fn", None)

    def _make_beam_pipeline(self) -> beam.Pipeline:
        """Makes a pipeline with the flags of the TFX pipeline and the component."""
        from mlops_tfx.execution.beam import new_pipeline

        if self._make_beam_pipeline_fn is not None:
            return self._make_beam_pipeline_fn()
        return new_pipeline(self._beam_pipeline_args)


@dataclass
class ArtifactList:
    """TFX's message of this name.

    Attributes:
        artifacts: artifacts, or ML Metadata's messages of them.
    """

    artifacts: list[Any] = field(default_factory=list)


class ArtifactLists(dict[str, ArtifactList]):
    """Lists by name; one that is asked for is there."""

    def __missing__(self, key: str) -> ArtifactList:
        return self.setdefault(key, ArtifactList())


class ExecutorOutput:
    """What ``Do`` may return: artifacts by output name, whose properties are taken over.

    Attributes:
        output_artifacts: ``output_artifacts["model"].artifacts`` is a list of artifacts.
    """

    def __init__(self) -> None:
        self.output_artifacts = ArtifactLists()
