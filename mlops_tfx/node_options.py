"""How one node is run: when it starts, how often it is tried, for how long, and whether the run needs its success.

The names, numbers and defaults are TFX's (``tfx.dsl.experimental.node_execution_options``), whose local runner ignores
all of them. Here they are honoured.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mlops_tfx.errors import did_you_mean

_LONGEST_BACKOFF_SEC = 300.0


class TriggerStrategy(enum.IntEnum):
    """When a node starts, by how the nodes before it ended. The numbers are those of TFX's ``pipeline.proto``.

    A node has ended when it is complete, cached, failed for good, or skipped.

    - ``ALL_UPSTREAM_NODES_SUCCEEDED``: all of them are complete or cached (or failed with ``success_optional``).
      ``TRIGGER_STRATEGY_UNSPECIFIED`` means the same.
    - ``ALL_UPSTREAM_NODES_COMPLETED``: all of them have ended, no matter how.
    - ``LAZILY_...``: the same two, and only when one of the nodes after it waits for nothing else.
    - ``LIFETIME_END_WHEN_SUBGRAPH_CANNOT_PROGRESS``: all of them have ended or will never start, and the node named by
      ``lifetime_start`` succeeded.
    """

    TRIGGER_STRATEGY_UNSPECIFIED = 0
    ALL_UPSTREAM_NODES_SUCCEEDED = 1
    ALL_UPSTREAM_NODES_COMPLETED = 2
    LAZILY_ALL_UPSTREAM_NODES_COMPLETED = 4
    LAZILY_ALL_UPSTREAM_NODES_SUCCEEDED = 5
    LIFETIME_END_WHEN_SUBGRAPH_CANNOT_PROGRESS = 6

    @property
    def needs_success(self) -> bool:
        """Whether a failed or skipped node before it keeps the node from starting."""
        return self.name.endswith(("UNSPECIFIED", "SUCCEEDED"))

    @property
    def is_lazy(self) -> bool:
        """Whether the node waits until a node after it waits for nothing else."""
        return self.name.startswith("LAZILY")


@dataclass
class NodeExecutionOptions:
    """How one node is run; ``node.with_node_execution_options(...)`` takes it. `Pipeline` refuses wrong values.

    Attributes:
        trigger_strategy: when the node starts.
        success_optional: if the node fails, those after it start all the same (without its outputs), and the run ends
            well.
        max_execution_retries: how many times a failed node is tried again; None and 0: never. Every attempt is an
            execution of its own in the store, and begins with empty output folders.
        execution_timeout_sec: seconds that one attempt may run; 0: no limit. A component with a limit runs in a process
            of its own, which is killed when the time is over.
        reset_stateful_working_dir: every attempt gets an empty ``context.stateful_working_dir``; otherwise it finds
            what the failed one left there.
        lifetime_start: id of a node. This node then runs when all others have ended, in whatever way, if that node
            succeeded: to free what that node acquired. Its result is never taken from the cache.
        retry_backoff_sec: seconds before the first retry; doubled for every further one, up to five minutes. TFX has no
            such option.
    """

    trigger_strategy: TriggerStrategy | int | str = TriggerStrategy.ALL_UPSTREAM_NODES_SUCCEEDED
    success_optional: bool = False
    max_execution_retries: int | None = None
    execution_timeout_sec: float = 0
    reset_stateful_working_dir: bool = False
    lifetime_start: str | None = None
    retry_backoff_sec: float = 1.0

    @property
    def strategy(self) -> TriggerStrategy:
        """The trigger strategy, however it was given. Raises ValueError or KeyError for one that does not exist."""
        given = self.trigger_strategy
        return TriggerStrategy[given] if isinstance(given, str) else TriggerStrategy(given)

    @property
    def attempts(self) -> int:
        """How many times the node is tried at most."""
        return 1 + (self.max_execution_retries or 0)

    def backoff_sec(self, failed: int) -> float:
        """Seconds to wait after so many failed attempts."""
        return min(float(self.retry_backoff_sec * 2 ** (failed - 1)), _LONGEST_BACKOFF_SEC)

    def problems(self) -> Iterator[str]:
        """What is wrong with the values, each a sentence."""
        yield from self._strategy_problems()
        for name in ("success_optional", "reset_stateful_working_dir"):
            if not isinstance(getattr(self, name), bool):
                yield f"{name}: expected True or False, received {name}={getattr(self, name)!r}"
        retries = self.max_execution_retries
        if retries is not None and (not _is_number(retries, int) or retries < 0):
            yield f"max_execution_retries: expected a whole number from 0, or None, received {retries!r}"
        for name in ("execution_timeout_sec", "retry_backoff_sec"):
            value = getattr(self, name)
            if not _is_number(value, int, float) or not 0 <= value < float("inf"):
                yield f"{name}: expected a number of seconds from 0, received {name}={value!r}"
        if self.lifetime_start is not None and not isinstance(self.lifetime_start, str):
            yield f"lifetime_start: expected the id of a node, received {self.lifetime_start!r}"

    def _strategy_problems(self) -> Iterator[str]:
        names = [strategy.name for strategy in TriggerStrategy]
        try:
            strategy = self.strategy
        except (ValueError, KeyError):
            given = self.trigger_strategy
            hint = did_you_mean(given, names) if isinstance(given, str) else f"; known: {', '.join(names)}"
            yield f"trigger_strategy: expected a TriggerStrategy, received {given!r}{hint}"
            return
        is_end = strategy is TriggerStrategy.LIFETIME_END_WHEN_SUBGRAPH_CANNOT_PROGRESS
        if is_end and self.lifetime_start is None:
            yield f"trigger_strategy={strategy.name} needs lifetime_start: the id of the node whose resource it frees"


def _is_number(value: Any, *types: type) -> bool:
    return isinstance(value, types) and not isinstance(value, bool)
