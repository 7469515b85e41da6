"""Health and reflection."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from mlops_tfx.serving.protos import message


def check(channel: Any, service: str) -> str:
    response = message("grpc.health.v1.HealthCheckResponse")
    method = channel.unary_unary(
        "/grpc.health.v1.Health/Check", lambda m: m.SerializeToString(), response.FromString
    )  # fmt: skip
    status = method(message("grpc.health.v1.HealthCheckRequest")(service=service), timeout=60).status
    return str(response.ServingStatus.Name(status))


def test_health_follows_the_model(tmp_path: Path, half_plus_two: Path) -> None:
    from mlops_tfx.serving.server import ModelServer

    base = tmp_path / "models"
    base.mkdir()
    server = ModelServer(model_name="m", model_base_path=str(base), port=0, file_system_poll_wait_seconds=0.02)
    with server, grpc.insecure_channel(server.address) as channel:
        assert check(channel, "") == "NOT_SERVING"
        seen: list[int] = []
        arrived = threading.Semaphore(0)
        watch = channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            lambda m: m.SerializeToString(),
            message("grpc.health.v1.HealthCheckResponse").FromString,
        )
        stream = watch(message("grpc.health.v1.HealthCheckRequest")(service="PredictionService"), timeout=120)

        def follow() -> None:
            for response in stream:
                seen.append(response.status)
                arrived.release()

        thread = threading.Thread(target=follow)
        thread.start()
        assert arrived.acquire(timeout=60)
        (base / "123").symlink_to(half_plus_two / "00000123")
        server.wait_until_available()
        assert check(channel, "") == check(channel, "tensorflow.serving.ModelService") == "SERVING"
        assert arrived.acquire(timeout=60)
        with pytest.raises(grpc.RpcError) as caught:
            check(channel, "zz")
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
        server.stop()
        thread.join()
    # NOT_SERVING, SERVING, and NOT_SERVING again while it stops.
    assert seen == [2, 1, 2]


def test_every_channel_that_watches_health_is_told(server: Any) -> None:
    # gRPC's own health checking holds one stream per channel for as long as the channel lives.
    response = message("grpc.health.v1.HealthCheckResponse")
    request = message("grpc.health.v1.HealthCheckRequest")(service="PredictionService")
    with grpc.insecure_channel(server.address) as channel:
        watch = channel.unary_stream(
            "/grpc.health.v1.Health/Watch", lambda m: m.SerializeToString(), response.FromString
        )  # fmt: skip
        streams = [watch(request, timeout=120) for _ in range(30)]
        assert [next(stream).status for stream in streams] == [1] * 30
        for stream in streams:
            stream.cancel()


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_describes_all_services(server: Any, version: str) -> None:
    ask_type = message("grpc.reflection.v1.ServerReflectionRequest")
    with grpc.insecure_channel(server.address) as channel:
        info = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            lambda m: m.SerializeToString(),
            message("grpc.reflection.v1.ServerReflectionResponse").FromString,
        )
        ask = lambda *requests: list(info(iter(requests), timeout=60))  # noqa: E731
        (listed,) = ask(ask_type(list_services="*"))
        names = [entry.name for entry in listed.list_services_response.service]
        serving = ["tensorflow.serving.ModelService", "tensorflow.serving.PredictionService"]
        assert set(serving) | {"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"} <= set(names)
        answers = ask(*(ask_type(file_containing_symbol=name) for name in names))
        # A method is a symbol, too: ghz asks for it.
        described, by_method, no_method = ask(
            ask_type(file_containing_symbol="tensorflow.serving.PredictionService"),
            ask_type(file_containing_symbol="tensorflow.serving.PredictionService.Predict"),
            ask_type(file_containing_symbol="tensorflow.serving.PredictionService.Zz"),
        )
        unknown, by_name = ask(
            ask_type(file_containing_symbol="zz.Zz"),
            ask_type(file_by_filename="tensorflow_serving/apis/predict.proto"),
        )
    assert (unknown.error_response.error_code, unknown.error_response.error_message) == (5, "not found: zz.Zz")
    assert no_method.error_response.error_message == "not found: tensorflow.serving.PredictionService.Zz"
    assert by_method.file_descriptor_response == described.file_descriptor_response
    assert by_name.file_descriptor_response.file_descriptor_proto
    # A client that knows nothing else can build the messages from what it was sent.
    known = client_pool([file for answer in answers for file in answer.file_descriptor_response.file_descriptor_proto])
    methods = known.FindServiceByName("tensorflow.serving.PredictionService").methods_by_name
    assert sorted(methods) == ["Classify", "GetModelMetadata", "MultiInference", "Predict", "Regress"]
    request = message_factory.GetMessageClass(methods["Predict"].input_type)()
    request.model_spec.name = "m"
    assert (
        request.SerializeToString()
        == message("tensorflow.serving.PredictRequest")(model_spec={"name": "m"}).SerializeToString()
    )
    assert set(known.FindServiceByName("tensorflow.serving.ModelService").methods_by_name) == {
        "GetModelStatus",
        "HandleReloadConfigRequest",
    }


def client_pool(files: list[bytes]) -> Any:
    described = {}
    for data in files:
        file = descriptor_pb2.FileDescriptorProto.FromString(data)
        described[file.name] = file
    known = descriptor_pool.DescriptorPool()
    added: set[str] = set()
    for name in described:
        add(name, described, known, added)
    return known


def add(name: str, described: dict[str, Any], known: Any, added: set[str]) -> None:
    if name in added:
        return
    added.add(name)
    for dependency in described[name].dependency:
        add(dependency, described, known, added)
    known.AddSerializedFile(described[name].SerializeToString())
