"""grpc.reflection, v1 and v1alpha: lets grpcurl and the like ask the server what it speaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

from mlops_tfx.serving.protos import message, pool

SERVICES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
_THREADS = 4
# Service -> its methods: the module with their messages, and how those begin.
_METHODS: dict[str, dict[str, tuple[Any, str]]] = {
    "PredictionService": {
        "Classify": (classification_pb2, "Classification"),
        "Regress": (regression_pb2, "Regression"),
        "Predict": (predict_pb2, "Predict"),
        "MultiInference": (inference_pb2, "MultiInference"),
        "GetModelMetadata": (get_model_metadata_pb2, "GetModelMetadata"),
    },
    "ModelService": {
        "GetModelStatus": (get_model_status_pb2, "GetModelStatus"),
        "HandleReloadConfigRequest": (model_management_pb2, "ReloadConfig"),
    },
}
_FILES = {
    "PredictionService": "tensorflow_serving/apis/prediction_service.proto",
    "ModelService": "tensorflow_serving/apis/model_service.proto",
}


class Reflection:
    """Answers reflection requests about ``services``."""

    def __init__(self, services: Sequence[str]) -> None:
        self._services = [*services, *SERVICES]
        self._pools = (_serving_pool(), pool())

    def handlers(self) -> list[Any]:
        """Returns the services for ``add_generic_rpc_handlers``; the messages of both versions are the same."""

        def answer(requests: Iterator[Any], context: Any) -> Iterator[Any]:
            for request in requests:
                yield self._answer(request)

        # grpcio's own name for running a method in another pool: open streams take no threads from requests.
        setattr(answer, "experimental_thread_pool", ThreadPoolExecutor(_THREADS, "reflection"))  # noqa: B010
        request = message("grpc.reflection.v1.ServerReflectionRequest")
        method = grpc.stream_stream_rpc_method_handler(
            answer, request.FromString, lambda response: response.SerializeToString()
        )
        return [grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": method}) for name in SERVICES]

    def _answer(self, request: Any) -> Any:
        response = message("grpc.reflection.v1.ServerReflectionResponse")(valid_host=request.host)
        response.original_request.CopyFrom(request)
        kind = request.WhichOneof("message_request")
        try:
            if kind == "list_services":
                for name in sorted(self._services):
                    response.list_services_response.service.add().name = name
            elif kind == "file_by_filename":
                _fill_file(response, self._find("FindFileByName", request.file_by_filename))
            elif kind == "file_containing_symbol":
                _fill_file(response, self._find_symbol(request.file_containing_symbol))
            elif kind == "all_extension_numbers_of_type":
                self._find("FindMessageTypeByName", request.all_extension_numbers_of_type)
                response.all_extension_numbers_response.base_type_name = request.all_extension_numbers_of_type
            else:
                raise KeyError(kind)
        except KeyError as error:
            response.error_response.error_code = grpc.StatusCode.NOT_FOUND.value[0]
            response.error_response.error_message = f"not found: {error.args[0]}"
        return response

    def _find(self, method: str, name: str) -> Any:
        for candidate in self._pools:
            try:
                return getattr(candidate, method)(name)
            except KeyError:
                continue
        raise KeyError(name)

    def _find_symbol(self, name: str) -> Any:
        try:
            return self._find("FindFileContainingSymbol", name)
        except KeyError:
            # Protobuf finds all but methods, which clients such as ghz ask for.
            service, _, method = name.rpartition(".")
            if not self._has_method(service, method):
                raise
            return self._find("FindFileContainingSymbol", service)

    def _has_method(self, service: str, method: str) -> bool:
        try:
            return method in self._find("FindServiceByName", service).methods_by_name
        except KeyError:
            return False


def _fill_file(response: Any, file: Any) -> None:
    # The file and all that it imports, each once: clients need not ask again.
    files: dict[str, bytes] = {}
    waiting = [file]
    while waiting:
        file = waiting.pop()
        if file.name in files:
            continue
        described = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(described)
        files[file.name] = described.SerializeToString()
        waiting.extend(file.dependencies)
    response.file_descriptor_response.file_descriptor_proto.extend(files.values())


def _serving_pool() -> Any:
    """The files of TF Serving's services.

    The services are written here: the modules of tensorflow-serving-api that have them cannot be imported with protobuf
    4 and newer.
    """
    added: set[str] = set()
    own = descriptor_pool.DescriptorPool()
    for service, methods in _METHODS.items():
        files = [module.DESCRIPTOR for module, _ in methods.values()]
        described = descriptor_pb2.FileDescriptorProto(
            name=_FILES[service],
            package="tensorflow.serving",
            syntax="proto3",
            dependency=[file.name for file in files],
        )
        target = described.service.add(name=service)
        for name, (_, prefix) in methods.items():
            types = (f".tensorflow.serving.{prefix}{part}" for part in ("Request", "Response"))
            target.method.add(name=name, input_type=next(types), output_type=next(types))
        for file in files:
            _add(file, own, added)
        own.AddSerializedFile(described.SerializeToString())
    return own


def _add(file: Any, own: Any, added: set[str]) -> None:
    if file.name in added:
        return
    added.add(file.name)
    for dependency in file.dependencies:
        _add(dependency, own, added)
    own.AddSerializedFile(file.serialized_pb)
