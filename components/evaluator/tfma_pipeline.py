"""The evaluation by TFMA's own Beam pipeline: for confidence intervals, queries, custom extractors and the like."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Examples
from mlops_tfx.components.evaluator.batches import serialize
from mlops_tfx.errors import ConfigError, DataError
from mlops_tfx.execution.user_code import user_code

if TYPE_CHECKING:
    import pyarrow as pa


def evaluate_with_tfma(
    examples: Sequence[Examples],
    splits: Sequence[str],
    eval_config: Any,
    model_paths: Mapping[str, str],
    uri: str,
    *,
    beam_pipeline: Callable[[], AbstractContextManager[Any]],
    temp_dir: str,
    schema: Any = None,
    custom_eval_shared_model: Callable[..., Any] | None = None,
    custom_extractors: Callable[..., Any] | None = None,
) -> Any:
    """Runs TFMA as TFX's Evaluator does, writes its files to ``uri`` and returns the ValidationResult.

    The two functions are the user's, with TFX's arguments. Raises DataError if rows get lost on the way.
    """
    import apache_beam as beam
    import tensorflow_model_analysis as tfma

    from mlops_tfx.io.beam_examples import ReadExamples
    from mlops_tfx.io.row_counts import check_rows_read

    _check_payload(examples)
    shared = _shared_models(eval_config, model_paths, custom_eval_shared_model or tfma.default_eval_shared_model)
    extractors = None
    if custom_extractors is not None:
        with user_code("custom_extractors"):
            extractors = custom_extractors(
                eval_shared_model=shared, eval_config=eval_config, tensor_adapter_config=_tensor_adapter_config(schema)
            )
    with beam_pipeline() as pipeline:
        batches = {split: pipeline | f"Read {split}" >> ReadExamples(list(examples), split) for split in splits}
        for index, (split, read) in enumerate(batches.items()):
            _count_rows(read, f"Count {split}", _count_path(temp_dir, index))
        _ = (
            list(batches.values())
            | "Flatten" >> beam.Flatten()
            | "AddSerialized" >> beam.Map(_with_serialized)
            | "Evaluate"
            >> tfma.ExtractEvaluateAndWriteResults(
                eval_shared_model=shared, eval_config=eval_config, extractors=extractors, output_path=uri, schema=schema
            )
        )
    for index, split in enumerate(batches):
        check_rows_read(examples, split, int(filesystem.read_bytes(_count_path(temp_dir, index))), "evaluated")
    return tfma.load_validation_result(uri)


def _check_payload(examples: Sequence[Examples]) -> None:
    from mlops_tfx.io.examples import payload_of

    payload = payload_of(list(examples))
    if payload not in ("FORMAT_TF_EXAMPLE", "FORMAT_PARQUET"):
        raise DataError(
            f"expected tf.Examples or Parquet, received payload_format={payload!r}: what was asked for (confidence "
            "intervals, queries, custom extractors and the like) is computed by TFMA's own pipeline, which is fed with "
            "tf.Examples here; leave it out, or write the rows as tf.Examples first"
        )


def _count_rows(batches: Any, label: str, path: str) -> None:
    """Adds steps that write the number of rows to a file, which any worker can leave behind."""
    import apache_beam as beam

    counts = batches | f"{label}: rows" >> beam.Map(lambda batch: batch.num_rows)
    total = counts | f"{label}: sum" >> beam.CombineGlobally(sum)
    _ = total | f"{label}: write" >> beam.Map(lambda rows: filesystem.write_bytes(path, str(rows).encode()))


def _count_path(temp_dir: str, index: int) -> str:
    return os.path.join(temp_dir, f"rows-{index}")


def _shared_models(eval_config: Any, model_paths: Mapping[str, str], make: Callable[..., Any]) -> Any:
    models = []
    for spec in eval_config.model_specs:
        if spec.name in model_paths:
            with user_code("custom_eval_shared_model"):
                path = model_paths[spec.name]
                models.append(
                    make(
                        eval_saved_model_path=path,
                        model_name=spec.name,
                        eval_config=eval_config,
                        add_metrics_callbacks=None,
                    )
                )
    if models and len(models) != len(eval_config.model_specs):
        raise ConfigError("expected a model for every ModelSpec, or none")
    return models[0] if len(models) == 1 else (models or None)


def _with_serialized(record_batch: pa.RecordBatch) -> pa.RecordBatch:
    import pyarrow as pa
    from tensorflow_model_analysis.constants import ARROW_INPUT_COLUMN

    rows = pa.array([[row] for row in serialize(record_batch)], pa.large_list(pa.large_binary()))
    names = [*record_batch.schema.names, ARROW_INPUT_COLUMN]
    return pa.RecordBatch.from_arrays([*record_batch.columns, rows], names)


def _tensor_adapter_config(schema: Any) -> Any:
    if schema is None:
        return None
    import pyarrow as pa
    from tfx_bsl.tfxio import tensor_adapter, tensor_representation_util

    representations = tensor_representation_util.InferTensorRepresentationsFromSchema(schema)
    types = {1: pa.large_binary(), 2: pa.int64(), 3: pa.float32()}
    columns = pa.schema([(f.name, pa.large_list(types.get(f.type, pa.large_binary()))) for f in schema.feature])
    return tensor_adapter.TensorAdapterConfig(arrow_schema=columns, tensor_representations=representations)
