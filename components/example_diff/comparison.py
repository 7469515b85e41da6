"""Compares the rows of one partition: joined by key, feature by feature, as arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from mlops_tfx.components.example_diff.partitions import COMPARED, CONFUSED, KEY, ORIGINAL, only_chunk

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from mlops_tfx.config import PairedExampleSkew

_PAIRS_AT_ONCE = 200_000
SEED = 0x5EED


@dataclass
class MatchStats:
    """How many rows found their counterparts; the fields of TFDV's MatchStats."""

    base_with_id_count: int = 0
    test_with_id_count: int = 0
    identifiers_count: int = 0
    ids_missing_in_base_count: int = 0
    ids_missing_in_test_count: int = 0
    matching_pairs_count: int = 0
    base_missing_id_count: int = 0
    test_missing_id_count: int = 0
    duplicate_id_count: int = 0


@dataclass
class FeatureSkew:
    """How often a feature's values are equal in both rows of a pair; the fields of TFDV's FeatureSkew."""

    base_count: int = 0
    test_count: int = 0
    match_count: int = 0
    base_only: int = 0
    test_only: int = 0
    mismatch_count: int = 0

    @property
    def diff_count(self) -> int:
        """Pairs in which the values differ, or only one row has any."""
        return self.base_only + self.test_only + self.mismatch_count

    def add(self, other: FeatureSkew) -> None:
        """Adds the counts of other pairs."""
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))


@dataclass
class SkewedPair:
    """A pair of rows that differ: their features, serialized, and how each of them compares."""

    base: dict[str, bytes]
    test: dict[str, bytes]
    features: dict[str, list[str]]


@dataclass
class Differences:
    """What all partitions together add up to.

    Attributes:
        match_stats: about rows.
        skews: about features, by name.
        confusion: per (feature, value in base, value in test), the number of pairs.
        sample: differing pairs, each with the random number that got it into the sample.
    """

    match_stats: MatchStats = field(default_factory=MatchStats)
    skews: dict[str, FeatureSkew] = field(default_factory=dict)
    confusion: Counter[tuple[str, bytes, bytes]] = field(default_factory=Counter)
    sample: list[tuple[float, SkewedPair]] = field(default_factory=list)


class Comparison:
    """Adds up the differences of partitions."""

    def __init__(self, config: PairedExampleSkew) -> None:
        import numpy as np

        self._config = config
        self._random = np.random.default_rng(SEED)
        self.result = Differences()

    def add(self, base: pa.Table, test: pa.Table) -> None:
        """Joins and compares the rows of one partition."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        keys = pa.concat_arrays([only_chunk(base.column(KEY)), only_chunk(test.column(KEY))])
        codes = np.asarray(pc.dictionary_encode(keys).indices).astype(np.int64)
        base_codes, test_codes = codes[: base.num_rows], codes[base.num_rows :]
        known = int(codes.max()) + 1 if len(codes) else 0
        base_rows, test_rows = (np.bincount(part, minlength=known) for part in (base_codes, test_codes))
        duplicate = (base_rows > 1) | (test_rows > 1)
        stats = self.result.match_stats
        stats.base_with_id_count += base.num_rows
        stats.test_with_id_count += test.num_rows
        stats.identifiers_count += known
        stats.ids_missing_in_base_count += int((base_rows == 0).sum())
        stats.ids_missing_in_test_count += int((test_rows == 0).sum())
        stats.matching_pairs_count += int((base_rows * test_rows).sum())
        stats.duplicate_id_count += int(duplicate.sum())
        if not self._config.allow_duplicate_identifiers:
            kept = ~duplicate
            base_rows, test_rows = base_rows * kept, test_rows * kept
        for base_index, test_index in _pairs(base_codes, test_codes, base_rows, test_rows):
            sides = base.take(pa.array(base_index)), test.take(pa.array(test_index))
            self._compare(*(side.combine_chunks() for side in sides))

    def _compare(self, base: pa.Table, test: pa.Table) -> None:
        """Compares pairs: row by row of two tables of equal length."""
        import numpy as np

        skewed = np.zeros(base.num_rows, bool)
        kinds: dict[str, dict[str, NDArray[np.bool_]]] = {}
        for name in sorted(_names(base, COMPARED) | _names(test, COMPARED)):
            kinds[name] = found = _kinds(_column(base, COMPARED + name), _column(test, COMPARED + name))
            differ = found["base_only"] | found["test_only"] | found["mismatched"]
            skewed |= differ
            counts = {kind: int(mask.sum()) for kind, mask in found.items()}
            absent = int(found["absent"].sum())
            both = counts["matched"] + counts["mismatched"] - absent
            skew = FeatureSkew(
                both + counts["base_only"], both + counts["test_only"], counts["matched"],
                counts["base_only"], counts["test_only"], counts["mismatched"],
            )  # fmt: skip
            if skew != FeatureSkew():
                self.result.skews.setdefault(name, FeatureSkew()).add(skew)
        if self._config.skew_sample_size:
            self._sample(base, test, np.flatnonzero(skewed), kinds)
        for item in self._config.confusion_config:
            self._count_confusion(item.feature_name, base, test)

    def _sample(
        self, base: pa.Table, test: pa.Table, rows: NDArray[np.int64], kinds: dict[str, dict[str, Any]]
    ) -> None:
        """Keeps the pairs with the smallest random numbers: a uniform sample of all."""
        import numpy as np

        numbers = self._random.random(len(rows))
        size = self._config.skew_sample_size
        chosen = np.argsort(numbers, kind="stable")[:size]
        limit = self.result.sample[-1][0] if len(self.result.sample) >= size else 1.0
        for place in chosen[numbers[chosen] < limit].tolist():
            row = int(rows[place])
            features = {
                kind: [name for name, masks in kinds.items() if masks[kind][row]]
                for kind in ("matched", "mismatched", "base_only", "test_only")
            }
            pair = SkewedPair(_original(base, row), _original(test, row), features)
            self.result.sample.append((float(numbers[place]), pair))
        self.result.sample = sorted(self.result.sample, key=lambda entry: entry[0])[:size]

    def _count_confusion(self, name: str, base: pa.Table, test: pa.Table) -> None:
        import pyarrow as pa

        values = pa.table({"base": base.column(CONFUSED + name), "test": test.column(CONFUSED + name)})
        counted = values.group_by(["base", "test"]).aggregate([("base", "count")]).to_pydict()
        for first, second, count in zip(counted["base"], counted["test"], counted["base_count"], strict=True):
            self.result.confusion[name, first, second] += count


def _pairs(
    base_codes: NDArray[np.int64], test_codes: NDArray[np.int64], base_rows: Any, test_rows: Any
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Indices of all pairs of rows with equal codes, some at a time; ``*_rows`` are how many rows of a code to pair."""
    import numpy as np

    by_code = np.argsort(base_codes, kind="stable")
    first = np.searchsorted(base_codes[by_code], np.arange(len(base_rows)))
    partners = base_rows[test_codes] * (test_rows[test_codes] > 0)
    paired = np.flatnonzero(partners)
    ends = np.cumsum(partners[paired])
    start = 0
    while start < len(paired):
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + _PAIRS_AT_ONCE, side="right")))
        rows = paired[start:stop]
        counts = partners[rows]
        within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        yield by_code[np.repeat(first[test_codes[rows]], counts) + within], np.repeat(rows, counts)
        start = stop


def _kinds(base: pa.Array | None, test: pa.Array | None) -> dict[str, NDArray[np.bool_]]:
    """Per pair, how a feature compares; null where a row has no value. If both have none (absent), that is a match."""
    import numpy as np
    import pyarrow.compute as pc

    if base is None or test is None:
        only = np.asarray((test if base is None else base).is_valid())  # type: ignore[union-attr]
        none = np.zeros(len(only), bool)
        sides = {"base_only": none, "test_only": only} if base is None else {"base_only": only, "test_only": none}
        return {"matched": none, "mismatched": none, "absent": none, **sides}
    in_base, in_test = np.asarray(base.is_valid()), np.asarray(test.is_valid())
    absent = ~(in_base | in_test)
    equal = np.asarray(pc.fill_null(pc.equal(base, test), False)) | absent
    return {
        "matched": equal,
        "absent": absent,
        "mismatched": in_base & in_test & ~equal,
        "base_only": in_base & ~in_test,
        "test_only": in_test & ~in_base,
    }


def _names(table: pa.Table, prefix: str) -> set[str]:
    return {name[len(prefix) :] for name in table.column_names if name.startswith(prefix)}


def _column(table: pa.Table, name: str) -> pa.Array | None:
    return only_chunk(table.column(name)) if name in table.column_names else None


def _original(table: pa.Table, row: int) -> dict[str, bytes]:
    """The serialized features of a row; one without value is empty, as in the examples that are written here."""
    return {name: table.column(ORIGINAL + name)[row].as_py() or b"" for name in sorted(_names(table, ORIGINAL))}
