"""What a client does with metadata that it asked for an earlier version of a model; the server is a function."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from mlops_tfx.errors import ServingError
from mlops_tfx.serving.clients import inputs
from mlops_tfx.serving.clients.conversation import Deadline, Retry
from mlops_tfx.serving.clients.descriptions import Target
from mlops_tfx.serving.clients.grpc_protocol import GrpcAnswer, GrpcProtocol, GrpcRequest
from mlops_tfx.serving.clients.rest_protocol import HttpAnswer, HttpRequest, RestProtocol
from mlops_tfx.serving.protos import enum_values, message

KINDS = {"DT_FLOAT": "float_list", "DT_INT64": "int64_list"}
MODEL = Target("m")


def finish(steps: Iterator[Any]) -> Any:
    """The result of an operation that sends nothing."""
    with pytest.raises(StopIteration) as end:
        next(steps)
    return end.value.value


class Model:
    """A version whose ``serving_raw`` takes ``x`` in some dtype, and which refuses tf.Examples of another."""

    def __init__(self, version: int, dtype: str) -> None:
        self.version, self.dtype = version, dtype
        self.asked: list[str] = []
        self.down = False

    def __call__(self, request: GrpcRequest) -> Any:
        self.asked.append(request.method)
        if request.method == "GetModelMetadata":
            return self.metadata()
        (example,) = request.message.input.example_list.examples
        if example.features.feature["x"].WhichOneof("kind") != KINDS[self.dtype]:
            raise ServingError(grpc.StatusCode.INVALID_ARGUMENT, "Data types don't match")
        response = message("tensorflow.serving.RegressionResponse")()
        response.result.regressions.add(value=self.version)
        return response

    def metadata(self) -> Any:
        if self.down:
            raise ServingError(grpc.StatusCode.UNAVAILABLE, "no server")
        signatures = message("tensorflow.serving.SignatureDefMap")()
        signatures.signature_def["serving_raw"].inputs["x"].dtype = enum_values("tensorflow.DataType")[self.dtype]
        response = message("tensorflow.serving.GetModelMetadataResponse")()
        response.model_spec.version.value = self.version
        response.metadata["signature_def"].value = signatures.SerializeToString()
        return response


class Scripted(GrpcProtocol):
    """Asks a function."""

    def __init__(self, model: Callable[[GrpcRequest], Any]) -> None:
        super().__init__("nowhere", Retry())
        self.model = model

    def exchange(self, request: Any, deadline: Deadline, retry: Retry | None = None) -> Any:
        yield from ()
        return GrpcAnswer(self.model(request), {})

    def value(self, x: Any) -> float:
        given = inputs.read([{"x": x}])
        return float(finish(self.regress(MODEL, given, "serving_default", Deadline(None)))[0])


def test_examples_are_made_again_for_another_version() -> None:
    first, second = Model(1, "DT_FLOAT"), Model(2, "DT_INT64")
    client = Scripted(first)
    assert [client.value(3), client.value(3)] == [1.0, 1.0]
    assert first.asked == ["GetModelMetadata", "Regress", "Regress"]
    client.model = second
    assert [client.value(3), client.value(3)] == [2.0, 2.0]
    assert second.asked == ["Regress", "GetModelMetadata", "Regress", "Regress"]


def test_values_that_only_the_new_version_takes() -> None:
    client = Scripted(Model(1, "DT_INT64"))
    client.value(3)
    client.model = second = Model(2, "DT_FLOAT")
    assert client.value(1.5) == 2.0
    assert second.asked == ["GetModelMetadata", "Regress"]


def test_a_mistake_is_not_sent_twice() -> None:
    model = Model(1, "DT_FLOAT")
    client = Scripted(model)
    client.value(3)
    model.dtype, metadata = "DT_INT64", model.metadata()
    model.metadata = lambda: metadata  # type: ignore[method-assign]  # refuses what its metadata name
    with pytest.raises(ServingError, match="Data types don't match"):
        client.value(3)
    assert model.asked == ["GetModelMetadata", "Regress", "Regress", "GetModelMetadata"]


@pytest.mark.parametrize(("x", "error"), [(3, ServingError), ("three", ValueError)])
def test_the_first_error_is_the_one_to_tell(x: Any, error: type[Exception]) -> None:
    client = Scripted(Model(1, "DT_FLOAT"))
    client.value(3)
    client.model = second = Model(2, "DT_INT64")
    second.down = True
    with pytest.raises(error, match="don't match|received text"):
        client.value(x)


class ScriptedRest(RestProtocol):
    """Answers with one document; the metadata are of version 1 and of outputs ``a`` and ``b``, or of ``y`` alone."""

    def __init__(self, outputs: list[str], document: Any) -> None:
        super().__init__("nowhere", Retry())
        self.outputs, self.document = outputs, document

    def exchange(self, request: Any, deadline: Deadline, retry: Retry | None = None) -> Any:
        yield from ()
        return HttpAnswer(200, json.dumps(self.answer(request)).encode(), {})

    def answer(self, request: HttpRequest) -> Any:
        if not request.path.endswith("/metadata"):
            return self.document
        outputs = {name: {"dtype": "DT_FLOAT", "tensor_shape": {}} for name in self.outputs}
        signature = {"inputs": {}, "outputs": outputs, "method_name": ""}
        return {"model_spec": {"name": "m", "version": "1"},
                "metadata": {"signature_def": {"signature_def": {"serving_default": signature}}}}  # fmt: skip

    def predict_columns(self) -> Any:
        return finish(self.predict(MODEL, inputs.read({"x": [1.0]}), "serving_default", (), Deadline(None)))


@pytest.mark.parametrize("document", [{"outputs": {"a": [1], "b": [2]}}, {"predictions": [{"a": 1, "b": 2}]}])
def test_outputs_in_rest(document: Any) -> None:
    answer = ScriptedRest(["a", "b"], document).predict_columns()
    assert {name: array.tolist() for name, array in answer.items()} == {"a": [1.0], "b": [2.0]}


@pytest.mark.parametrize(
    ("outputs", "document"),
    [
        (["a", "b"], {"outputs": {"a": [1], "z": [2]}}),
        (["a", "b"], {"predictions": [{"a": 1, "z": 2}]}),
        (["a", "b"], {"outputs": [1]}),
        (["y"], {"outputs": {"a": [1], "z": [2]}}),
        ([], {"outputs": [1]}),
    ],
)
def test_outputs_that_the_metadata_do_not_name(outputs: list[str], document: Any) -> None:
    """From a server that does not say which version answered."""
    with pytest.raises(ServingError, match="expected the outputs .* was a version replaced") as caught:
        ScriptedRest(outputs, document).predict_columns()
    assert caught.value.code == grpc.StatusCode.FAILED_PRECONDITION
