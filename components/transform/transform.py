"""Transform, the component."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import (
    ExampleAnomalies,
    Examples,
    ExampleStatistics,
    Schema,
    TransformCache,
    TransformGraph,
)
from mlops_tfx.component import Component, Input, Inputs, OptionalInput, Output, Outputs
from mlops_tfx.components.transform.outputs import Target, check_payload, check_transformed, describe
from mlops_tfx.components.transform.splits import EMPTY_ANALYZE, Splits, resolve_splits
from mlops_tfx.components.transform.stats_type import StatsType
from mlops_tfx.config import SplitsConfig

if TYPE_CHECKING:
    from mlops_tfx.components.transform.analysis import Cache
    from mlops_tfx.components.transform.datasets import Reading
    from mlops_tfx.components.transform.preprocessing import PreprocessingFn
    from mlops_tfx.transformation.tensors import FunctionShape

_STATISTICS_OUTPUTS = frozenset(
    {
        "pre_transform_schema",
        "pre_transform_stats",
        "post_transform_schema",
        "post_transform_stats",
        "post_transform_anomalies",
    }
)


class Transform(Component):
    """Preprocesses examples with TensorFlow Transform.

    The user's ``preprocessing_fn(inputs[, custom_config])`` maps raw features to transformed ones. What it needs to
    know of the whole data (means, vocabularies, quantiles) is learned from the analyzed splits; the result is a graph
    that transforms examples here, and later, inside the exported model, the requests.

    Args:
        examples: one or several artifacts with the same splits, in one payload format.
        schema: the schema of the raw data.
        module_file: a Python file that defines ``preprocessing_fn`` and, if wanted, ``stats_options_updater_fn``.
        preprocessing_fn: the function, or its dotted path; instead of ``module_file``.
        splits_config: splits to analyze, and to transform; by default 'train', and all.
        analyzer_cache: an ``updated_analyzer_cache`` of an earlier run: data analyzed then is not analyzed again.
        materialize: whether to write the transformed examples.
        disable_analyzer_cache: whether to leave out ``updated_analyzer_cache``.
        force_tf_compat_v1: whether to trace ``preprocessing_fn`` as a TF 1 graph.
        custom_config: handed to the user's functions if they have an argument of this name.
        disable_statistics: whether to leave out the statistics before and after.
        stats_options_updater_fn: ``(StatsType, tfdv.StatsOptions) -> tfdv.StatsOptions``, or its dotted path; with
            ``preprocessing_fn`` only.

    Outputs:
        transform_graph: for ``tft.TFTransformOutput``.
        transformed_examples: one artifact per input artifact, with its span and version:
            ``Split-{name}/transformed_examples-*``, in the payload format of the input.
        updated_analyzer_cache: what the analyzers found, by content of the data.
        pre_transform_schema, pre_transform_stats: of the analyzed splits, before the transformation.
        post_transform_schema, post_transform_stats, post_transform_anomalies: of the transformed splits, after it.
    """

    EXECUTION_TYPE = "tfx.components.transform.component.Transform"
    BASE_TYPE = "Transform"
    HEAVY_IMPORTS = ("apache_beam", "tensorflow_transform.beam", "tensorflow_data_validation")

    examples: Inputs[Examples]
    schema: Input[Schema]
    module_file: str | None = None
    preprocessing_fn: str | Callable[..., Any] | None = None
    splits_config: SplitsConfig | None = None
    analyzer_cache: OptionalInput[TransformCache] = OptionalInput()
    materialize: bool = True
    disable_analyzer_cache: bool = False
    force_tf_compat_v1: bool = False
    custom_config: dict[str, Any] | None = None
    disable_statistics: bool = False
    stats_options_updater_fn: str | Callable[..., Any] | None = None

    transform_graph = Output(TransformGraph)
    transformed_examples = Outputs(Examples)
    updated_analyzer_cache = Output(TransformCache)
    pre_transform_schema = Output(Schema)
    pre_transform_stats = Output(ExampleStatistics)
    post_transform_schema = Output(Schema)
    post_transform_stats = Output(ExampleStatistics)
    post_transform_anomalies = Output(ExampleAnomalies)

    def check(self) -> Iterator[str]:
        """Combinations of arguments that contradict each other."""
        given = [name for name in ("module_file", "preprocessing_fn") if getattr(self, name)]
        if len(given) != 1:
            received = " and ".join(given) or "neither"
            yield f"expected exactly one of module_file and preprocessing_fn, received {received}"
        if self.module_file and self.stats_options_updater_fn:
            yield (
                "stats_options_updater_fn cannot be given together with module_file; "
                "define a function of this name in the module"
            )
        if self.splits_config is not None and not self.splits_config.analyze:
            yield EMPTY_ANALYZE
        if self.disable_analyzer_cache and self.analyzer_cache is not None:
            yield "analyzer_cache is given although disable_analyzer_cache=True; leave out one of them"

    def output_keys(self) -> Iterable[str]:
        """All outputs but those that the parameters turn off."""
        off = set(_STATISTICS_OUTPUTS) if self.disable_statistics else set()
        if not self.materialize:
            off.add("transformed_examples")
        if self.disable_analyzer_cache:
            off.add("updated_analyzer_cache")
        return self.OUTPUTS.keys() - off

    def cache_ingredients(self) -> Mapping[str, str]:
        """The source of the user's functions, with every project module that they import."""
        from mlops_tfx.execution.user_code import code_ingredients

        updater = code_ingredients(function=self.stats_options_updater_fn)
        return {**updater, **code_ingredients(self.module_file, self.preprocessing_fn)}

    def run(self) -> None:
        """Analyzes, then transforms."""
        from mlops_tfx.components.transform.preprocessing import PreprocessingFn
        from mlops_tfx.execution.user_code import load_function
        from mlops_tfx.io import protos
        from mlops_tfx.io.examples import file_format_of, payload_of, view_of
        from mlops_tfx.io.views import schema_through
        from mlops_tfx.transformation import tensors

        splits = resolve_splits(self.examples, self.splits_config)
        file_format = file_format_of(self.examples)
        view = view_of(self.examples)
        check_payload(payload_of(self.examples), view)
        user_function = load_function(self.module_file, self.preprocessing_fn, "preprocessing_fn")
        function = PreprocessingFn(user_function, self.custom_config)
        schema = protos.read_schema(os.path.join(self.schema.uri, protos.SCHEMA_FILE))
        if view is not None:
            schema = schema_through(schema, view)
        specs = tensors.type_specs(schema)
        shape = tensors.inspect_function(function, specs, self.force_tf_compat_v1)
        self._analyze(function, schema, shape, splits)
        if self.materialize or not self.disable_statistics:
            self._transform(shape, splits, file_format)

    def _analyze(self, function: PreprocessingFn, schema: Any, shape: FunctionShape, splits: Splits) -> None:
        from mlops_tfx.components.transform import statistics
        from mlops_tfx.components.transform.analysis import Analysis, graph_errors
        from mlops_tfx.components.transform.datasets import Dataset
        from mlops_tfx.statistics.compute import Computation

        options = None if self.disable_statistics else self._pre_options(schema)
        settings = None if options is None else statistics.direct_settings(options)
        through_beam = options is not None and settings is None
        used = {*shape.analyze_columns, *(shape.transform_columns if options is not None else ())}
        columns = tuple(name for name in shape.columns if name in used)
        datasets = tuple(
            Dataset(artifact, split, index) for split in splits.analyze for index, artifact in enumerate(self.examples)
        )
        opaque = self.cache_ingredients() if shape.opaque else {}
        analysis = Analysis(
            function, schema, shape, columns, datasets, self.force_tf_compat_v1, settings if columns else None, opaque
        )
        graph, cache = self.transform_graph.uri, self._cache()
        analysis.check_rows()
        with graph_errors(), self.context.beam_pipeline() as pipeline:
            reading, batches = analysis.add_to(pipeline, graph, self.context.temp_dir, cache, through_beam)
            if batches is not None:
                statistics.write_statistics(batches, options, self.pre_transform_stats.uri)
        analysis.write_raw_metadata(graph)
        self._report_reading(reading)
        if options is not None:
            statistics.write_schema(options, self.pre_transform_schema.uri)
        if settings is not None:
            computation = Computation(settings)
            partial = reading.statistics(computation, None if cache is None else cache.write_to)
            statistics.write_merged(computation, partial, self.pre_transform_stats.uri)

    def _report_reading(self, reading: Reading) -> None:
        rows = reading.rows()
        self.transform_graph.custom_properties["rows_read_to_analyze"] = json.dumps(rows)
        for label, count in rows.items():
            self.context.log(f"{label}: {count:,} rows read to analyze" if count else f"{label}: known from the cache")

    def _transform(self, shape: FunctionShape, splits: Splits, file_format: str) -> None:
        from mlops_tfx.components.transform import application, statistics
        from mlops_tfx.components.transform.tallies import read_tallies
        from mlops_tfx.execution.beam import names_a_runner
        from mlops_tfx.io.row_counts import record_rows
        from mlops_tfx.statistics.compute import Computation

        results = self.transformed_examples.make(len(self.examples)) if self.materialize else []
        targets = [
            Target(artifact, results[index] if results else None, split)
            for index, artifact in enumerate(self.examples)
            for split in splits.transform
        ]
        pieces = [application.list_pieces([t.examples], t.split, t.folder) for t in targets]
        every = [piece for row in pieces for piece in row]
        options = None if self.disable_statistics else self._post_options()
        settings = None if options is None else statistics.direct_settings(options)
        tallies = os.path.join(self.context.temp_dir, "transformed")
        how = application.Application(self.transform_graph.uri, shape.transform_columns, file_format, tallies, settings)
        if names_a_runner(self.context.beam_pipeline_args) or (options is not None and settings is None):
            with self.context.beam_pipeline() as pipeline:
                batches = application.transform_pieces(pipeline, every, how)
                if options is not None and settings is None:
                    statistics.write_statistics(batches, options, self.post_transform_stats.uri)
            application.release_graph()
        else:
            application.transform_here(how, every, len(os.sched_getaffinity(0)))
        found = list(read_tallies(tallies, len(every)))
        rows = check_transformed(targets, [len(row) for row in pieces], [tally.rows for tally in found])
        self.context.report_rows(sum(tally.rows for tally in found))
        if settings is not None:
            computation = Computation(settings)
            partial = computation.merge(tally.partial for tally in found if tally.partial is not None)
            statistics.write_merged(computation, partial, self.post_transform_stats.uri)
        if options is not None:
            statistics.write_schema(options, self.post_transform_schema.uri)
            statistics.write_anomalies(self.post_transform_stats.uri, options.schema, self.post_transform_anomalies.uri)
        for target, row in zip(targets, pieces, strict=True):
            if target.folder is not None:
                application.publish_pieces(row, target.folder)
        for source, result in zip(self.examples, results, strict=False):
            describe(source, result, splits.transform, file_format)
            record_rows(result, rows[source.uri])

    def _pre_options(self, schema: Any) -> Any:
        from mlops_tfx.components.transform import statistics

        return statistics.make_options(StatsType.PRE_TRANSFORM, schema, self._stats_updater(), self.custom_config)

    def _cache(self) -> Cache | None:
        from mlops_tfx.components.transform.analysis import Cache

        if self.disable_analyzer_cache:
            return None
        filesystem.makedirs(self.updated_analyzer_cache.uri)
        earlier = self.analyzer_cache
        return Cache(None if earlier is None else earlier.uri, self.updated_analyzer_cache.uri)

    def _stats_updater(self) -> Callable[..., Any] | None:
        from mlops_tfx.execution.user_code import load_function, optional_function

        if self.module_file:
            return optional_function(self.module_file, "stats_options_updater_fn")
        if self.stats_options_updater_fn is None:
            return None
        return load_function(function=self.stats_options_updater_fn, name="stats_options_updater_fn")

    def _post_options(self) -> Any:
        from mlops_tfx.components.transform import statistics
        from mlops_tfx.transformation.saved_graph import transformed_schema, vocabulary_files

        graph = self.transform_graph.uri
        schema, vocabularies = statistics.without_ranges(transformed_schema(graph)), vocabulary_files(graph)
        return statistics.make_options(
            StatsType.POST_TRANSFORM, schema, self._stats_updater(), self.custom_config, vocabularies
        )
