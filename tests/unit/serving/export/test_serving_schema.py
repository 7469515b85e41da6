"""The schema beside an exported model: what requests must be like, for the server and for ExampleValidator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from mlops_tfx.errors import ExportError
from mlops_tfx.serving.client import Client
from mlops_tfx.serving.export import export_model, write_serving_schema
from mlops_tfx.serving.export.serving_schema import serving_schema
from tests.unit.serving.export.conftest import ROWS

DOMAINS = {
    "number": "float_domain { min: 0 max: 10 }",
    "odd name (mm)": "float_domain { min: 0 max: 60 }",
    "word": "string_domain { value: 'red' value: 'blue' }",
}


class Sum(tf.Module):
    def __call__(self, features: dict[str, Any]) -> Any:
        return features["number_xf"] + features["odd_xf"] + tf.cast(features["word_xf"], tf.float32)


def raw_schema(transform_graph: Path) -> Any:
    """The schema in the transform output, curated."""
    schema = text_format.Parse((transform_graph / "metadata" / "schema.pbtxt").read_text(), schema_pb2.Schema())
    for feature in schema.feature:
        text_format.Merge(DOMAINS.get(feature.name, ""), feature)
        feature.presence.min_fraction = 1.0
    return schema


@pytest.fixture(scope="module")
def base(transform_graph: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("guarded")
    schema = raw_schema(transform_graph)
    export_model(Sum(), transform_graph, base / "1", label_key="species", exclude=["weight"], schema=schema)
    return base


def read(base: Path) -> dict[str, Any]:
    text = (base / "1" / "assets.extra" / "schema.pbtxt").read_text()
    schema = text_format.Parse(text, schema_pb2.Schema())
    assert list(schema.default_environment) == ["TRAINING", "SERVING"]
    return {feature.name: feature for feature in schema.feature}


def test_labels_are_not_in_the_environment_and_what_the_model_does_not_read_may_be_missing(base: Path) -> None:
    features = read(base)
    hidden = {name for name, feature in features.items() if "SERVING" in feature.not_in_environment}
    assert hidden == {"species", "weight"}
    needed = {"number", "word", "odd name (mm)"}
    assert {name for name, feature in features.items() if feature.HasField("presence")} == needed | hidden
    assert features["number"].float_domain.max == 10


def test_the_server_checks_requests_against_it(base: Path, encode: Callable[..., list[bytes]]) -> None:
    from mlops_tfx.serving.server import ModelServer

    needed = ("number", "word", "odd name (mm)")
    row = {name: ROWS[0][name] for name in needed}
    with (
        ModelServer(model_name="m", model_base_path=str(base), port=0, schema_guard="reject") as server,
        Client(server.address) as client,
    ):
        server.wait_until_available()
        client.predict("m", encode([row]))
        client.predict("m", [row] * 30)
        raw = {"number": [1.0], "word": ["red"], "odd_name__mm_": [10.0]}
        client.predict("m", raw, signature_name="serving_raw")
        for inputs, signature, text in (
            (encode([row, {**row, "number": [77.0]}]), "serving_default", "from 0.0 to 10.0, received 77.0 in row 1"),
            ({**raw, "word": ["green"]}, "serving_raw", "word: .*one of 'blue', 'red', received b'green'"),
            ({**raw, "odd_name__mm_": [61.0]}, "serving_raw", r"odd name \(mm\): .*, received 61.0 in row 0"),
            ({**raw, "number": [np.nan]}, "serving_raw", "number: expected a value in every row"),
            (encode([{"word": [b"red"]}]), "serving_default", "number: expected a value in every row"),
        ):  # fmt: skip
            with pytest.raises(Exception, match=text):
                client.predict("m", inputs, signature_name=signature)


def test_a_schema_with_environments_keeps_them() -> None:
    text = """
    default_environment: "SERVING" default_environment: "OTHER"
    feature { name: "label" in_environment: "SERVING" in_environment: "OTHER" presence { min_fraction: 1 } }
    """
    schema = text_format.Parse(text, schema_pb2.Schema())
    made = serving_schema(schema, {"label"}, ())
    assert list(made.default_environment) == ["SERVING", "OTHER"]
    assert (list(made.feature[0].in_environment), list(made.feature[0].not_in_environment)) == (["OTHER"], ["SERVING"])
    assert list(schema.feature[0].not_in_environment) == []


def test_a_schema_is_put_beside_a_model_that_came_another_way(tmp_path: Path) -> None:
    (tmp_path / "schema.pbtxt").write_text("feature { name: 'x' } feature { name: 'label' presence { min_count: 1 } }")
    path = write_serving_schema(tmp_path, tmp_path / "model", hidden=["label"], optional=["x"])
    written = text_format.Parse(Path(path).read_text(), schema_pb2.Schema())
    assert Path(path) == tmp_path / "model" / "assets.extra" / "schema.pbtxt"
    assert written.feature[1].not_in_environment[0] == "SERVING"
    with pytest.raises(ExportError, match=r"hidden names no feature of the schema: 'labl'.*label"):
        write_serving_schema(tmp_path, tmp_path / "model", hidden=["labl"])
    with pytest.raises(ExportError, match="optional names no feature of the schema: 'y'"):
        write_serving_schema(tmp_path, tmp_path / "model", optional=["y"])
    with pytest.raises(ExportError, match="expected a schema in text form, received schema="):
        write_serving_schema(tmp_path / "none", tmp_path / "model")
