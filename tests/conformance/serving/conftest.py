"""Small SavedModels, and one server with all of them, for tests that talk gRPC over a real socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops_tfx.serving.client import Client

Save = Callable[[Path, float], Path]


@pytest.fixture(scope="session")
def save_half_plus() -> Save:
    """Writes a SavedModel whose serving_default answers y = x / 2 + offset."""
    import tensorflow as tf

    def save(folder: Path, offset: float) -> Path:
        class HalfPlus(tf.Module):
            def __init__(self) -> None:
                super().__init__()
                self.offset = tf.Variable(offset)

            @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")], autograph=False)
            def predict(self, x: Any) -> dict[str, Any]:
                return {"y": x / 2 + self.offset}

        module = HalfPlus()
        tf.saved_model.save(module, str(folder), signatures={"serving_default": module.predict})
        return folder

    return save


@pytest.fixture(scope="session")
def half_plus_two(tmp_path_factory: pytest.TempPathFactory, save_half_plus: Save) -> Path:
    """A base path with version 123 of TF Serving's own example model."""
    base = tmp_path_factory.mktemp("half_plus_two")
    save_half_plus(base / "00000123", 2.0)
    return base


@pytest.fixture(scope="session")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base path with a model of many signatures: several inputs, defaults, every dtype, a matrix product."""
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    base = tmp_path_factory.mktemp("kinds")
    module = tf.Module()
    module.weights = tf.Variable(tf.ones([4, 2]))

    def concrete(function: Any, **inputs: Any) -> Any:
        specs = {name: tf.TensorSpec(shape, dtype, name=name) for name, (shape, dtype) in inputs.items()}
        return tf.function(function, autograph=False).get_concrete_function(**specs)

    numbers = {"a": ([None], tf.float32), "b": ([None], tf.float32)}
    types = ["float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool",
             "string", "half", "bfloat16", "complex64", "complex128"]  # fmt: skip
    signatures = {
        "add": concrete(lambda a, b: {"sum": a + b, "product": a * b}, **numbers),
        "add_default": concrete(lambda a, b: {"sum": a + b, "product": a * b}, **numbers),
        "matrix": concrete(lambda m: {"out": tf.matmul(m, module.weights)}, m=(None, tf.float32)),
        "text": concrete(lambda s: {"length": tf.strings.length(s), "same": s}, s=([None], tf.string)),
        "count": concrete(_count, n=([], tf.int32)),
        **{f"same_{name}": concrete(lambda v: {"v": tf.identity(v)}, v=(None, tf.as_dtype(name))) for name in types},
    }
    folder = base / "1"
    tf.saved_model.save(module, str(folder), signatures=signatures)
    file = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    default = saved.meta_graphs[0].signature_def["add_default"].defaults["b"]
    default.CopyFrom(tf.make_tensor_proto(10.0))
    file.write_bytes(saved.SerializeToString())
    return base


def _count(n: Any) -> dict[str, Any]:
    # Takes time in proportion to n, for requests that are in flight while something else happens.
    import tensorflow as tf

    return {"n": tf.while_loop(lambda i: i < n, lambda i: [i + 1], [tf.constant(0)])[0]}


@pytest.fixture(scope="module")
def server(half_plus_two: Path) -> Iterator[Any]:
    from mlops_tfx.serving.server import ModelServer

    with ModelServer(model_name="half_plus_two", model_base_path=str(half_plus_two), port=0) as server:
        server.wait_until_available()
        yield server


@pytest.fixture(scope="module")
def kinds_server(kinds: Path) -> Iterator[Any]:
    from mlops_tfx.serving.server import ModelServer

    with ModelServer(model_name="kinds", model_base_path=str(kinds), port=0) as server:
        server.wait_until_available()
        yield server


@pytest.fixture(scope="module")
def kinds_client(kinds_server: Any) -> Iterator[Client]:
    with Client(kinds_server.address) as client:
        yield client
