"""Which splits Transform analyzes, and which it transforms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_tfx.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Examples
    from mlops_tfx.config import SplitsConfig

_DEFAULT_ANALYZE = "train"


@dataclass(frozen=True)
class Splits:
    """Names of splits, in order."""

    analyze: tuple[str, ...]
    transform: tuple[str, ...]


def resolve_splits(examples: Sequence[Examples], config: SplitsConfig | None) -> Splits:
    """Returns the splits to work on: by default 'train' is analyzed and all are transformed.

    Args:
        examples: the input artifacts; all must have the same splits.
        config: what the user asked for. An empty ``transform`` stands for all splits.

    Raises:
        ConfigError: a split does not exist, ``analyze`` is empty, or the artifacts differ in their splits.
    """
    known = _common_splits(examples)
    analyze = tuple(config.analyze) if config is not None else (_DEFAULT_ANALYZE,)
    transform = tuple(config.transform) if config is not None and config.transform else known
    problems = [] if analyze else [EMPTY_ANALYZE]
    for role, names in (("analyze", analyze), ("transform", transform)):
        for name in dict.fromkeys(names):
            if name not in known:
                problems.append(f"splits_config.{role}: the examples have no split {name!r}{did_you_mean(name, known)}")
    if problems:
        raise ConfigError("; ".join(problems))
    return Splits(tuple(dict.fromkeys(analyze)), tuple(dict.fromkeys(transform)))


EMPTY_ANALYZE = "splits_config.analyze: expected at least one split, received analyze=[]; name the split to learn from"


def _common_splits(examples: Sequence[Examples]) -> tuple[str, ...]:
    first = tuple(examples[0].splits)
    for artifact in examples[1:]:
        if set(artifact.splits) != set(first):
            raise ConfigError(
                f"examples: expected the same splits in all artifacts, received {sorted(first)} at "
                f"{examples[0].recorded_uri!r} and {sorted(artifact.splits)} at {artifact.recorded_uri!r}"
            )
    return first
