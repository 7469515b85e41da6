"""``tfx.dsl.components.base.executor_spec``: which executor does the work of a component, and where it runs."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_tfx.artifacts import Artifact
from mlops_tfx.compat import messages
from mlops_tfx.compat.executors import BaseBeamExecutor

if TYPE_CHECKING:
    from mlops_tfx.base_component import Component


def executor_context(executor_class: Any, spec: Any, component: Component) -> Any:
    """Returns the ``Context`` that an executor of this class is made with, for a component that runs."""
    context = component.context
    arguments: dict[str, Any] = {
        "extra_flags": list(getattr(spec, "extra_flags", ())),
        "tmp_dir": context.temp_dir,
        "unique_id": context.node_id,
        "executor_output_uri": os.path.join(context.temp_dir, "executor_output.pb"),
        "stateful_working_dir": context.stateful_working_dir,
        "pipeline_node": _Named(_Named(context.node_id, _Named(component.type_name))),
        "pipeline_info": _Named(context.pipeline_name),
        "pipeline_run_id": context.run_id,
    }
    if issubclass(executor_class, BaseBeamExecutor):
        arguments["beam_pipeline_args"] = beam_flags(spec, component)
    made = executor_class.Context(**arguments)
    made.run_context = context
    return made


def beam_flags(spec: Any, component: Component) -> list[str]:
    """Flags of the pipeline, of the node and of the executor spec."""
    return [*component.context.beam_pipeline_args, *getattr(spec, "beam_pipeline_args", ())]


@dataclass(frozen=True)
class _Named:
    """The few fields of TFX's PipelineInfo and PipelineNode that executors read."""

    id: Any
    type: Any = None

    @property
    def name(self) -> Any:
        return self.id

    @property
    def node_info(self) -> Any:
        return self.id


class ExecutorSpec:
    """Says how a component is executed."""

    def copy(self) -> Any:
        """Returns a copy with lists of its own, whose entries are the same."""
        made = copy.copy(self)
        made.__dict__.update({name: list(value) for name, value in vars(self).items() if isinstance(value, list)})
        return made


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
