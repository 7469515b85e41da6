"""Executors: what does the work of a component in place of ``run()``, where its class was written for TFX.

    class MyTrainer(Trainer):
        EXECUTOR_SPEC = ExecutorClassSpec(MyExecutor)

An executor spec has a method ``run_for(component)``; those of TFX are in `mlops_tfx.compat.executor_specs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlops_tfx.base_component import Component

_DECLARATIONS = ("EXECUTOR_SPEC", "DRIVER_CLASS")


def names_executor(cls: type[Component]) -> bool:
    """Whether a class itself names an executor or a driver, as classes written for TFX do."""
    return any(vars(cls).get(name) is not None for name in _DECLARATIONS)


def replace_run(cls: type[Component]) -> None:
    """Makes the executor that a class names do its work.

    Raises:
        TypeError: the class names a driver, which nothing would call; or no executor; or it has a ``run()``, too.
    """
    name = cls.__qualname__
    if vars(cls).get("DRIVER_CLASS") is not None:
        raise TypeError(
            f"{name}: the DRIVER_CLASS of a {cls.__mro__[1].__name__} is not called; drivers are for the ExampleGens "
            "of mlops_tfx.v1 and for classes derived from BaseComponent. Do in the executor what the driver does"
        )
    spec = cls.EXECUTOR_SPEC
    if not hasattr(spec, "run_for"):
        raise TypeError(
            f"{name}: expected EXECUTOR_SPEC to be an ExecutorClassSpec or BeamExecutorSpec, received {spec!r}; "
            "for a container use create_container_component"
        )
    if "run" in vars(cls):
        raise TypeError(f"{name}: expected either EXECUTOR_SPEC or run(), received both; one of them would be ignored")
    cls.run = _run  # type: ignore[method-assign]  # what a subclass would define


def _run(self: Component) -> None:
    """Does what the executor does."""
    self.executor_spec.run_for(self)
