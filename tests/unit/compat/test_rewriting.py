"""Models for TFLite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mlops_tfx.compat import rewriting
from mlops_tfx.compat.rewriting import BaseRewriter, ModelDescription, ModelType


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("model"))
    module = tf.Module()
    module.weights = tf.Variable([[1.0], [2.0]])
    function = tf.function(
        lambda x: {"y": tf.matmul(x, module.weights)}, input_signature=[tf.TensorSpec([1, 2], tf.float32)]
    )
    tf.saved_model.save(module, folder, signatures=function)
    for name in ("assets", "assets.extra"):
        Path(folder, name).mkdir(exist_ok=True)
        Path(folder, name, "words.txt").write_text(name)
    return folder


def test_a_saved_model_becomes_a_tflite_file_that_computes_the_same(saved: str, tmp_path: Path) -> None:
    rewriter = rewriting.create_rewriter(rewriting.TFLITE_REWRITER, name="phones")
    target = tmp_path / "lite"
    rewriting.rewrite_saved_model(saved, str(target), rewriter, ModelType.TFLITE_MODEL)
    assert sorted(path.name for path in target.iterdir()) == ["assets", "assets.extra", "tflite"]
    assert (target / "assets" / "words.txt").read_text() == "assets"
    runner = tf.lite.Interpreter(str(target / "tflite")).get_signature_runner()
    np.testing.assert_allclose(runner(x=np.array([[3.0, 4.0]], np.float32))["y"], [[11.0]])


def test_a_keras_3_model(tmp_path: Path) -> None:
    model = keras.Sequential([keras.layers.Input((2,), batch_size=1), keras.layers.Dense(1, use_bias=False)])
    function = tf.function(lambda x: {"y": model(x)}, input_signature=[tf.TensorSpec([1, 2], tf.float32)])
    tf.saved_model.save(model, str(tmp_path / "saved"), signatures=function)
    rewriter = rewriting.TFLiteRewriter("phones")
    rewriting.rewrite_saved_model(str(tmp_path / "saved"), str(tmp_path / "lite"), rewriter)
    row = np.array([[3.0, 4.0]], np.float32)
    runner = tf.lite.Interpreter(str(tmp_path / "lite" / "tflite")).get_signature_runner()
    np.testing.assert_allclose(runner(x=row)["y"], model(row), rtol=1e-5)


def test_what_is_not_wanted_is_left_out(saved: str, tmp_path: Path) -> None:
    rewriter = rewriting.create_rewriter(
        "tfliterewriter", "small", "model.tflite", False, copy_assets_extra=False, signature_key="serving_default"
    )
    rewriter.perform_rewrite(
        ModelDescription(ModelType.SAVED_MODEL, saved.encode()), ModelDescription(ModelType.ANY_MODEL, tmp_path)
    )
    assert [path.name for path in tmp_path.iterdir()] == ["model.tflite"]


def test_wrong_models_and_rewriters(saved: str, tmp_path: Path) -> None:
    rewriter = rewriting.create_rewriter(rewriting.TFLITE_REWRITER, name="phones")
    is_saved, is_lite = (
        ModelDescription(ModelType.SAVED_MODEL, saved),
        ModelDescription(ModelType.TFLITE_MODEL, str(tmp_path)),
    )
    with pytest.raises(ValueError, match="rewriter 'phones', the model before.*expected a model of type SAVED_MODEL"):
        rewriter.perform_rewrite(is_lite, is_lite)
    with pytest.raises(ValueError, match="expected a model of type TFLITE_MODEL or ANY_MODEL, received"):
        rewriter.perform_rewrite(is_saved, is_saved)
    with pytest.raises(ValueError, match="expected a representative_dataset"):
        rewriting.TFLiteRewriter("phones", quantization_enable_full_integer=True)
    with pytest.raises(ValueError, match="no rewriter 'TFLightRewriter'; did you mean 'TFLiteRewriter'"):
        rewriting.create_rewriter("TFLightRewriter")


def test_one_of_the_user_s() -> None:
    class Copied(BaseRewriter):
        name = "copied"

        def _pre_rewrite_validate(self, original_model: Any) -> None:
            assert original_model.path == "a"

        def _rewrite(self, original_model: Any, rewritten_model: Any) -> None:
            assert (original_model.path, rewritten_model.path) == ("a", "b")

        def _post_rewrite_validate(self, rewritten_model: Any) -> None:
            raise ValueError("not good")

    rewriter = rewriting.create_rewriter("copied")
    with pytest.raises(ValueError, match="rewriter 'copied', the rewritten model at 'b': not good"):
        rewriter.perform_rewrite(
            ModelDescription(ModelType.SAVED_MODEL, "a"), ModelDescription(ModelType.ANY_MODEL, "b")
        )


@pytest.mark.skipif(__import__("importlib").util.find_spec("tensorflowjs") is not None, reason="it is installed")
def test_tensorflow_js_says_what_it_needs(saved: str, tmp_path: Path) -> None:
    rewriter = rewriting.create_rewriter(rewriting.TFJS_REWRITER, name="web")
    with pytest.raises(RuntimeError, match="pip install tensorflowjs"):
        rewriting.rewrite_saved_model(saved, str(tmp_path), rewriter)
