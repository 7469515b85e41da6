"""ExampleValidator: compares statistics with a schema and says what is wrong, with example values.

TensorFlow Data Validation (TFDV) finds the anomalies. This module says which values are to blame: from the data itself
when ``examples`` is given, otherwise from the statistics, which keep extremes, quantiles and frequent values.
"""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import ExampleAnomalies, Examples, ExampleStatistics, Schema
from mlops_tfx.component import Component, Input, OptionalInput, Output
from mlops_tfx.errors import ArtifactError, ConfigError, ValidationFailure, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

READABLE_FILE = "anomalies.json"
_SHOWN = 5  # example values per anomaly
_COUNTED = 1000  # distinct offending values after which no more are collected
_INT_TEXT = r"^\s*[+-]?\d+\s*$"
_FLOAT_TEXT = r"(?i)^\s*[+-]?(\d+\.?\d*|\.\d+|nan|inf)(e[+-]?\d+)?\s*$"


@dataclass(frozen=True)
class Anomaly:
    """One feature's anomaly, readable without TensorFlow.

    Attributes:
        feature: the feature, with dots between the steps of its path; empty if it is about the dataset.
        severity: ``ERROR`` or ``WARNING``.
        types: TFDV's names of what is wrong, such as ``INT_TYPE_BIG_INT``.
        description: TFDV's sentences.
        expected: what the schema allows, in words.
        examples: values that the schema does not allow, the most frequent first where frequencies are known.
        rows: rows with such values; None if only the statistics are known.
        first_row: index of the first such row in the split, from 0; None if only the statistics are known.
    """

    feature: str
    severity: str
    types: tuple[str, ...]
    description: str
    expected: str = ""
    examples: tuple[Any, ...] = ()
    rows: int | None = None
    first_row: int | None = None

    def __str__(self) -> str:
        parts = [f"{self.feature or 'dataset'}: {self.description} [{', '.join(self.types)}]"]
        if self.expected:
            parts.append(f"the schema says {self.expected}")
        if self.examples:
            parts.append(f"seen {', '.join(repr(value) for value in self.examples)}")
        if self.rows:
            parts.append(f"in {self.rows} rows, the first of them row {self.first_row}")
        return "; ".join(parts)


class ExampleValidator(Component):
    """Validates the statistics of every split against a schema.

    Args:
        statistics: statistics of the data.
        schema: what the data should look like.
        exclude_splits: splits to leave out.
        custom_validation_config: TFDV's CustomValidationConfig: conditions in SQL on the statistics.
        fail_on_anomalies: whether the run fails if there is any anomaly; otherwise anomalies are only recorded.
        environment: one of the schema's default environments, such as ``SERVING``, where the label may be missing.
        previous_statistics: statistics of earlier data; features with a ``drift_comparator`` are compared with it.
        serving_statistics: statistics of data at serving; features with a ``skew_comparator`` are compared with it.
        examples: the data, from which to name offending values and rows; only columns with anomalies are read.

    Writes ``Split-{name}/SchemaDiff.pb`` (TFDV's Anomalies) and the same as ``anomalies.json``. The custom property
    ``blessed`` is JSON: 1 for every split without anomalies, otherwise 0.
    """

    HEAVY_IMPORTS = ("tensorflow_data_validation",)

    statistics: Input[ExampleStatistics]
    schema: Input[Schema]
    exclude_splits: tuple[str, ...] | None = ()
    custom_validation_config: Any = None
    fail_on_anomalies: bool = False
    environment: str | None = None
    previous_statistics: OptionalInput[ExampleStatistics] = OptionalInput()
    serving_statistics: OptionalInput[ExampleStatistics] = OptionalInput()
    examples: OptionalInput[Examples] = OptionalInput()
    anomalies = Output(ExampleAnomalies)

    def run(self) -> None:
        from mlops_tfx.io.protos import SCHEMA_FILE, read_schema

        schema = read_schema(f"{self.schema.uri}/{SCHEMA_FILE}")
        self._check_environment(schema)
        splits = self.statistics.kept_splits(self.exclude_splits)
        self.anomalies.splits = splits
        self.anomalies.span = self.statistics.span
        reports = {split: self._validate(split, schema) for split in splits}
        blessed = {split: int(not found) for split, found in reports.items()}
        self.anomalies.custom_properties["blessed"] = json.dumps(blessed)
        text = "\n".join(_describe_split(split, found) for split, found in reports.items() if found)
        if text and self.fail_on_anomalies:
            raise ValidationFailure(
                f"the data has anomalies:\n{text}\nCorrect the data, or, where it is right, the schema "
                "(ImportSchemaGen brings an edited schema in); fail_on_anomalies=False only records anomalies"
            )
        self.context.log(text or f"no anomalies in {', '.join(splits)}")

    def _check_environment(self, schema: schema_pb2.Schema) -> None:
        known = schema.default_environment
        if self.environment is not None and self.environment not in known:
            hint = did_you_mean(self.environment, known) or "; the schema has no default_environment"
            raise ConfigError(f"the schema has no environment={self.environment!r}{hint}")

    def _validate(self, split: str, schema: schema_pb2.Schema) -> list[Anomaly]:
        """Validates one split, writes what was found and returns it."""
        import tensorflow_data_validation as tfdv

        from mlops_tfx.io.protos import ANOMALIES_FILE, write_anomalies

        statistics = _read(self.statistics, split)
        found = tfdv.validate_statistics(
            statistics,
            schema,
            environment=self.environment,
            previous_statistics=_control(self.previous_statistics, "previous_statistics", split),
            serving_statistics=_control(self.serving_statistics, "serving_statistics", split),
            **_custom_validation(self.custom_validation_config),
        )
        anomalies = list(self._explain(found, statistics, schema, split))
        folder = self.anomalies.path(split)
        write_anomalies(f"{folder}/{ANOMALIES_FILE}", found)
        readable = {"split": split, "blessed": not anomalies, "anomalies": [asdict(a) for a in anomalies]}
        readable["drift_and_skew"] = _comparisons(found)
        filesystem.write_bytes(f"{folder}/{READABLE_FILE}", json.dumps(readable, indent=2).encode())
        return anomalies

    def _explain(
        self,
        found: anomalies_pb2.Anomalies,
        statistics: statistics_pb2.DatasetFeatureStatisticsList,
        schema: schema_pb2.Schema,
        split: str,
    ) -> Iterator[Anomaly]:
        if not statistics.datasets[0].num_examples:
            # TFDV finds nothing wrong with no data at all; TFX blesses it.
            yield Anomaly("", "ERROR", ("NO_DATA_IN_SPAN",), f"The split {split!r} has no rows.")
            return
        if found.HasField("dataset_anomaly_info"):
            yield _anomaly("", found.dataset_anomaly_info)
        declared = {feature.name: feature for feature in schema.feature}
        measured = {".".join(f.path.step) or f.name: f for f in statistics.datasets[0].features}
        infos = {".".join(info.path.step): info for _, info in sorted(found.anomaly_info.items())}
        rules = {name: Rule.of(declared[name], schema) for name in infos if name in declared and name in measured}
        if self.examples is None:
            seen = {name: _from_statistics(measured[name], rule) for name, rule in rules.items()}
        else:
            seen = _from_data(self.examples, split, rules)
        for name, info in infos.items():
            yield _anomaly(name, info, expected=str(rules.get(name, "")), **seen.get(name, {}))


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


def _from_data(examples: Examples, split: str, rules: Mapping[str, Rule]) -> dict[str, dict[str, Any]]:
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


def _from_statistics(measured: statistics_pb2.FeatureNameStatistics, rule: Rule) -> dict[str, Any]:
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


def _anomaly(feature: str, info: anomalies_pb2.AnomalyInfo, **seen: Any) -> Anomaly:
    severity = info.Severity.Name(info.severity)
    types = tuple(info.Type.Name(reason.type) for reason in info.reason)
    return Anomaly(feature, severity, types, info.description.strip(), **seen)


def _describe_split(split: str, anomalies: Sequence[Anomaly]) -> str:
    count = f"{len(anomalies)} {'anomaly' if len(anomalies) == 1 else 'anomalies'}"
    return "\n".join([f"split {split!r}: {count}", *(f"  {anomaly}" for anomaly in anomalies)])


def _comparisons(found: anomalies_pb2.Anomalies) -> list[dict[str, Any]]:
    """All measured distances, also those within their thresholds."""
    return [
        {
            "feature": ".".join(info.path.step),
            "compared_with": control,
            "measure": measurement.Type.Name(measurement.type),
            "value": measurement.value,
            "threshold": measurement.threshold,
        }
        for info in found.drift_skew_info
        for control, measurements in (
            ("previous_statistics", info.drift_measurements),
            ("serving_statistics", info.skew_measurements),
        )
        for measurement in measurements
    ]


def _read(artifact: ExampleStatistics, split: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    from mlops_tfx.io.protos import STATISTICS_FILE, read_statistics

    statistics: statistics_pb2.DatasetFeatureStatisticsList = read_statistics(
        f"{artifact.path(split)}/{STATISTICS_FILE}"
    )
    return statistics


def _control(artifact: ExampleStatistics | None, name: str, split: str) -> Any:
    """Statistics to compare a split with: those of the same name, or the only ones there are."""
    if artifact is None:
        return None
    if split in artifact.splits:
        return _read(artifact, split)
    if len(artifact.splits) == 1:
        return _read(artifact, artifact.splits[0])
    raise ArtifactError(
        f"input {name!r}: expected statistics of split {split!r}, or of a single split, received "
        f"splits={artifact.splits!r} at {artifact.recorded_uri!r}; leave the split out with exclude_splits=[{split!r}]"
    )


def _custom_validation(config: Any) -> dict[str, Any]:
    """TFDV's argument, if it is wanted. TFDV releases built without ZetaSQL do not take it."""
    if config is None:
        return {}
    import inspect

    import tensorflow_data_validation as tfdv

    if "custom_validation_config" not in inspect.signature(tfdv.validate_statistics).parameters:
        raise ConfigError(
            f"custom_validation_config: TFDV {tfdv.__version__} cannot evaluate SQL conditions; "
            "use domains in the schema, or TFDV 1.16"
        )
    return {"custom_validation_config": config}
