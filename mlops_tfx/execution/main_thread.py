"""Work that only a main thread can do: nodes run in threads, and Python lets main threads alone handle signals.

Executors written for TFX, whose local runner has one thread, may rely on it. Those whose code imports ``signal`` run in
a process of their own (worker.py), in its main thread. All others are told, when they fail for it.
"""

from __future__ import annotations

import inspect
import threading
from typing import TYPE_CHECKING

from mlops_tfx.execution.imports import imports_module, project_modules

if TYPE_CHECKING:
    from mlops_tfx.component import Component

_SAID = "only works in main thread"


def needs_main_thread(component: Component) -> bool:
    """Whether its executor, or a project module that this imports, imports ``signal``, and this is no main thread."""
    executor_class = getattr(component.executor_spec, "executor_class", None)
    if executor_class is None or threading.current_thread() is threading.main_thread():
        return False
    try:
        path = inspect.getsourcefile(executor_class)
    except (OSError, TypeError):  # of a notebook: it is told when it fails
        return False
    return path is not None and any(imports_module(file, "signal") for file in project_modules(path))


def advice(error: BaseException) -> str:
    """What to do about an error that says that only a main thread may do this; "" for any other."""
    if not isinstance(error, ValueError | RuntimeError) or _SAID not in str(error):
        return ""
    return (
        "; nodes run in threads: with a time limit, a node has a process and a main thread of its own: "
        "node.with_node_execution_options(NodeExecutionOptions(execution_timeout_sec=86400))"
    )
