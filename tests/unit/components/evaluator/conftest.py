"""Fixtures of the Evaluator's tests: examples and models on disk, and TFMA itself as the oracle."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from mlops_tfx.artifacts import Examples, Model
from tests.unit.components.evaluator.cases import Table, record_batch


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
                shared.append(tfma.default_eval_shared_model(path, model_name=spec.name, eval_config=config))
        uri = str(tmp_path / "oracle")
        with warnings.catch_warnings():
            # TFMA's per-row code warns for every row about numpy's scalars, Beam about its own options.
            warnings.simplefilter("ignore")
            tfma.run_model_analysis(
                eval_shared_model=(shared[0] if len(shared) == 1 else shared) or None,
                eval_config=config,
                data_location=os.path.join(examples.path("eval"), "*"),
                output_path=uri,
            )
        return uri

    return run
