"""LocalDagRunner: TFX's name for running on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_tfx.errors import ConfigError

if TYPE_CHECKING:
    from mlops_tfx.component import Component
    from mlops_tfx.execution import RunResult
    from mlops_tfx.pipeline import Pipeline


class LocalDagRunner:
    """Runs pipelines in this process: `mlops_tfx.LocalRunner`, under TFX's name and without arguments.

    Other than TFX's, it runs independent nodes side by side, and a node that fails, for whatever reason, fails the run.
    """

    def __init__(self) -> None:
        self._exit_handler: Component | None = None

    def set_exit_handler(self, exit_handler: Component) -> None:
        """Sets the component that runs after the pipeline, however that ended, as TFX's runner for Vertex has it."""
        self._exit_handler = exit_handler

    def run(self, pipeline: Pipeline, run_options: Any = None, **kwargs: Any) -> RunResult:
        """Runs a pipeline to its end.

        Args:
            pipeline: the pipeline.
            run_options: which part of it to run (`mlops_tfx.RunOptions`).
            **kwargs: further arguments of `mlops_tfx.LocalRunner.run`, such as ``parameters``.

        Raises:
            WiringError: something is wrong with parameters or options, before anything runs.
            PipelineFailedError: lists what failed and what was therefore not started; the first cause is ``__cause__``.
        """
        from mlops_tfx.execution import LocalRunner

        if run_options is not None:
            kwargs["run_options"] = run_options
        return LocalRunner(exit_handler=self._exit_handler).run(pipeline, **kwargs)

    def run_with_ir(self, pipeline: Any, run_options: Any = None) -> RunResult:
        """Refuses. There is no intermediate representation here. Raises ConfigError."""
        raise ConfigError(
            "expected a Pipeline object for run(), received a compiled pipeline for run_with_ir(): "
            "mlops_tfx runs the object graph itself and has no intermediate representation"
        )
