"""DistributionValidator: whether the distributions of some features have moved away from a baseline."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import ExampleAnomalies, ExampleStatistics
from mlops_tfx.component import Component, Input, OptionalInput, Output
from mlops_tfx.components.distribution_validator.judgement import comparison_schema, only_comparison
from mlops_tfx.config import DistributionValidatorConfig
from mlops_tfx.errors import ValidationFailure
from mlops_tfx.validation import distances
from mlops_tfx.validation.anomalies import Anomaly, describe_anomalies, read_anomalies
from mlops_tfx.validation.baseline import read_split
from mlops_tfx.validation.custom import config_problem, custom_validation
from mlops_tfx.validation.distances import Distance
from mlops_tfx.validation.split_pairs import SplitPairs, choose_pairs, pair_name

BLESSED, NOT_BLESSED, NO_BASELINE_STATS = 1, 0, 2
_LOGGED_DISTANCES = 10
_CONTROL = "baseline_statistics"


class DistributionValidator(Component):
    """Compares the distributions of features with those of a baseline.

    Args:
        statistics: statistics of the data.
        baseline_statistics: statistics of the data to compare with; while there is none, nothing is compared and
            ``blessed`` says 2 for every split.
        config: which features are compared how, and how many rows may come or go.
        include_split_pairs: pairs (split, split of the baseline); by default those of equal names.
        custom_validation_config: TFDV's CustomValidationConfig (or its text): conditions in SQL on both statistics.
        fail_on_anomalies: whether the run fails if any comparison fails; otherwise it is only recorded.

    Writes ``SplitPair-{test}_{base}/SchemaDiff.pb`` (TFDV's Anomalies, only those of the comparison), the same as
    ``anomalies.json``, and ``distances.txt`` with the distances of all features. The custom property ``blessed`` is
    JSON: 1 for every pair without anomalies, otherwise 0.
    """

    EXECUTION_TYPE = "tfx.components.distribution_validator.component.DistributionValidator"
    BASE_TYPE = "Process"
    HEAVY_IMPORTS = ("tensorflow_data_validation",)

    statistics: Input[ExampleStatistics]
    baseline_statistics: OptionalInput[ExampleStatistics] = OptionalInput()
    config: DistributionValidatorConfig = DistributionValidatorConfig()
    include_split_pairs: SplitPairs | None = None
    custom_validation_config: Any = None
    fail_on_anomalies: bool = False
    anomalies = Output(ExampleAnomalies)

    def check(self) -> Iterable[str]:
        """A config that compares nothing, and a custom_validation_config of another type."""
        wanted = self.config.default_slice_config
        if not (wanted.feature or wanted.num_examples_comparator or self.custom_validation_config):
            yield "parameter 'config': expected a feature or num_examples_comparator to compare, received neither"
        problem = config_problem(self.custom_validation_config)
        if problem:
            yield f"parameter 'custom_validation_config': {problem}"

    def run(self) -> None:
        baseline = self.baseline_statistics
        if baseline is None:
            self._bless(dict.fromkeys(self.statistics.splits, NO_BASELINE_STATS))
            self.context.log("no baseline statistics: nothing is compared")
            return
        pairs = choose_pairs(self.statistics.splits, baseline.splits, self.include_split_pairs, default="same")
        self.anomalies.splits = [pair_name(pair) for pair in pairs]
        self.anomalies.span = self.statistics.span
        reports = {pair_name(pair): self._compare(pair, baseline) for pair in pairs}
        self._bless({name: NOT_BLESSED if found else BLESSED for name, found in reports.items()})
        text = "\n".join(describe_anomalies(f"split pair {name}", found) for name, found in reports.items() if found)
        if text and self.fail_on_anomalies:
            raise ValidationFailure(
                f"distributions differ from the baseline:\n{text}\nLook at the data, or raise the thresholds in "
                "config; fail_on_anomalies=False only records this"
            )
        self.context.log(text or f"no anomalies in {', '.join(reports)}")

    def _bless(self, values: dict[str, int]) -> None:
        self.anomalies.set_json_value_custom_property("blessed", values)

    def _compare(self, pair: tuple[str, str], baseline: ExampleStatistics) -> list[Anomaly]:
        import tensorflow_data_validation as tfdv

        from mlops_tfx.io.protos import ANOMALIES_FILE, write_anomalies

        statistics, control = read_split(self.statistics, pair[0]), read_split(baseline, pair[1])
        schema = comparison_schema(self.config, control)
        custom = custom_validation(self.custom_validation_config)
        found = only_comparison(
            tfdv.validate_statistics(statistics, schema, previous_statistics=control, **custom), self.config
        )
        judged = distances.judged_distances(found, {"drift": _CONTROL})
        measured = distances.measure_distances(statistics, control, _CONTROL, judged)
        folder = f"{self.anomalies.uri}/SplitPair-{pair_name(pair)}"
        write_anomalies(f"{folder}/{ANOMALIES_FILE}", found)
        return self._write_readable(folder, pair, read_anomalies(found), measured)

    def _write_readable(
        self, folder: str, pair: tuple[str, str], anomalies: list[Anomaly], measured: list[Distance]
    ) -> list[Anomaly]:
        readable = {
            "split_pair": list(pair),
            "blessed": not anomalies,
            "anomalies": [asdict(anomaly) for anomaly in anomalies],
            "distances": [asdict(item) for item in measured],
        }
        filesystem.write_bytes(f"{folder}/anomalies.json", json.dumps(readable, indent=2).encode())
        table = distances.describe_distances(measured)
        filesystem.write_bytes(f"{folder}/distances.txt", f"{table}\n".encode())
        shown = distances.describe_distances(measured, _LOGGED_DISTANCES)
        self.context.log(f"split pair {pair_name(pair)}: distances\n{shown}")
        return anomalies
