"""Small models and data for the Evaluator, and TFMA itself as the oracle."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlops_tfx.artifacts import Examples, Model

Table = Mapping[str, Any]


def record_batch(table: Table) -> Any:
    """Columns (lists; None is missing, a list is several values) as a record batch in tf.Example form."""
    import pyarrow as pa

    def column(values: Any) -> Any:
        rows = [None if v is None else (list(v) if isinstance(v, list | np.ndarray) else [v]) for v in values]
        first = next(row[0] for row in rows if row)
        kind = pa.large_binary() if isinstance(first, bytes) else pa.int64() if isinstance(first, int) else pa.float32()
        return pa.array(rows, pa.large_list(kind))

    return pa.RecordBatch.from_arrays([column(v) for v in table.values()], list(table))


@pytest.fixture()
def write_examples(tmp_path: Path) -> Callable[..., Examples]:
    """Writes a table as one split of a new Examples artifact; tables of several calls go to artifacts of their own."""
    from mlops_tfx.io.examples import ExamplesWriter

    def write(table: Table, split: str = "eval", name: str = "examples") -> Examples:
        artifact = Examples(str(tmp_path / name))
        artifact.splits = [split]
        artifact.custom_properties.update(payload_format="FORMAT_TF_EXAMPLE", file_format="tfrecords_gzip")
        with ExamplesWriter(artifact.path(split), prefix="data_tfrecord", file_format="tfrecords_gzip") as writer:
            writer.write(record_batch(table))
        return artifact

    return write


@pytest.fixture()
def save_model(tmp_path: Path) -> Callable[..., Model]:
    """Saves a model whose ``serving_default`` parses tf.Examples and hands ``x`` (rows, 1) to a function of tensors."""
    import tensorflow as tf

    def save(function: Callable[[Any], Mapping[str, Any]], name: str = "model", **others: Any) -> Model:
        class Saved(tf.Module):  # type: ignore[misc]
            @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])  # type: ignore[untyped-decorator]
            def serve(self, examples: Any) -> Mapping[str, Any]:
                spec = {"x": tf.io.FixedLenFeature([1], tf.float32, default_value=[0.0])}
                return function(tf.io.parse_example(examples, spec)["x"])

            @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.float32, name="x")])  # type: ignore[untyped-decorator]
            def named(self, x: Any) -> Mapping[str, Any]:
                return function(x)

            @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])  # type: ignore[untyped-decorator]
            def transform_features(self, examples: Any) -> Mapping[str, Any]:
                spec = {"raw": tf.io.FixedLenFeature([1], tf.float32, default_value=[0.0])}
                raw = tf.io.parse_example(examples, spec)["raw"]
                return {"made": tf.cast(raw > 0, tf.int64), "sign": tf.where(raw > 0, "plus", "minus")}

        module = Saved()
        signatures = {"serving_default": module.serve, "named": module.named, **others}
        signatures["transform_features"] = module.transform_features
        artifact = Model(str(tmp_path / name), id=len(name))
        tf.saved_model.save(module, os.path.join(artifact.uri, "Format-Serving"), signatures=signatures)
        return artifact

    return save


def binary(x: Any) -> Mapping[str, Any]:
    """One probability."""
    import tensorflow as tf

    return {"probability": tf.sigmoid(x)}


def three_classes(x: Any) -> Mapping[str, Any]:
    """Three probabilities."""
    import tensorflow as tf

    logits = tf.concat([-0.7 * x, 0.1 + 0.0 * x, 0.7 * x + 0.2], axis=1)
    return {"probabilities": tf.nn.softmax(logits)}


def named_classes(x: Any) -> Mapping[str, Any]:
    """Three probabilities and the names of the classes, as TF Serving's Classify has them."""
    import tensorflow as tf

    names = tf.constant([["low", "mid", "high"]])
    return {"scores": three_classes(x)["probabilities"], "classes": tf.repeat(names, tf.shape(x)[0], axis=0)}


def random_table(rows: int, seed: int = 0, classes: int = 2) -> dict[str, Any]:
    """x, label y (correlated with x), weight w, and slicing columns: c with gaps, o, n (int), tags (several values)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows).astype(np.float32)
    noisy = x + rng.normal(size=rows)
    y = np.digitize(noisy, [0.0] if classes == 2 else [-0.6, 0.6])
    tags = [[t for t in (b"red", b"green", b"blue") if rng.random() < 0.4] or None for _ in range(rows)]
    return {
        "x": [float(v) for v in x],
        "y": [int(v) for v in y],
        "w": [float(v) for v in rng.uniform(0.1, 3.0, rows).astype(np.float32)],
        "c": [None if i % 11 == 5 else [b"AA", b"BB", b"UA"][int(rng.integers(3))] for i in range(rows)],
        "o": [[b"JFK", b"LGA"][int(rng.integers(2))] for _ in range(rows)],
        "n": [int(v) for v in rng.integers(1, 4, rows)],
        "tags": tags,
        "names": [[b"low", b"mid", b"high"][min(int(v), 2)] for v in y],
    }


def tfma_metrics(uri: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """All metrics that lie in an output folder, as TFMA reads them: by slice, then by key."""
    import tensorflow_model_analysis as tfma

    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for message in tfma.load_metrics(uri):
        key = tfma.slicer.deserialize_slice_key(message.slice_key)
        found[key] = {str(item.key): item.value for item in message.metric_keys_and_values}
    return found


@pytest.fixture()
def oracle(tmp_path: Path) -> Callable[..., str]:
    """Runs TFMA's own pipeline on the files of an Examples artifact; returns its output folder."""

    def run(examples: Examples, model: Model | None, eval_config: Any, baseline: Model | None = None) -> str:
        import tensorflow_model_analysis as tfma

        config = tfma.utils.update_eval_config_with_defaults(
            eval_config, has_baseline=baseline is not None, rubber_stamp=True
        )
        shared = []
        for spec in config.model_specs:
            artifact = baseline if spec.is_baseline else model
            if artifact is not None:
                path = os.path.join(artifact.uri, "Format-Serving")
                shared.append(
                    tfma.default_eval_shared_model(path, model_name=spec.name, eval_config=config)
                )
        uri = str(tmp_path / "oracle")
        tfma.run_model_analysis(
            eval_shared_model=(shared[0] if len(shared) == 1 else shared) or None,
            eval_config=config,
            data_location=os.path.join(examples.path("eval"), "*"),
            output_path=uri,
        )
        return uri

    return run
