"""An exported model behind the server answers what it answers in process, by every way of asking."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mlops_tfx.serving.client import Client
from mlops_tfx.serving.export import export_model
from tests.unit.serving.export.conftest import ROWS, SPECIES

FEATURES = [{key: value for key, value in row.items() if key not in ("species", "weight")} for row in ROWS]


class Scores(tf.Module):
    """Three class scores from two features."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable(np.arange(6, dtype=np.float32).reshape(2, 3) / 7)

    def __call__(self, features: dict[str, Any]) -> Any:
        columns = tf.stack([features["number_xf"], features["required_xf"]], axis=1)
        return tf.nn.softmax(columns @ self.kernel)


@pytest.fixture(scope="module")
def base(transform_graph: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("served")
    export_model(Scores(), transform_graph, base / "1", label_key="species", class_vocabulary="species_names")
    return base


@pytest.fixture(scope="module")
def client(base: Path) -> Iterator[Client]:
    from mlops_tfx.serving.server import ModelServer

    with ModelServer(model_name="m", model_base_path=str(base), port=0) as server, Client(server.address) as client:
        server.wait_until_available()
        yield client


@pytest.fixture(scope="module")
def in_process(base: Path, encode: Callable[..., list[bytes]]) -> dict[str, Any]:
    loaded = tf.saved_model.load(str(base / "1"))
    answer = loaded.signatures["serving_default"](examples=tf.constant(encode(FEATURES)))
    return {name: value.numpy() for name, value in answer.items()}


def assert_same(answer: dict[str, Any], expected: dict[str, Any]) -> None:
    assert answer.keys() == expected.keys() == {"probabilities", "classes", "all_classes"}
    np.testing.assert_allclose(answer["probabilities"], expected["probabilities"], rtol=0, atol=1e-6)
    assert answer["classes"].tolist() == expected["classes"].tolist()
    assert answer["all_classes"].tolist() == [[name.encode() for name in SPECIES]] * len(ROWS)


def test_serialized_examples(client: Client, in_process: dict[str, Any], encode: Callable[..., list[bytes]]) -> None:
    assert_same(client.predict("m", encode(FEATURES)), in_process)


def test_rows(client: Client, in_process: dict[str, Any]) -> None:
    assert_same(client.predict("m", FEATURES), in_process)


def test_named_tensors(client: Client, in_process: dict[str, Any]) -> None:
    numbers = [row["number"][0] if row["number"] else None for row in ROWS]
    inputs = {"number": numbers, "required": [row["required"] for row in ROWS]}
    assert_same(client.predict("m", inputs, signature_name="serving_raw"), in_process)
    arrays = {"number": np.array([[np.nan if n is None else n] for n in numbers], np.float32),
              "required": np.array([[row["required"]] for row in ROWS], np.float32)}  # fmt: skip
    assert_same(client.predict("m", arrays, signature_name="serving_raw"), in_process)


def test_what_is_not_sent_is_missing(client: Client, base: Path) -> None:
    alone = client.predict("m", {"required": [2]}, signature_name="serving_raw")
    row = client.predict("m", [{"required": 2.0}])
    np.testing.assert_allclose(alone["probabilities"], row["probabilities"], rtol=0, atol=1e-6)


def test_metadata_tells_what_is_optional(client: Client) -> None:
    inputs = client.metadata("m").signatures["serving_raw"].inputs
    assert [name for name, description in inputs.items() if not description.optional] == ["required"]
    assert (inputs["unused"].dtype, inputs["unused"].shape) == ("DT_INT64", None)
    outputs = client.metadata("m").signatures["serving_default"].outputs
    assert outputs["probabilities"].shape == (None, 3)
