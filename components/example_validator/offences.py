"""Which values are to blame for an anomaly: from the data itself, or from what statistics keep of it."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_tfx.artifacts import Examples

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

_SHOWN = 5  # example values per anomaly
_COUNTED = 1000  # distinct offending values after which no more are collected
_INT_TEXT = r"^\s*[+-]?\d+\s*$"
_FLOAT_TEXT = r"(?i)^\s*[+-]?(\d+\.?\d*|\.\d+|nan|inf)(e[+-]?\d+)?\s*$"


@dataclass(frozen=True)
class Rule:
    """What a schema allows as values of one feature: a type and, possibly, a range or a set of values."""

    type: str
    low: float | None = None
    high: float | None = None
    values: tuple[bytes, ...] | None = None
    finite: bool = False

    @classmethod
    def of(cls, feature: schema_pb2.Feature, schema: schema_pb2.Schema) -> Rule:
        """Reads the rule for one feature of a schema."""
        from tensorflow_metadata.proto.v0 import schema_pb2

        kind = schema_pb2.FeatureType.Name(feature.type)
        which = feature.WhichOneof("domain_info")
        if which in ("int_domain", "float_domain"):
            domain = getattr(feature, which)
            low, high = (getattr(domain, end) if domain.HasField(end) else None for end in ("min", "max"))
            return cls(kind, low, high, finite=getattr(domain, "disallow_nan", False))
        if which == "bool_domain" and kind == "BYTES":
            domain = feature.bool_domain
            return cls(kind, values=(domain.false_value.encode(), domain.true_value.encode()))
        if which == "bool_domain":
            return cls(kind, 0, 1)
        shared = {domain.name: domain for domain in schema.string_domain}
        domain = feature.string_domain if which == "string_domain" else shared.get(feature.domain)
        return cls(kind, values=None if domain is None else tuple(value.encode() for value in domain.value))

    def __str__(self) -> str:
        if self.values is not None:
            names = [value.decode() for value in self.values[:_SHOWN]]
            more = f" and {len(self.values) - _SHOWN} more" if len(self.values) > _SHOWN else ""
            return f"{self.type}, one of {', '.join(map(repr, names))}{more}"
        if self.low is None and self.high is None:
            return self.type
        low, high = ("any" if end is None else f"{end:g}" for end in (self.low, self.high))
        return f"{self.type} from {low} to {high}"

    def broken_by(self, values: pa.Array) -> pa.BooleanArray:
        """Which of the values, one by one, the rule does not allow."""
        import pyarrow as pa
        import pyarrow.compute as pc

        types = pa.types
        if types.is_integer(values.type) or types.is_floating(values.type):
            return self._broken_by_numbers(values)
        if self.type in ("INT", "FLOAT"):
            pattern = _INT_TEXT if self.type == "INT" else _FLOAT_TEXT
            return pc.invert(pc.match_substring_regex(values, pattern))
        if self.values is None:
            return pc.is_null(values)
        return pc.invert(pc.is_in(values, pa.array(self.values, values.type)))

    def _broken_by_numbers(self, values: pa.Array) -> pa.BooleanArray:
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.type == "BYTES":
            return pc.is_valid(values)
        broken = pc.is_null(values)
        if self.low is not None:
            broken = pc.or_(broken, pc.less(values, self.low))
        if self.high is not None:
            broken = pc.or_(broken, pc.greater(values, self.high))
        if pa.types.is_floating(values.type):
            if self.type == "INT":
                broken = pc.or_(broken, pc.not_equal(values, pc.floor(values)))
            if self.finite:
                broken = pc.or_(broken, pc.is_nan(values))
        return broken


def _flatten(batch: pa.RecordBatch, feature: str) -> tuple[pa.Array, pa.Array]:
    """The values of a column, and the row that each is in."""
    import pyarrow as pa
    import pyarrow.compute as pc

    index = batch.schema.get_field_index(feature)
    if index < 0 or pa.types.is_null(batch.schema.types[index]):
        return pa.array([], pa.int64()), pa.array([], pa.int64())
    column = batch.column(index)
    return pc.list_flatten(column), pc.list_parent_indices(column)


def offending_values(examples: Examples, split: str, rules: Mapping[str, Rule]) -> dict[str, dict[str, Any]]:
    """Per feature, the offending values of the data itself; it is read once, and only these columns of it."""
    from mlops_tfx.io.examples import read_batches

    found = {name: _Offences() for name in rules}
    start = 0
    for batch in read_batches(examples, split, columns=list(rules)) if rules else ():
        for name, rule in rules.items():
            found[name].add(rule, *_flatten(batch, name), start)
        start += batch.num_rows
    return {
        name: {"examples": _shown(v for v, _ in seen.counts.most_common()), "rows": seen.rows, "first_row": seen.first}
        for name, seen in found.items()
    }


@dataclass
class _Offences:
    """Offending values of one feature, counted, and the rows that they are in."""

    counts: Counter[Any] = field(default_factory=Counter)
    rows: int = 0
    first: int | None = None

    def add(self, rule: Rule, values: pa.Array, parents: pa.Array, start: int) -> None:
        """Adds the offending ones among the values of a batch that begins at row ``start``."""
        broken = rule.broken_by(values)
        where = parents.filter(broken).unique()
        if len(where) and self.first is None:
            self.first = start + where[0].as_py()
        self.rows += len(where)
        if len(self.counts) < _COUNTED:
            entries = values.filter(broken).value_counts().slice(0, _COUNTED).to_pylist()
            self.counts.update({entry["values"]: entry["counts"] for entry in entries})


def kept_by_statistics(measured: statistics_pb2.FeatureNameStatistics, rule: Rule) -> dict[str, Any]:
    """Offending values that the statistics happen to keep: extremes and quantiles, or frequent strings."""
    import pyarrow as pa

    if measured.HasField("num_stats"):
        stats = measured.num_stats
        ends = [bucket.high_value for histogram in stats.histograms if histogram.type for bucket in histogram.buckets]
        numbers = list(dict.fromkeys([stats.max, stats.min, stats.median, *ends]))
        candidates = pa.array(numbers, pa.float64())
        if measured.type == measured.INT:
            candidates = candidates.cast(pa.int64(), safe=False)
    else:
        buckets = measured.string_stats.rank_histogram.buckets
        frequent = [entry.value for entry in measured.string_stats.top_values] + [bucket.label for bucket in buckets]
        candidates = pa.array([value.encode() for value in dict.fromkeys(frequent)], pa.large_binary())
    return {"examples": _shown(candidates.filter(rule.broken_by(candidates)).unique().to_pylist())}


def _shown(values: Iterable[Any]) -> tuple[Any, ...]:
    """The first few values as JSON data: text for bytes and infinities, floats as short as float32 allows."""
    return tuple(_readable(value) for value in itertools.islice(values, _SHOWN))


def _readable(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else str(value)
    return value
