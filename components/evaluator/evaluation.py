"""One evaluation on arrays: read, predict, slice, add up, write."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from mlops_tfx.artifacts import Examples
from mlops_tfx.components.evaluator.batches import EvalBatch, keyed_columns
from mlops_tfx.components.evaluator.keras_metrics import compiled_computations
from mlops_tfx.components.evaluator.metrics import MetricAccumulator, plan_metrics
from mlops_tfx.components.evaluator.models import EvalModel, materialized
from mlops_tfx.components.evaluator.pairing import Rows
from mlops_tfx.components.evaluator.results import EvalLocations, write_results
from mlops_tfx.components.evaluator.settings import add_metrics_of_thresholds, check_threshold_names
from mlops_tfx.components.evaluator.slices import SliceSpec, slice_rows
from mlops_tfx.errors import DataError, did_you_mean

T = TypeVar("T")


def evaluate(
    examples: Sequence[Examples],
    splits: Sequence[str],
    eval_config: Any,
    model_paths: Mapping[str, str],
    uri: str,
    *,
    schema: Any = None,
    report_rows: Callable[[int], None] = lambda rows: None,
) -> Any:
    """Evaluates and writes TFMA's files to ``uri``; returns the ValidationResult.

    Args:
        examples: artifacts whose splits are evaluated together.
        splits: names of the splits.
        eval_config: a ``tfma.EvalConfig`` with defaults applied; metrics that only thresholds name are added to it.
        model_paths: SavedModel folder by ModelSpec name; empty when predictions are columns of the examples.
        uri: output folder.
        schema: tensorflow_metadata Schema, for metrics that ask for one.
        report_rows: called with the number of rows of every batch.

    Raises:
        NotVectorizable: only TFMA's own pipeline can compute something that is asked for.
        DataError, ConfigError: data, model and configuration do not fit each other.
    """
    compiled = compiled_computations(eval_config, model_paths)
    plan = plan_metrics(eval_config, schema, compiled)
    if add_metrics_of_thresholds(eval_config, plan.names):
        plan = plan_metrics(eval_config, schema, compiled)
    check_threshold_names(eval_config, plan.names)
    several = len(eval_config.model_specs) > 1
    models = {
        spec.name: EvalModel(model_paths[spec.name], spec, spec.name if several else "")
        for spec in eval_config.model_specs
        if spec.name in model_paths
    }
    accumulator = MetricAccumulator(plan)
    slicing = _Slicing([SliceSpec.of(spec) for spec in eval_config.slicing_specs])
    rows = 0
    for batch in _prefetch(_batches(examples, splits)):
        accumulator.add(*_evaluated(batch, list(models.values()), eval_config, slicing))
        rows += batch.count
        report_rows(batch.count)
    if not rows:
        raise DataError(f"expected rows to evaluate, received none in split {', '.join(map(repr, splits))}")
    slicing.check()
    locations = EvalLocations(examples[0].recorded_uri, "tf.Example", {m.name: m.path for m in models.values()})
    # Rates of empty slices and unreached thresholds are NaN by definition; numpy need not say so for each.
    with np.errstate(divide="ignore", invalid="ignore"):
        return write_results(uri, list(accumulator.results()), eval_config, locations)


def _batches(examples: Sequence[Examples], splits: Sequence[str]) -> Iterator[EvalBatch]:
    from mlops_tfx.io.row_counts import check_rows_read

    for split in splits:
        rows = 0
        for batch in _read(examples, split):
            rows += batch.count
            if batch.count:
                yield batch
        check_rows_read(examples, split, rows, "evaluated")


def _read(examples: Sequence[Examples], split: str) -> Iterator[EvalBatch]:
    """The rows of a split; records that are no tf.Examples reach the model as they are."""
    from mlops_tfx.inference.batches import read_in_batches
    from mlops_tfx.io import examples as examples_io

    for shard in examples_io.list_shards(examples, split):
        if shard.payload == "FORMAT_PROTO" and shard.view is None:
            raise DataError(
                f"{shard.uri}: expected records with a view that takes them apart, received payload_format="
                "'FORMAT_PROTO' without; bind one (TfGraphDataViewProvider, DataViewBinder)"
            )
        if shard.payload in ("FORMAT_TF_EXAMPLE", "FORMAT_PARQUET"):
            yield from map(EvalBatch, examples_io.read_shard(shard))
            continue
        for batch in read_in_batches(shard, examples_io.BATCH_ROWS, examples_io.BATCH_BYTES):
            yield EvalBatch(batch.columns, functools.partial(getattr, batch, "records"))


def _prefetch(items: Iterator[T]) -> Iterator[T]:
    """Reads one item ahead in a thread: decoding and the model run in C++, side by side."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, items, None)
        while (item := waiting.result()) is not None:
            waiting = pool.submit(next, items, None)
            yield item


def _evaluated(
    batch: EvalBatch, models: Sequence[EvalModel], eval_config: Any, slicing: _Slicing
) -> tuple[Rows, dict[Any, Any]]:
    specs = list(eval_config.model_specs)
    for model in models:
        batch.transformed[model.name] = model.preprocess(batch)
    labels = keyed_columns(batch, specs, "label_key", "label")
    weights = keyed_columns(batch, specs, "example_weight_key", "example weight")
    if not models:
        predictions = materialized(batch, specs)
    elif len(specs) == 1:
        predictions = models[0].predict(batch)
    else:
        predictions = {model.name: model.predict(batch) for model in models}
    return Rows(batch.count, labels, predictions, weights), slicing.rows(batch)


class _Slicing:
    """Slices batches, and remembers which slicing features were seen."""

    def __init__(self, specs: Sequence[SliceSpec]) -> None:
        self._specs = specs
        self._wanted = {name for spec in specs for name in spec.columns}
        self._known: set[str] = set()

    def rows(self, batch: EvalBatch) -> dict[Any, Any]:
        """Rows of every slice of a batch."""
        self._known |= batch.names
        return slice_rows(batch, self._specs)

    def check(self) -> None:
        """Raises DataError for a slicing feature that no batch had."""
        for name in sorted(self._wanted - self._known):
            raise DataError(f"slicing feature {name!r} is no column of the examples{did_you_mean(name, self._known)}")
