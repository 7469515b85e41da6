"""Schemas, statistics and anomalies as files, in TFX's formats, with errors that name file, line and reason."""

from __future__ import annotations

import re
from typing import Any, TypeVar

from mlops_tfx import filesystem
from mlops_tfx.errors import DataError, did_you_mean

SCHEMA_FILE = "schema.pbtxt"
STATISTICS_FILE = "FeatureStats.pb"
ANOMALIES_FILE = "SchemaDiff.pb"

_Message = TypeVar("_Message")


def read_schema(path: str) -> Any:
    """Reads a tensorflow_metadata Schema in text format (``schema.pbtxt``).

    Raises:
        DataError: the file is missing, or does not parse; names file, line and reason.
    """
    from tensorflow_metadata.proto.v0 import schema_pb2

    return read_text(path, schema_pb2.Schema())


def write_schema(path: str, schema: Any) -> None:
    """Writes a Schema in text format, making its folder."""
    from google.protobuf import text_format

    filesystem.write_bytes(path, text_format.MessageToString(schema, as_utf8=True).encode())


def read_statistics(path: str) -> Any:
    """Reads a DatasetFeatureStatisticsList (``FeatureStats.pb``). Raises DataError if missing or not parseable."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    return read_binary(path, statistics_pb2.DatasetFeatureStatisticsList())


def write_statistics(path: str, statistics: Any) -> None:
    """Writes a DatasetFeatureStatisticsList, making its folder."""
    write_binary(path, statistics)


def read_anomalies(path: str) -> Any:
    """Reads Anomalies (``SchemaDiff.pb``). Raises DataError if missing or not parseable."""
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    return read_binary(path, anomalies_pb2.Anomalies())


def write_anomalies(path: str, anomalies: Any) -> None:
    """Writes Anomalies, making the folder."""
    write_binary(path, anomalies)


def read_text(path: str, message: _Message) -> _Message:
    """Parses a text-format proto file into ``message``. Raises DataError as `read_schema` does."""
    from google.protobuf import text_format

    name = _name(message)
    data = _read(path, name)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: expected {name} as text, received byte 0x{data[error.start]:02x}, which is not UTF-8"
        ) from error
    try:
        text_format.Parse(text, message)  # type: ignore[type-var]  # any message
    except text_format.ParseError as error:
        raise DataError(_explain(path, message, name, error)) from error
    return message


def _explain(path: str, message: Any, name: str, error: Any) -> str:
    where = f"{path}, line {error.GetLine()}" if error.GetLine() else path
    if error.GetColumn():
        where += f", column {error.GetColumn()}"
    reason = re.sub(r"^[\d:]+ ?: ", "", str(error))
    unknown = re.search(r'has no field named "([^"]+)"', reason)
    hint = did_you_mean(unknown.group(1), _field_names(message.DESCRIPTOR)) if unknown else ""
    return f"{where}: expected {name} in protobuf text format; {reason}{hint}"


def _field_names(descriptor: Any) -> set[str]:
    names, waiting, seen = set(), [descriptor], set()
    while waiting:
        current = waiting.pop()
        if current.full_name not in seen:
            seen.add(current.full_name)
            names |= {field.name for field in current.fields}
            waiting += [field.message_type for field in current.fields if field.message_type is not None]
    return names


def read_binary(path: str, message: _Message) -> _Message:
    """Parses a binary proto file into ``message``. Raises DataError if missing or not parseable."""
    from google.protobuf.message import DecodeError

    name = _name(message)
    try:
        message.ParseFromString(_read(path, name))  # type: ignore[attr-defined]  # any message
    except DecodeError as error:
        raise DataError(f"{path}: expected {name} in binary form, received something else: {error}") from error
    return message


def write_binary(path: str, message: Any) -> None:
    """Writes a message so that equal messages give equal bytes, making its folder."""
    filesystem.write_bytes(path, message.SerializeToString(deterministic=True))


def _read(path: str, name: str) -> bytes:
    if not filesystem.exists(path):
        raise DataError(f"expected {name} in file {path!r}, received a path with no such file; check the path")
    if filesystem.isdir(path):
        raise DataError(f"expected {name} in a file, received path={path!r}, which is a folder; name the file in it")
    return filesystem.read_bytes(path)


def _name(message: Any) -> str:
    name: str = message.DESCRIPTOR.name
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
