"""Tries a node as often as its options say. Every attempt is an execution with output folders of its own."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from mlops_tfx.errors import ConfigError, NodeFailedError, ValidationFailure
from mlops_tfx.execution.attempt import recorded
from mlops_tfx.execution.task import Outcome, run_node

if TYPE_CHECKING:
    from mlops_tfx.execution.run import Run
    from mlops_tfx.node import Node


def run_attempts(node: Node, run: Run) -> Outcome:
    """Runs a node, again and again while it fails and its ``max_execution_retries`` allow.

    An attempt is whatever makes an execution: it may fail in any of the six steps. What would fail again for certain is
    not tried again: a gate that refused (ValidationFailure), a configuration that is wrong (ConfigError).

    In a partial run, a node outside of it gives what the base run has instead.

    Raises:
        NodeFailedError: the last attempt failed.
    """
    if run.partial is not None:
        with recorded(node, run):
            outside = run.partial.outcome(node, run)
        if outside is not None:
            state, outputs, message = outside
            return Outcome(state, outputs, message=message)
    options = node.node_execution_options
    for attempt in itertools.count(1):
        try:
            return run_node(node, run)
        except NodeFailedError as error:
            if attempt >= options.attempts or isinstance(error.__cause__, ValidationFailure | ConfigError):
                raise
            wait = options.backoff_sec(attempt)
            run.observer.logged(
                node.id, f"attempt {attempt} of {options.attempts} failed, the next in {wait:g} s: {error.message}"
            )
            if run.stopping.wait(wait):
                raise
    raise AssertionError("unreachable")
