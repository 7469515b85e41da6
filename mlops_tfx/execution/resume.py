"""How to go on after a run that failed or was interrupted: said so that it can be pasted."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from mlops_tfx.component import Component
from mlops_tfx.execution.triggers import DONE
from mlops_tfx.run_options import RunOptions

if TYPE_CHECKING:
    from mlops_tfx.execution.observer import NodeState
    from mlops_tfx.execution.run import Run

ResumeCommand = Callable[[RunOptions | None], str]
"""Gives the command that runs the pipeline again: all of it (None; the cache knows what is done), or a part."""


_COMMAND_LINE: ContextVar[tuple[RunOptions | None, ResumeCommand | None]] = ContextVar(
    "command_line", default=(None, None)
)


@contextmanager
def command_line(options: RunOptions | None, again: ResumeCommand) -> Iterator[None]:
    """Inside, runs are of the part that the command line names, and resumed by a command, whoever begins them."""
    token = _COMMAND_LINE.set((options, again))
    try:
        yield
    finally:
        _COMMAND_LINE.reset(token)


def part_to_run(options: RunOptions | None) -> RunOptions | None:
    """The part that the command line names, else the one that the program does."""
    return _COMMAND_LINE.get()[0] or options


def options_to_resume(run: Run, states: Mapping[str, NodeState], options: RunOptions | None) -> RunOptions | None:
    """Returns what runs only what is not done: None if running all again does, because the cache holds the rest.

    Args:
        run: the run that did not succeed.
        states: how nodes ended, by id; nodes that never began are absent.
        options: the part of the pipeline that it was to run.
    """
    to_run = run.partial.to_run if run.partial is not None else frozenset(node.id for node in run.pipeline)
    left = [node for node in run.pipeline if node.id in to_run and states.get(node.id) not in DONE]
    done = [node for node in run.pipeline if states.get(node.id) in DONE and isinstance(node, Component)]
    cached = [run.pipeline.enable_cache if node.enable_cache is None else node.enable_cache for node in done]
    if not left or (options is None and all(cached)):
        return options
    first = [node.id for node in left if not any(up in left for up in node.upstream_nodes())]
    return RunOptions(first, options.to_nodes if options else None, run.run_id)


def program_again(options: RunOptions | None, parameters: Mapping[str, Any]) -> str:
    """How to resume what is running: the command, the program's command line, or the Python that it needs."""
    command = _COMMAND_LINE.get()[1]
    if command is not None:
        return command(options)
    main = sys.modules.get("__main__")
    if options is None and getattr(main, "__file__", None):
        return shlex.join(sys.orig_argv)
    arguments = [f"parameters={dict(parameters)!r}"] if parameters else []
    return f"LocalRunner().run({', '.join(['pipeline', *arguments, *_run_options(options)])})"


def _run_options(options: RunOptions | None) -> list[str]:
    if options is None:
        return []
    given = {name: value if isinstance(value, str) else list(value) for name, value in vars(options).items() if value}
    return [f"run_options=RunOptions({', '.join(f'{name}={value!r}' for name, value in given.items())})"]
