"""ExampleValidator: compares statistics with a schema and says what is wrong, with example values.

TensorFlow Data Validation (TFDV) finds the anomalies. This module says which values are to blame: from the data itself
when ``examples`` is given, otherwise from the statistics, which keep extremes, quantiles and frequent values. It also
measures how far every feature is from earlier and from serving data, whether or not the schema asks for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import ExampleAnomalies, Examples, ExampleStatistics, Schema
from mlops_tfx.component import Component, Input, OptionalInput, Output
from mlops_tfx.components.example_validator.offences import Rule, kept_by_statistics, offending_values
from mlops_tfx.errors import ConfigError, ValidationFailure, did_you_mean
from mlops_tfx.validation import distances
from mlops_tfx.validation.anomalies import Anomaly, describe_anomalies, make_anomaly
from mlops_tfx.validation.baseline import read_control, read_split
from mlops_tfx.validation.custom import config_problem, custom_validation
from mlops_tfx.validation.distances import Distance, all_rows, feature_name

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

READABLE_FILE = "anomalies.json"
DISTANCES_FILE = "distances.txt"
_LOGGED_DISTANCES = 10
_CONTROLS = {"drift": "previous_statistics", "skew": "serving_statistics"}


class ExampleValidator(Component):
    """Validates the statistics of every split against a schema, and against earlier or serving statistics.

    Args:
        statistics: statistics of the data.
        schema: what the data should look like.
        exclude_splits: splits to leave out.
        custom_validation_config: TFDV's CustomValidationConfig (or its text): conditions in SQL on the statistics.
        fail_on_anomalies: whether the run fails if there is any anomaly; otherwise anomalies are only recorded.
        environment: one of the schema's default environments, such as ``SERVING``, where the label may be missing.
        previous_statistics: statistics of earlier data; features with a ``drift_comparator`` are held against it.
        serving_statistics: statistics of data at serving; features with a ``skew_comparator`` are held against it.
        examples: the data, from which to name offending values and rows; only columns with anomalies are read.
        previous_version_statistics: statistics of the same data in an earlier version, for the schema's
            ``num_examples_version_comparator``.

    Writes ``Split-{name}/SchemaDiff.pb`` (TFDV's Anomalies), the same as ``anomalies.json``, and, where there is
    something to compare with, ``distances.txt``: all features, the farthest first. The custom property
    ``blessed`` is JSON: 1 for every split without anomalies, otherwise 0; ``largest_drift`` and ``largest_skew`` are
    JSON: for every split the feature that is farthest away, and how far.
    """

    EXECUTION_TYPE = "tfx.components.example_validator.component.ExampleValidator"
    HEAVY_IMPORTS = ("tensorflow_data_validation",)

    statistics: Input[ExampleStatistics]
    schema: Input[Schema]
    exclude_splits: tuple[str, ...] | None = None
    custom_validation_config: Any = None
    fail_on_anomalies: bool = False
    environment: str | None = None
    previous_statistics: OptionalInput[ExampleStatistics] = OptionalInput()
    serving_statistics: OptionalInput[ExampleStatistics] = OptionalInput()
    examples: OptionalInput[Examples] = OptionalInput()
    previous_version_statistics: OptionalInput[ExampleStatistics] = OptionalInput()
    anomalies = Output(ExampleAnomalies)

    def check(self) -> Iterable[str]:
        """A custom_validation_config of another type."""
        problem = config_problem(self.custom_validation_config)
        if problem:
            yield f"parameter 'custom_validation_config': {problem}"

    def run(self) -> None:
        from mlops_tfx.io.protos import SCHEMA_FILE, read_schema

        schema = read_schema(f"{self.schema.uri}/{SCHEMA_FILE}")
        self._check_environment(schema)
        splits = self.statistics.kept_splits(self.exclude_splits)
        self.anomalies.splits = splits
        self.anomalies.span = self.statistics.span
        reports, measured = {}, {}
        for split in splits:
            reports[split], measured[split] = self._validate(split, schema)
        blessed = {split: int(not found) for split, found in reports.items()}
        self.anomalies.set_json_value_custom_property("blessed", blessed)
        self._report_distances(measured)
        text = "\n".join(describe_anomalies(f"split {s!r}", found) for s, found in reports.items() if found)
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

    def _report_distances(self, measured: Mapping[str, list[Distance]]) -> None:
        for kind, control in _CONTROLS.items():
            farthest = {
                split: distances.largest([item for item in items if item.compared_with == control])
                for split, items in measured.items()
            }
            named = {
                split: {"feature": item.feature, "measure": item.measure, "value": item.value}
                for split, item in farthest.items()
                if item is not None
            }
            if named:
                self.anomalies.custom_properties[f"largest_{kind}"] = json.dumps(named)
        for split, items in measured.items():
            if items:
                table = distances.describe_distances(items, _LOGGED_DISTANCES)
                self.context.log(f"split {split!r}: distances\n{table}")

    def _validate(self, split: str, schema: schema_pb2.Schema) -> tuple[list[Anomaly], list[Distance]]:
        """Validates one split, writes what was found and returns it."""
        from mlops_tfx.io.protos import ANOMALIES_FILE, write_anomalies

        statistics = read_split(self.statistics, split)
        previous = read_control(self.previous_statistics, "previous_statistics", split)
        serving = read_control(self.serving_statistics, "serving_statistics", split)
        found = self._compare(statistics, schema, split, previous, serving)
        anomalies = list(self._explain(found, statistics, schema, split))
        judged = distances.judged_distances(found, _CONTROLS)
        measured: list[Distance] = []
        for name, control in (("previous_statistics", previous), ("serving_statistics", serving)):
            if control is not None:
                measured += distances.measure_distances(statistics, control, name, judged)
        folder = self.anomalies.path(split)
        write_anomalies(f"{folder}/{ANOMALIES_FILE}", found)
        readable = {
            "split": split,
            "blessed": not anomalies,
            "anomalies": [asdict(anomaly) for anomaly in anomalies],
            "distances": [asdict(item) for item in measured],
        }
        filesystem.write_bytes(f"{folder}/{READABLE_FILE}", json.dumps(readable, indent=2).encode())
        if measured:
            table = distances.describe_distances(measured)
            filesystem.write_bytes(f"{folder}/{DISTANCES_FILE}", f"{table}\n".encode())
        return anomalies, measured

    def _compare(
        self,
        statistics: statistics_pb2.DatasetFeatureStatisticsList,
        schema: schema_pb2.Schema,
        split: str,
        previous: statistics_pb2.DatasetFeatureStatisticsList | None,
        serving: statistics_pb2.DatasetFeatureStatisticsList | None,
    ) -> anomalies_pb2.Anomalies:
        import tensorflow_data_validation as tfdv
        from tensorflow_data_validation.api import validation_api

        custom = custom_validation(self.custom_validation_config)
        version = read_control(self.previous_version_statistics, "previous_version_statistics", split)
        if version is None:
            return tfdv.validate_statistics(
                statistics, schema, self.environment, previous_statistics=previous, serving_statistics=serving, **custom
            )
        # Only TFDV's inner function takes the statistics of an earlier version.
        return validation_api.validate_statistics_internal(
            statistics,
            schema,
            self.environment,
            previous_span_statistics=previous,
            serving_statistics=serving,
            previous_version_statistics=version,
            **custom,
        )

    def _explain(
        self,
        found: anomalies_pb2.Anomalies,
        statistics: statistics_pb2.DatasetFeatureStatisticsList,
        schema: schema_pb2.Schema,
        split: str,
    ) -> Iterator[Anomaly]:
        dataset = all_rows(statistics)
        if not dataset.num_examples:
            # TFDV finds nothing wrong with no data at all; TFX blesses it.
            yield Anomaly("", "ERROR", ("NO_DATA_IN_SPAN",), f"The split {split!r} has no rows.")
            return
        if found.HasField("dataset_anomaly_info"):
            yield make_anomaly("", found.dataset_anomaly_info)
        declared = {feature.name: feature for feature in schema.feature}
        measured = {feature_name(feature): feature for feature in dataset.features}
        infos = {".".join(info.path.step): info for _, info in sorted(found.anomaly_info.items())}
        rules = {name: Rule.of(declared[name], schema) for name in infos if name in declared and name in measured}
        if self.examples is None:
            seen = {name: kept_by_statistics(measured[name], rule) for name, rule in rules.items()}
        else:
            seen = offending_values(self.examples, split, rules)
        for name, info in infos.items():
            yield make_anomaly(name, info, expected=str(rules.get(name, "")), **seen.get(name, {}))
