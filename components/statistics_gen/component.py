"""StatisticsGen: descriptive statistics over every split, computed by TensorFlow Data Validation (TFDV)."""

from __future__ import annotations

import json
from collections.abc import Iterable

from mlops_tfx.artifacts import Examples, ExampleStatistics, Schema
from mlops_tfx.component import Component, Inputs, OptionalInput, Output
from mlops_tfx.components.statistics_gen import modes, results
from mlops_tfx.components.statistics_gen.options import (
    GivenOptions,
    StatsOptions,
    TfdvStatsOptions,
    look_at,
    make_settings,
)
from mlops_tfx.errors import DataError, did_you_mean
from mlops_tfx.execution.user_code import code_ingredients
from mlops_tfx.statistics.settings import Settings


class StatisticsGen(Component):
    """Computes descriptive statistics over every split.

    Args:
        examples: the data; one artifact or several (a ``union``, or a resolver's window of spans) of the same splits
            and the same format, which are taken together.
        schema: types and domains to go by, for example integers that are categories; optional.
        stats_options: a StatsOptions, a ``tfdv.StatsOptions`` or its JSON text.
        exclude_splits: splits to leave out.
        sample_rate_by_split: share of rows to look at, by split, in place of the options' own ``sample_rate``.

    Writes per split ``Split-{name}/FeatureStats.pb``, a binary DatasetFeatureStatisticsList, and ``PartialStats.bin``,
    from which `MergeStatistics` computes the statistics of several spans. With several artifacts the property ``span``
    is the largest, and the custom property ``spans`` lists all.
    """

    EXECUTION_TYPE = "tfx.components.statistics_gen.component.StatisticsGen"
    BASE_TYPE = "Process"
    HEAVY_IMPORTS = ("apache_beam", "tensorflow_data_validation")

    examples: Inputs[Examples]
    schema: OptionalInput[Schema] = OptionalInput()
    stats_options: StatsOptions | TfdvStatsOptions | str | None = None
    exclude_splits: tuple[str, ...] | None = None
    sample_rate_by_split: dict[str, float] | None = None
    statistics = Output(ExampleStatistics)

    def check(self) -> Iterable[str]:
        """Options that cannot be read or kept, and a schema given twice."""
        problem, has_schema = look_at(self.stats_options)
        if problem:
            yield f"parameter 'stats_options': {problem}"
        if has_schema and "schema" in self.inputs:
            yield "a schema is given both as input 'schema' and in 'stats_options'; leave one of them out"
        for split, rate in (self.sample_rate_by_split or {}).items():
            if not 0 < rate <= 1:
                yield (
                    f"parameter 'sample_rate_by_split': expected rates greater than 0 and at most 1, received "
                    f"{split}={rate!r}"
                )

    def cache_ingredients(self) -> dict[str, str]:
        """The code of the user's generators and slice functions."""
        options = self.stats_options
        if not isinstance(options, StatsOptions):
            return {}
        found: dict[str, str] = {}
        for path in (*(options.generators or ()), *(options.slice_functions or ())):
            found.update(code_ingredients(function=path))
        return found

    def run(self) -> None:
        results.check_same_splits(self.examples)
        results.check_has_features(self.examples)
        splits = self.examples[0].kept_splits(self.exclude_splits)
        self.statistics.splits = splits
        spans = [int(artifact.custom_properties.get("span", artifact.span)) for artifact in self.examples]
        results.set_spans(self.statistics, spans)
        settings = {split: self._settings(self.stats_options, split) for split in splits}
        work = modes.Work(self.examples, settings, self.statistics, self.context)
        rows, elsewhere = modes.compute(work)
        for split in splits:
            results.check_rows(self.examples, split, rows[split], self.statistics, settings[split], recount=elsewhere)
            self.context.report_rows(rows[split])
            if not rows[split]:
                self.context.log(f"split {split!r} has no rows: its statistics are empty")
        rates = {split: settings[split].sample_rate for split in splits}
        self.statistics.custom_properties["sample_rate_by_split"] = json.dumps(rates, sort_keys=True)

    def _settings(self, given: GivenOptions, split: str) -> Settings:
        from mlops_tfx.io.protos import SCHEMA_FILE, read_schema

        rates = self.sample_rate_by_split or {}
        known = self.examples[0].splits
        for name in rates:
            if name not in known:
                raise DataError(f"sample_rate_by_split: there is no split {name!r}{did_you_mean(name, known)}")
        schema = None if self.schema is None else read_schema(f"{self.schema.uri}/{SCHEMA_FILE}")
        return make_settings(given, schema, rates.get(split))
