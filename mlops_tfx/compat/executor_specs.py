"""``tfx.dsl.components.base.executor_spec``: which executor does the work of a component, and where it runs."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mlops_tfx.compat import calling

if TYPE_CHECKING:
    from mlops_tfx.base_component import Component


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
        """Executes a component of ours that runs, with its ports and parameters, in place of its ``run()``."""
        calling.call_for(self, component)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.class_path})"

    def add_extra_flags(self, extra_flags: Iterable[str] | str) -> None:
        """Adds flags, which the executor finds as ``self._extra_flags``."""
        self.extra_flags.extend([extra_flags] if isinstance(extra_flags, str) else extra_flags)


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
