"""Which split is compared with which: ``include_split_pairs`` of ExampleDiff and DistributionValidator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlops_tfx.errors import ConfigError, did_you_mean

SplitPairs = tuple[tuple[str, str], ...]


def choose_pairs(
    test_splits: Sequence[str], base_splits: Sequence[str], wanted: SplitPairs | None, *, default: str
) -> SplitPairs:
    """Returns pairs (test, base), in the order of the splits.

    Args:
        test_splits: splits of what is compared.
        base_splits: splits of what it is compared with.
        wanted: the pairs to take; None for the default.
        default: ``same``: those of equal names; ``all``: every one with every one.

    Raises:
        ConfigError: a wanted pair names an unknown split, or there is no pair at all.
    """
    if wanted is not None:
        unknown = list(_unknown(test_splits, base_splits, wanted))
        if unknown:
            raise ConfigError(f"include_split_pairs: {'; '.join(unknown)}")
    pairs = tuple(
        (test, base)
        for test in test_splits
        for base in base_splits
        if ((test, base) in wanted if wanted is not None else default == "all" or test == base)
    )
    if not pairs:
        raise ConfigError(
            f"expected a pair of splits to compare, received splits={list(test_splits)!r} and base "
            f"splits={list(base_splits)!r}; name pairs with include_split_pairs=[(test, base)]"
        )
    return pairs


def pair_name(pair: tuple[str, str]) -> str:
    """The name under which the results of a pair are kept: ``{test}_{base}``."""
    return "_".join(pair)


def _unknown(test_splits: Sequence[str], base_splits: Sequence[str], wanted: SplitPairs) -> Iterator[str]:
    for pair in wanted:
        for side, split, known in zip(("test", "base"), pair, (test_splits, base_splits), strict=True):
            if split not in known:
                yield f"pair {pair!r}: there is no {side} split {split!r}{did_you_mean(split, known)}"
