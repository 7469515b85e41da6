"""Runs pipelines. ``task.py`` is the file to read first."""

from mlops_tfx.execution.observer import NodeReport, NodeState, Observer, SilentObserver, Step
from mlops_tfx.execution.runner import LocalRunner, Runner, RunResult

__all__ = ["LocalRunner", "NodeReport", "NodeState", "Observer", "RunResult", "Runner", "SilentObserver", "Step"]
