"""Runs pipelines. ``task.py`` is the file to read first.

Names load when first used: components import single modules of this package and need none of the rest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops_tfx.execution.observer import NodeReport, NodeState, Observer, Step
    from mlops_tfx.execution.runner import LocalRunner, Runner, RunResult

__all__ = ["LocalRunner", "NodeReport", "NodeState", "Observer", "RunResult", "Runner", "Step"]

_IN_RUNNER = {"LocalRunner", "RunResult", "Runner"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'mlops_tfx.execution' has no attribute {name!r}")
    home = "runner" if name in _IN_RUNNER else "observer"
    return getattr(importlib.import_module(f"mlops_tfx.execution.{home}"), name)
