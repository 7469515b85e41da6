"""Small SavedModels, and one server with all of them, for tests that talk gRPC over a real socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from mlops_tfx.serving.client import Client
from tests.conformance.serving import models

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
    base = tmp_path_factory.mktemp("kinds")
    models.save_kinds(base / "1")
    return base


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


@pytest.fixture(scope="module")
def stub(server: Any) -> Iterator[Any]:
    """tensorflow-serving-api's stub for the module's server."""
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    with grpc.insecure_channel(server.address) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)
