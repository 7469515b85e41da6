"""``tfx.dsl.components.base``: executors, which do the work of component classes written for TFX, and their specs."""

from __future__ import annotations

import abc
import copy
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Artifact
from mlops_tfx.compat import messages

if TYPE_CHECKING:
    import apache_beam as beam

    from mlops_tfx.base_component import Component

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
class _ArtifactList:
    artifacts: list[Any] = field(default_factory=list)


class _ArtifactLists(dict[str, _ArtifactList]):
    def __missing__(self, key: str) -> _ArtifactList:
        return self.setdefault(key, _ArtifactList())


class ExecutorOutput:
    """What ``Do`` may return: artifacts by output name, whose properties are taken over.

    Attributes:
        output_artifacts: ``output_artifacts["model"].artifacts`` is a list of artifacts.
    """

    def __init__(self) -> None:
        self.output_artifacts = _ArtifactLists()


class ExecutorSpec:
    """Says how a component is executed."""

    def copy(self) -> Any:
        """Returns a copy."""
        return copy.deepcopy(self)


class ExecutorClassSpec(ExecutorSpec):
    """A component is executed by a class.

    Args:
        executor_class: a subclass of `BaseExecutor`.
    """

    def __init__(self, executor_class: Any) -> None:
        if not executor_class:
            raise ValueError(f"expected a class of executors, received executor_class={executor_class!r}")
        self.executor_class = executor_class
        self.extra_flags: list[str] = []

    @property
    def class_path(self) -> str:
        """Module and name of the class."""
        return f"{self.executor_class.__module__}.{self.executor_class.__qualname__}"

    def run_for(self, component: Component) -> None:
        """Executes a component of ours that runs, with its ports and parameters, as TFX's ``custom_executor_spec``.

        Messages, lists and dicts go to the executor as JSON text, where TFX has them so.
        """
        from mlops_tfx.compat.class_component import executor_context
        from mlops_tfx.execution.user_code import user_code

        inputs = {name: found for name in component.INPUTS if (found := _listed(getattr(component, name)))}
        outputs = {name: _listed(getattr(component, name)) for name in component.outputs}
        properties = {
            name: messages.as_text(value)
            for name, value in component.exec_properties.items()
            if name != "custom_executor_spec"
        }
        executor = self.executor_class(executor_context(self.executor_class, self, component))
        with user_code(f"{self.executor_class.__qualname__}.Do"):
            executor.Do(inputs, outputs, properties)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.class_path})"

    def add_extra_flags(self, extra_flags: Iterable[str] | str) -> None:
        """Adds flags, which the executor finds as ``self._extra_flags``."""
        self.extra_flags.extend([extra_flags] if isinstance(extra_flags, str) else extra_flags)


def _listed(value: Any) -> list[Any]:
    if hasattr(value, "make"):  # a place for several artifacts; TFX gives one
        return list(value.make(1))
    return [value] if isinstance(value, Artifact) else list(value or ())


class BeamExecutorSpec(ExecutorClassSpec):
    """A component is executed by a class with Beam pipelines.

    Args:
        executor_class: a subclass of `BaseBeamExecutor`.
    """

    def __init__(self, executor_class: Any) -> None:
        super().__init__(executor_class)
        self.beam_pipeline_args: list[Any] = []

    def add_beam_pipeline_args(self, beam_pipeline_args: Iterable[Any]) -> None:
        """Adds flags of its Beam pipelines."""
        self.beam_pipeline_args.extend(beam_pipeline_args)


class ExecutorContainerSpec(ExecutorSpec):
    """A component is executed by a container.

    Args:
        image: name of the image.
        command: the program and its first arguments; by default the image's own.
        args: further arguments.
    """

    def __init__(self, image: str, command: Sequence[Any] | None = None, args: Sequence[Any] | None = None) -> None:
        if not image:
            raise ValueError(f"expected the name of an image, received image={image!r}")
        self.image = image
        self.command = list(command) if command else None
        self.args = list(args) if args else None
