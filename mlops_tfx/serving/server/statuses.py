"""Failures as TF Serving reports them: a gRPC code and its exact text.

The texts are those of tensorflow/serving and TensorFlow's runtime, because clients match on them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import grpc

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_MAX_MESSAGE = 1024


class StatusError(Exception):
    """A request failed with a gRPC code and a message."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(f"{code.name}: {message}")

    def __reduce__(self) -> tuple[type[StatusError], tuple[grpc.StatusCode, str]]:
        return type(self), (self.code, self.message)


def from_number(code: int, message: str) -> StatusError:
    """Returns the failure for a code number of ``google.rpc.Code``; an unknown one counts as UNKNOWN."""
    return StatusError(_CODES.get(code, grpc.StatusCode.UNKNOWN), message)


def truncate(message: str) -> str:
    """Cuts a message to the length that TF Serving sends over gRPC."""
    return message if len(message) <= _MAX_MESSAGE else message[:_MAX_MESSAGE] + "...TRUNCATED"


def invalid(message: str) -> StatusError:
    """Returns an INVALID_ARGUMENT failure."""
    return StatusError(grpc.StatusCode.INVALID_ARGUMENT, message)


def missing_model_spec() -> StatusError:
    """The request has no model_spec."""
    return invalid("Missing ModelSpec")


def missing_model_name() -> StatusError:
    """The model_spec has no name."""
    return invalid("ModelSpec has no name specified.")


def unknown_label(label: str) -> StatusError:
    """The model_spec names a version label that is not assigned."""
    return invalid(f"Unrecognized servable version label: {label}")


def servable_not_found(name: str, version: int | None) -> StatusError:
    """No such model, or version of it, is loaded."""
    request = f"Latest({name})" if version is None else f"Specific({name}, {version})"
    return StatusError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {request}")


def no_versions(name: str) -> StatusError:
    """Status of a model that the server does not know."""
    return StatusError(grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {name}")


def no_version(name: str, version: int) -> StatusError:
    """Status of a version that the server does not know."""
    return StatusError(grpc.StatusCode.NOT_FOUND, f"Could not find version {version} of model {name}")


def signature_not_found(name: str) -> StatusError:
    """Predict names a signature that the model does not have."""
    return StatusError(grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')


def input_size(request: Iterable[str], signature: Iterable[str]) -> StatusError:
    """Too many inputs, or too few of a signature without defaults."""
    sent, known = set(request), set(signature)
    return invalid(
        f"input size does not match signature: {len(sent)}!={len(known)} len({{{_join(sent)}}}) != "
        f"len({{{_join(known)}}}). Sent extra: {{{_join(sent - known)}}}. "
        f"Missing but required: {{{_join(known - sent)}}}."
    )


def input_not_found(alias: str, feed: str, request: Iterable[str], defaults: Iterable[str]) -> StatusError:
    """An input without a default is not in the request."""
    return invalid(
        f"Signature input alias: {alias}(feed name: {feed}) not found in request and no default value provided. "
        f"Inputs expected to be in the request {{{_join(request)}}}, or default input alias set: {_join(defaults)}"
    )


def invalid_input_name(used: Iterable[str], request: Iterable[str]) -> StatusError:
    """The request has an input that the signature does not have, in place of one with a default."""
    return invalid(f"Inputs contains invalid name. Used request inputs: {_join(used)}, request input: {_join(request)}")


def tensor_parsing(alias: str) -> StatusError:
    """A TensorProto cannot be decoded."""
    return invalid(f"tensor parsing error: {alias}")


def wrong_dtype(index: int, expected: str, received: str) -> StatusError:
    """An input has another dtype than the signature; ``index`` is its place among the sorted feed names."""
    return invalid(f"Expects arg[{index}] to be {expected} but {received} is provided")


def output_not_found(alias: str, outputs: Iterable[str]) -> StatusError:
    """output_filter names an output that the signature does not have."""
    return invalid(
        f"output tensor alias not found in signature: {alias} Outputs expected to be in the set {{{_join(outputs)}}}."
    )


def duplicate_output(alias: str) -> StatusError:
    """output_filter names an output twice."""
    return invalid(f"duplicate output tensor alias: {alias}")


def no_message(alias: str, dtype: str) -> StatusError:
    """An output of a dtype that no message can have."""
    return StatusError(
        grpc.StatusCode.UNIMPLEMENTED,
        f"output tensor {alias} is of type {dtype}, which cannot be sent; name the others in output_filter",
    )


def missing_metadata_field() -> StatusError:
    """GetModelMetadata names no field."""
    return invalid("GetModelMetadataRequest must specify at least one metadata_field")


def unsupported_metadata_field(field: str) -> StatusError:
    """GetModelMetadata names a field other than signature_def."""
    return invalid(f"Metadata field {field} is not supported")


def no_signature(name: str) -> StatusError:
    """Classify or Regress names a signature that the model does not have."""
    return invalid(f"No signature was found with the name: {name}")


def labels_not_ready(label: str) -> StatusError:
    """A label is asked for before the models of the first configuration are loaded."""
    return StatusError(grpc.StatusCode.UNAVAILABLE, f"Model labels does not init yet.{label}")


def shape_text(shape: Iterable[int]) -> str:
    """Returns a shape as TensorFlow writes it: ``[2,3]``."""
    return f"[{','.join(str(size) for size in shape)}]"


def debug_string(message: Any) -> str:
    """Returns a message as protobuf's C++ DebugString writes it."""
    # Imported here: it is for failures only.
    from google.protobuf import text_format

    return text_format.MessageToString(message)


def _join(names: Iterable[str]) -> str:
    return ",".join(sorted(names))
