"""Cond: the nodes in the block run only if a condition holds."""

from __future__ import annotations

from collections.abc import Iterator

from mlops_tfx.errors import ConfigError
from mlops_tfx.node import Node
from mlops_tfx.placeholders import Placeholder, Predicate
from mlops_tfx.scope import Scope, open_scopes


class Cond(Scope):
    """The nodes made in the block run only if the predicate is true; otherwise they are skipped.

        with Cond(evaluator.outputs["blessing"].future()[0].custom_property("blessed") == 1):
            Pusher(model=trainer.outputs["model"], push_destination=...)

    Blocks nest: a node runs if all of its predicates are true. An inner predicate is looked at only where the outer one
    is true.

    Args:
        predicate: a comparison of placeholders, or several joined by ``logical_and``, ``logical_or``, ``logical_not``.

    Raises:
        ConfigError: no predicate, or one that a block around it has already.
    """

    def __init__(self, predicate: Predicate) -> None:
        if not isinstance(predicate, Predicate):
            raise ConfigError(
                f"Cond: expected a condition such as channel.future()[0].value > 5, received {predicate!r}"
            )
        self.predicate = predicate

    def __enter__(self) -> Cond:
        for outer in open_scopes():
            if isinstance(outer, Cond) and outer.predicate.same_as(self.predicate):
                raise ConfigError(f"nested conditions with duplicate predicates: {self.predicate!r}; one is enough")
        return super().__enter__()

    def producers(self) -> Iterator[Node]:
        """The nodes whose outputs the predicate asks for."""
        for channel in self.predicate.channels():
            yield from channel.producers()

    def placeholders(self) -> Iterator[Placeholder]:
        yield self.predicate

    def __repr__(self) -> str:
        return f"Cond({self.predicate!r})"
