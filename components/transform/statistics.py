"""Statistics of the data before and after the transformation, by TFDV on the batches that are in hand anyway."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import apache_beam as beam
import tensorflow_data_validation as tfdv

from mlops_tfx.components.transform.preprocessing import custom_arguments
from mlops_tfx.errors import UserCodeError
from mlops_tfx.execution.user_code import user_code
from mlops_tfx.io import protos
from mlops_tfx.statistics.compute import Computation
from mlops_tfx.statistics.settings import Settings

if TYPE_CHECKING:
    from mlops_tfx.components.transform.stats_type import StatsType
    from mlops_tfx.statistics.compute import Partial

Updater = Callable[..., Any]


def make_options(
    kind: StatsType,
    schema: Any,
    updater: Updater | None = None,
    custom_config: Mapping[str, Any] | None = None,
    vocabularies: Mapping[str, str] | None = None,
) -> Any:
    """Returns TFDV's options, after the user's stats_options_updater_fn has changed them.

    Args:
        kind: which statistics.
        schema: the tensorflow_metadata Schema of the data.
        updater: ``stats_options_updater_fn(stats_type, stats_options[, custom_config]) -> StatsOptions``.
        custom_config: given to the updater if it has such an argument.
        vocabularies: name to file of the vocabularies that the transformation made.

    Raises:
        UserCodeError: the updater raises, or returns something else than StatsOptions.
    """
    copied = type(schema)()
    copied.CopyFrom(schema)
    options = tfdv.StatsOptions(
        schema=copied,
        vocab_paths=None if vocabularies is None else dict(vocabularies),
        experimental_use_sketch_based_topk_uniques=True,  # one pass and one combiner instead of a shuffle per value
    )
    if updater is None:
        return options
    with user_code("stats_options_updater_fn"):
        updated = updater(kind, options, **custom_arguments(updater, custom_config))
    if not isinstance(updated, tfdv.StatsOptions):
        raise UserCodeError(
            f"stats_options_updater_fn({kind}): expected tfdv.StatsOptions, received {type(updated).__name__}; "
            "return the options"
        )
    return updated


def direct_settings(options: Any) -> Settings | None:
    """What `mlops_tfx.statistics` needs to compute these statistics; None if only a Beam pipeline of TFDV's can."""
    plain = not (options.generators or options.experimental_slice_functions)
    settings = Settings.of(options) if plain else None
    return None if settings is None or Computation(settings).transforms else settings


def write_merged(computation: Computation, partial: Partial, folder: str) -> None:
    """Writes finished statistics to ``{folder}/FeatureStats.pb``."""
    _write(computation.statistics(partial), os.path.join(folder, protos.STATISTICS_FILE))


def write_statistics(batches: beam.PCollection, options: Any, folder: str) -> None:
    """Adds the statistics of all batches to the pipeline, written to ``{folder}/FeatureStats.pb``."""
    statistics = batches | "GenerateStatistics" >> tfdv.GenerateStatistics(options)
    path = os.path.join(folder, protos.STATISTICS_FILE)
    _ = statistics | "WriteStatistics" >> beam.Map(_write, path)


def _write(statistics: Any, path: str) -> None:
    protos.write_statistics(path, statistics)


def without_ranges(schema: Any) -> Any:
    """The schema of transformed data as TFX makes statistics with it: indices are categories, of no known range.

    TFX takes the schema before the ranges of indices are computed; they hold for every index that comes out anyway.
    """
    for feature in schema.feature:
        if feature.int_domain.is_categorical:
            feature.int_domain.ClearField("min")
            feature.int_domain.ClearField("max")
    return schema


def write_schema(options: Any, folder: str) -> None:
    """Writes the schema that statistics were made with, if the options kept one."""
    if options.schema is not None:
        protos.write_schema(os.path.join(folder, protos.SCHEMA_FILE), options.schema)


def write_anomalies(statistics_folder: str, schema: Any, folder: str) -> None:
    """Validates the statistics in a folder and writes ``{folder}/SchemaDiff.pb``."""
    statistics = protos.read_statistics(os.path.join(statistics_folder, protos.STATISTICS_FILE))
    anomalies = tfdv.validate_statistics(statistics, schema)
    protos.write_anomalies(os.path.join(folder, protos.ANOMALIES_FILE), anomalies)
