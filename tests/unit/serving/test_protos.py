"""The vendored messages: they agree with TensorFlow's, and live beside them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlops_tfx.serving import protos

# Messages and enums that clients and servers exchange -> the module that TensorFlow has them in.
ORIGINALS = {
    "tensorflow.TensorProto": "tensorflow.core.framework.tensor_pb2",
    "tensorflow.TensorShapeProto": "tensorflow.core.framework.tensor_shape_pb2",
    "tensorflow.TensorInfo": "tensorflow.core.protobuf.meta_graph_pb2",
    "tensorflow.SignatureDef": "tensorflow.core.protobuf.meta_graph_pb2",
    "tensorflow.Example": "tensorflow.core.example.example_pb2",
    "tensorflow.Feature": "tensorflow.core.example.feature_pb2",
    "tensorflow.serving.ModelSpec": "tensorflow_serving.apis.model_pb2",
    "tensorflow.serving.PredictRequest": "tensorflow_serving.apis.predict_pb2",
    "tensorflow.serving.PredictResponse": "tensorflow_serving.apis.predict_pb2",
    "tensorflow.serving.ClassificationRequest": "tensorflow_serving.apis.classification_pb2",
    "tensorflow.serving.ClassificationResponse": "tensorflow_serving.apis.classification_pb2",
    "tensorflow.serving.RegressionRequest": "tensorflow_serving.apis.regression_pb2",
    "tensorflow.serving.RegressionResponse": "tensorflow_serving.apis.regression_pb2",
    "tensorflow.serving.MultiInferenceRequest": "tensorflow_serving.apis.inference_pb2",
    "tensorflow.serving.MultiInferenceResponse": "tensorflow_serving.apis.inference_pb2",
    "tensorflow.serving.SignatureDefMap": "tensorflow_serving.apis.get_model_metadata_pb2",
    "tensorflow.serving.GetModelMetadataRequest": "tensorflow_serving.apis.get_model_metadata_pb2",
    "tensorflow.serving.GetModelMetadataResponse": "tensorflow_serving.apis.get_model_metadata_pb2",
    "tensorflow.serving.GetModelStatusRequest": "tensorflow_serving.apis.get_model_status_pb2",
    "tensorflow.serving.GetModelStatusResponse": "tensorflow_serving.apis.get_model_status_pb2",
    "tensorflow.serving.ModelVersionStatus": "tensorflow_serving.apis.get_model_status_pb2",
}


def describe(descriptor: Any, seen: set[str]) -> dict[str, Any]:
    """Field number -> name, wire type, cardinality, and the same of what it holds."""
    seen = seen | {descriptor.full_name}
    fields = {}
    for field in descriptor.fields:
        inner = field.message_type
        nested = describe(inner, seen) if inner is not None and inner.full_name not in seen else None
        # An enum and an int32 are the same on the wire.
        kind = field.TYPE_INT32 if field.type == field.TYPE_ENUM else field.type
        fields[field.number] = (field.name, kind, field.label, nested)
    return fields


def assert_part_of(ours: dict[str, Any], theirs: dict[str, Any], path: str) -> None:
    for number, (name, kind, label, nested) in ours.items():
        assert number in theirs, f"{path}.{name}: TensorFlow has no field {number}"
        assert (name, kind, label) == theirs[number][:3], f"{path}.{name}"
        if nested is not None and theirs[number][3] is not None:
            assert_part_of(nested, theirs[number][3], f"{path}.{name}")


@pytest.mark.filterwarnings("ignore:label\\(\\) is deprecated:DeprecationWarning")
@pytest.mark.parametrize("name", ORIGINALS)
def test_fields_are_those_of_tensorflow(name: str) -> None:
    theirs = getattr(importlib.import_module(ORIGINALS[name]), name.rpartition(".")[2])
    assert_part_of(describe(protos.message(name).DESCRIPTOR, set()), describe(theirs.DESCRIPTOR, set()), name)


def test_enums_are_those_of_tensorflow() -> None:
    from tensorflow.core.framework import types_pb2
    from tensorflow_serving.apis import get_model_status_pb2

    assert protos.enum_values("tensorflow.DataType").items() <= dict(types_pb2.DataType.items()).items()
    states = dict(get_model_status_pb2.ModelVersionStatus.State.items())
    assert protos.enum_values("tensorflow.serving.ModelVersionStatus.State") == states


def test_bytes_are_those_of_tensorflow() -> None:
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest(output_filter=["a"])
    request.model_spec.name, request.model_spec.version.value = "m", 7
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([1.5, 2.0]))
    own = protos.message("tensorflow.serving.PredictRequest").FromString(request.SerializeToString())
    assert (own.model_spec.name, own.model_spec.version.value, list(own.output_filter)) == ("m", 7, ["a"])
    assert predict_pb2.PredictRequest.FromString(own.SerializeToString()) == request


OURS = """
from mlops_tfx.serving.client import Client
from mlops_tfx.serving.protos import message
own = message("tensorflow.serving.PredictRequest")()
own.inputs["x"].float_val.append(1.0)
"""
THEIRS = """
from tensorflow_serving.apis import predict_pb2, get_model_status_pb2, get_model_metadata_pb2
theirs = predict_pb2.PredictRequest()
theirs.inputs["x"].float_val.append(1.0)
"""
CHECK = "assert own.SerializeToString() == theirs.SerializeToString() and type(own) is not type(theirs)\n"


@pytest.mark.parametrize("code", [OURS + THEIRS, THEIRS + OURS], ids=["ours first", "theirs first"])
def test_lives_beside_tensorflow_serving_api(code: str, project_root: Path) -> None:
    done = subprocess.run([sys.executable, "-c", code + CHECK], capture_output=True, text=True, cwd=project_root)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(importlib.util.find_spec("grpc_tools") is None, reason="grpcio-tools (protoc) is not installed")
def test_the_descriptors_are_up_to_date(tmp_path: Path) -> None:
    from google.protobuf import descriptor_pb2

    from mlops_tfx.serving.protos import generate

    generate.generate(tmp_path / "new")
    new, committed = (
        descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes())
        for path in (tmp_path / "new", generate.FOLDER / "descriptors.binpb")
    )
    own = ("tensorflow.proto", "serving.proto")
    assert [f for f in new.file if f.name in own] == [f for f in committed.file if f.name in own]
