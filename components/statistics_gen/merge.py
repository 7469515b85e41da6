"""MergeStatistics: the statistics of several spans from those of each, without reading the data again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import ExampleStatistics
from mlops_tfx.component import Component, Inputs, Output
from mlops_tfx.components.statistics_gen import results
from mlops_tfx.errors import ArtifactError, ConfigError
from mlops_tfx.execution.user_code import code_ingredients
from mlops_tfx.statistics import partial_state
from mlops_tfx.statistics.compute import Computation, Partial
from mlops_tfx.statistics.settings import Settings


class MergeStatistics(Component):
    """Merges the statistics of several Examples, as if StatisticsGen had read them all at once.

    Counts, missing values, extremes, zeros, means, deviations and frequencies of values are those of a direct
    computation; quantiles and histograms are within the sketches' error (``epsilon``), as they are there.

    Args:
        span_statistics: from StatisticsGen (or this component), of the same splits and computed with the same
            options: a ``union``, or a resolver's window of spans.
        exclude_splits: splits to leave out.
        generators: dotted paths of the generators of your own that the statistics were computed with. They are not
            taken from the artifacts: what a file says is not imported.

    Writes what StatisticsGen writes. The property ``span`` is the largest, the custom property ``spans`` lists all.
    """

    HEAVY_IMPORTS = ("tensorflow_data_validation",)

    span_statistics: Inputs[ExampleStatistics]
    exclude_splits: tuple[str, ...] | None = None
    generators: tuple[str, ...] = ()
    statistics = Output(ExampleStatistics)

    def cache_ingredients(self) -> dict[str, str]:
        """The code of the user's generators."""
        found: dict[str, str] = {}
        for path in self.generators:
            found.update(code_ingredients(function=path))
        return found

    def run(self) -> None:
        results.check_same_splits(self.span_statistics)
        self._check_once()
        splits = self.span_statistics[0].kept_splits(self.exclude_splits)
        self.statistics.splits = splits
        results.set_spans(self.statistics, list(self._spans()))
        rates = {}
        for split in splits:
            settings = self._settings(split)
            computation = Computation(settings)
            merged = computation.merge(self._partials(split))
            where = f"split {split!r} of {len(self.span_statistics)} ExampleStatistics"
            expected = sum(int(self._header(artifact, split)["rows"]) for artifact in self.span_statistics)
            rows = results.write(computation, merged, self.statistics.path(split), where)
            if rows != expected:
                raise ArtifactError(f"{where}: expected {expected} rows, received {rows}; compute them again")
            rates[split] = settings.sample_rate
            self.context.report_rows(rows)
        self.statistics.custom_properties["sample_rate_by_split"] = json.dumps(rates, sort_keys=True)

    def _check_once(self) -> None:
        uris = [artifact.recorded_uri for artifact in self.span_statistics]
        twice = sorted({uri for uri in uris if uris.count(uri) > 1})
        if twice:
            raise ArtifactError(
                f"expected every ExampleStatistics once, received several times: {', '.join(twice)}; "
                f"its rows would count twice"
            )

    def _spans(self) -> Iterator[int]:
        for artifact in self.span_statistics:
            listed = artifact.custom_properties.get("spans")
            yield from json.loads(str(listed)) if listed else [artifact.span]

    def _state(self, artifact: ExampleStatistics, split: str) -> tuple[bytes, str]:
        path, where = f"{artifact.path(split)}/{partial_state.STATE_FILE}", artifact.recorded_uri
        if not filesystem.exists(path):
            raise ArtifactError(
                f"ExampleStatistics at {where!r}: expected {partial_state.STATE_FILE} in split {split!r}, "
                f"received none: TFX, or an earlier version, computed them, without what merging needs; run "
                f"StatisticsGen on their Examples again, or give all Examples to one StatisticsGen"
            )
        return filesystem.read_bytes(path), path

    def _header(self, artifact: ExampleStatistics, split: str) -> dict[str, Any]:
        return partial_state.loads_header(*self._state(artifact, split))

    def _settings(self, split: str) -> Settings:
        """The settings that all were computed with."""
        first, *others = self.span_statistics
        found = self._header(first, split)["settings"]
        for other in others:
            theirs = self._header(other, split)["settings"]
            if theirs != found:
                raise ArtifactError(
                    f"split {split!r}: expected statistics computed with the same options, received "
                    f"{_difference(found, theirs)} (first at "
                    f"{first.recorded_uri!r}, then at {other.recorded_uri!r}); "
                    f"compute one of them again with the other's options and schema"
                )
        settings = Settings.from_dict(found)
        self._check_generators(settings)
        return settings

    def _check_generators(self, settings: Settings) -> None:
        if settings.generators != tuple(self.generators):
            raise ConfigError(
                f"expected the generators that the statistics were computed with, {list(settings.generators)}, "
                f"received generators={list(self.generators)}; pass these paths if you trust them"
            )

    def _partials(self, split: str) -> Iterator[Partial]:
        for artifact in self.span_statistics:
            data, path = self._state(artifact, split)
            header, partial = partial_state.loads(data, path)
            if partial is None:
                where = artifact.recorded_uri
                raise ArtifactError(
                    f"ExampleStatistics at {where!r}, split {split!r}: these statistics cannot be merged: "
                    f"{header.get('not_mergeable')}; leave that out, or give all Examples to one StatisticsGen"
                )
            yield partial


def _difference(first: dict[str, Any], second: dict[str, Any]) -> str:
    """The fields in which two settings differ, and how."""
    before, after = _flat(first), _flat(second)
    names = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return "; ".join(f"{name.lstrip('_')}={before.get(name)!r} and {after.get(name)!r}" for name in names)


def _flat(settings: object) -> dict[str, Any]:
    assert isinstance(settings, dict), "settings are JSON objects"
    fields = {**settings, **json.loads(settings["tfdv"])}
    del fields["tfdv"]
    return fields
