"""Pipelines in a notebook, node by node: InteractiveContext."""

from mlops_tfx.notebook.context import ExecutionResult, InteractiveContext

__all__ = ["ExecutionResult", "InteractiveContext"]
