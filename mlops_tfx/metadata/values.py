"""Python values as ML Metadata's property values, and back.

As in TFX, int, float and str are stored as they are; bool, list, tuple and dict as JSON text, with a further property
``__schema__<name>__`` that says so. ML Metadata writes floats with six decimals (1e-7 becomes 0.0) and cannot write NaN
and the infinities at all, so the exact value of such a float goes to a further property ``__float__<name>__``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mlops_tfx.errors import MetadataError

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from ml_metadata.proto import metadata_store_pb2 as pb

    Row = MutableMapping[str, pb.Value]

ERROR_TEXT_LIMIT = 60_000
"""Characters of an error text that are kept."""

# Protocol buffers' JSON names fields either way.
_KINDS = {
    "boolean_type": "bool", "booleanType": "bool",
    "list_type": "list", "listType": "list",
    "dict_type": "dict", "dictType": "dict",
}  # fmt: skip


def schema_key(name: str) -> str:
    """The name of the property that tells the type of a property stored as JSON."""
    return f"__schema__{name}__"


def exact_key(name: str) -> str:
    """The name of the property that holds the exact text of a float."""
    return f"__float__{name}__"


def is_codec_key(name: str) -> bool:
    """Whether a property only helps to read another one."""
    return name.endswith("__") and name.startswith(("__schema__", "__float__"))


def write_value(row: Row, name: str, value: Any) -> None:
    """Sets a custom property; None removes it. Raises MetadataError for a value that cannot be stored."""
    _forget(row, name)
    if value is None:
        return
    if isinstance(value, bool | list | tuple | dict):
        row[name].string_value = clean_text(_to_json(name, value))
        row[schema_key(name)].string_value = json.dumps({"value_type": _value_type(value)})
    elif isinstance(value, int):
        row[name].int_value = _checked_int(name, value)
    elif isinstance(value, float):
        _write_float(row, name, float(value))
    elif isinstance(value, str):
        row[name].string_value = clean_text(value)
    else:
        raise MetadataError(
            f"property {name!r}: expected int, float, str, bool, list, dict or None, "
            f"received {name}={value!r} of type {type(value).__name__}"
        )


def write_artifact_value(row: Row, custom: Row, name: str, value: Any) -> None:
    """Sets a property of an artifact, with what makes a float exact among the custom ones.

    Booleans, JSON values and messages go where TFX puts them: to ``bool_value``, ``struct_value`` and ``proto_value``.
    """
    if isinstance(value, bool):
        row[name].bool_value = value
    elif isinstance(value, dict | list):
        _write_struct(row[name].struct_value, name, value)
    elif hasattr(value, "SerializeToString"):
        row[name].proto_value.Pack(value)
    elif value is None:
        row.pop(name, None)
    elif isinstance(value, float):
        if math.isfinite(value):
            row[name].double_value = value
        elif row is custom:
            row[name].string_value = _float_text(value)
        if not _survives(value):
            custom[exact_key(name)].string_value = _float_text(value)
    elif isinstance(value, int):
        row[name].int_value = _checked_int(name, int(value))
    elif isinstance(value, str):
        row[name].string_value = clean_text(value)
    else:
        raise MetadataError(
            f"property {name!r} of an artifact: expected int, float, str, bool, a JSON value or a message, "
            f"received {name}={value!r} of type {type(value).__name__}"
        )


def read_values(row: Mapping[str, pb.Value], skip: Iterable[str] = ()) -> dict[str, Any]:
    """Returns custom properties as Python values, without the properties that only help to read others."""
    hidden = set(skip)
    names = [name for name in row if name not in hidden and not is_codec_key(name)]
    return {name: _read_value(row, name) for name in sorted(names)}


def read_declared(row: Mapping[str, pb.Value], custom: Mapping[str, pb.Value]) -> dict[str, Any]:
    """Returns declared properties of an artifact as Python values."""
    values = {name: plain_value(row[name]) for name in sorted(row)}
    for name in custom:
        target = name[len("__float__") : -len("__")]
        if name == exact_key(target) and target not in custom:
            values[target] = float(custom[name].string_value)
    return values


def plain_value(value: pb.Value) -> Any:
    """Returns the content of a property value: int, float, str, bool, a JSON value, or the bytes of a protobuf."""
    kind = value.WhichOneof("value")
    if kind == "struct_value":
        return _from_struct(value.struct_value)
    if kind == "proto_value":
        return _from_proto(value.proto_value)
    return getattr(value, kind) if kind else None


def clean_text(text: str) -> str:
    """Returns text that every database takes: no NUL (SQLite cuts text there), no lone surrogates."""
    whole = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return whole.replace("\0", "\\x00")


def shorten(text: str, limit: int = ERROR_TEXT_LIMIT) -> str:
    """Returns text of at most ``limit`` characters: a longer one loses its middle; head and end are kept."""
    if len(text) <= limit:
        return text
    note = f"\n... {len(text) - limit} characters and a little more left out ...\n"
    head = (limit - len(note)) // 2
    return text[:head] + note + text[len(text) - (limit - len(note) - head) :]


def _forget(row: Row, name: str) -> None:
    for key in (name, schema_key(name), exact_key(name)):
        row.pop(key, None)


def _write_struct(struct: Any, name: str, value: Any) -> None:
    from google.protobuf import json_format

    # ML Metadata's struct must be an object: TFX wraps any other value.
    json_format.Parse(_to_json(name, value if isinstance(value, dict) else {"__value__": value}), struct)


def _from_proto(packed: Any) -> Any:
    """The message in an Any, if its type is loaded; else its bytes."""
    from google.protobuf import descriptor_pool, symbol_database

    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(packed.TypeName())
        message = symbol_database.Default().GetSymbol(descriptor.full_name)()
    except KeyError:
        return packed.value
    packed.Unpack(message)
    return message


def _from_struct(struct: Any) -> Any:
    from google.protobuf import json_format

    # TFX wraps a JSON value that is no object, as MLMD's struct must be one.
    value = json_format.MessageToDict(struct)
    return value["__value__"] if set(value) == {"__value__"} else value


def _read_value(row: Mapping[str, pb.Value], name: str) -> Any:
    exact = exact_key(name)
    if exact in row:
        return float(row[exact].string_value)
    value = plain_value(row[name])
    schema = schema_key(name)
    value_type = json.loads(row[schema].string_value).get("value_type", {}) if schema in row else {}
    if isinstance(value, int) and "bool" in {_KINDS.get(kind) for kind in value_type}:
        # TFX stores "true" at first, and 1 when the execution completes.
        return bool(value)
    return _parse(value, value_type)


def _parse(value: Any, value_type: Mapping[str, Any]) -> Any:
    # TFX encodes what is nested once more at every level; we write nested values plainly, which TFX reads too.
    kinds = {_KINDS[kind]: inner for kind, inner in value_type.items() if kind in _KINDS}
    if not kinds or not isinstance(value, str):
        return value
    decoded = json.loads(value)
    if "list" in kinds and isinstance(decoded, list):
        return [_parse_nested(item, kinds["list"]) for item in decoded]
    if "dict" in kinds and isinstance(decoded, dict):
        return {key: _parse_nested(item, kinds["dict"]) for key, item in decoded.items()}
    return decoded


def _parse_nested(value: Any, value_type: Mapping[str, Any]) -> Any:
    nested = {kind: inner for kind, inner in value_type.items() if _KINDS.get(kind) in ("list", "dict")}
    return _parse(value, nested) if nested else value


def _to_json(name: str, value: Any) -> str:
    try:
        return json.dumps(value, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise MetadataError(f"property {name!r}: expected a JSON value, received {name}={value!r}: {error}") from error


def _value_type(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolean_type": {}}
    items = value.values() if isinstance(value, dict) else value
    inner: dict[str, Any] = {"boolean_type": {}} if any(isinstance(item, bool) for item in items) else {}
    return {"dict_type" if isinstance(value, dict) else "list_type": inner}


def _checked_int(name: str, value: int) -> int:
    # Not "in range": for a subclass of int, such as an enum's, that counts through all of them.
    if not -(2**63) <= value < 2**63:
        raise MetadataError(f"property {name!r}: expected a 64-bit integer, received {name}={value!r}")
    return value


def _write_float(row: Row, name: str, value: float) -> None:
    write_artifact_value(row, row, name, value)


def _float_text(value: float) -> str:
    return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(str(value), repr(value))


def _survives(value: float) -> bool:
    # ML Metadata writes "%f" and SQLite reads 15 digits back.
    return math.isfinite(value) and float(f"{float(f'{value:f}'):.15g}") == value
