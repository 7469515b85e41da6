"""What the fields of an Avro record become in Arrow, and how they are best read.

Logical types are taken off before decoding, so that no Python date is made per value, and put on again in Arrow, whose
types then say how a value becomes a feature (columns.py): one rule for Avro and Parquet. Text is read as bytes, which
is the same on the wire, and checked to be UTF-8 by Arrow.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from mlops_tfx.errors import DataError

_PRIMITIVES = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.large_binary(),
    "string": pa.large_string(),
}
_LOGICAL = {
    ("int", "date"): pa.date32(),
    ("int", "time-millis"): pa.time32("ms"),
    ("long", "time-micros"): pa.time64("us"),
    **{
        ("long", f"{prefix}timestamp-{unit}"): pa.timestamp(short, zone)
        for prefix, zone in (("", "UTC"), ("local-", None))
        for unit, short in (("millis", "ms"), ("micros", "us"), ("nanos", "ns"))
    },
}
_MOST_DIGITS = 76


@dataclass(frozen=True)
class Field:
    """One field of the records.

    Attributes:
        name: its name.
        wire: the Avro schema to read it with.
        type: its Arrow type.
    """

    name: str
    wire: Any
    type: pa.DataType

    @property
    def storage(self) -> pa.DataType:
        """The Arrow type of what is read, before text is checked and logical types are put on."""
        return _storage(self.type)


@dataclass(frozen=True)
class RecordSchema:
    """How the records of a file are read.

    Attributes:
        fields: the fields, in order.
        wire: the Avro schema of one record, parsed.
        block: the Avro schema of an array of records, parsed: a block of a file is one, but for its ends.
    """

    fields: tuple[Field, ...]
    wire: Any
    block: Any

    @property
    def types(self) -> dict[str, pa.DataType]:
        """Arrow type of every field."""
        return {field.name: field.type for field in self.fields}


def record_schema(schema: Any, where: str) -> RecordSchema:
    """Plans how to read records of a schema.

    Args:
        schema: the writer's schema as JSON.
        where: the file, for error messages.

    Raises:
        DataError: the schema is none of Avro, is not one of records, or a field cannot be a feature; names the field.
    """
    from fastavro.schema import SchemaParseException, parse_schema

    named: dict[str, Any] = {}
    try:
        parsed = parse_schema(schema, named_schemas=named)
    except (SchemaParseException, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{where}: the Avro schema is wrong: {type(error).__name__}: {error}") from error
    if not isinstance(parsed, dict) or parsed.get("type") not in ("record", "error"):
        kind = parsed.get("type", parsed) if isinstance(parsed, dict) else parsed
        raise DataError(
            f"{where}: expected an Avro file of records, received type={kind!r}; write records of named fields"
        )
    walk = _Walk(named, where)
    fields = tuple(Field(field["name"], *walk.field(field["type"], field["name"])) for field in parsed["fields"])
    wire = {
        "type": "record",
        "name": "row",
        "fields": [{"name": field.name, "type": field.wire} for field in fields],
    }
    return RecordSchema(fields, parse_schema(wire), parse_schema({"type": "array", "items": wire}))


class _Walk:
    def __init__(self, named: Mapping[str, Any], where: str) -> None:
        self._named = named
        self._where = where
        self._numbers = itertools.count()

    def field(self, schema: Any, path: str) -> tuple[Any, pa.DataType]:
        """The schema to read a field with, and its Arrow type."""
        schema = self._resolve(schema)
        if isinstance(schema, list):
            return self._union(schema, path)
        name = schema["type"]
        if name == "array":
            wire, item = self.field(schema["items"], f"{path}[]")
            if pa.types.is_large_list(item):
                raise self._refused(path, "an array of arrays", "make one list of it, or several columns")
            return {"type": "array", "items": wire}, pa.large_list(item)
        if name in ("record", "error"):
            inner = ", ".join(f"{path}.{field['name']}" for field in schema["fields"][:8])
            raise self._refused(path, f"a record ({inner})", "give each of its fields a column of its own")
        if name == "map":
            raise self._refused(path, "a map", "give each of its keys a column of its own")
        return self._single(schema, name)

    def _single(self, schema: Any, name: str) -> tuple[Any, pa.DataType]:
        logical = schema.get("logicalType")
        if logical == "decimal" and name in ("bytes", "fixed") and 0 < schema.get("precision", 0) <= _MOST_DIGITS:
            return self._renamed(schema, name), _decimal(schema["precision"], schema.get("scale", 0))
        if name == "enum":
            return self._renamed(schema, name), pa.large_string()
        if name == "fixed":
            return {"type": "fixed", "name": self._unique(), "size": schema["size"]}, pa.large_binary()
        wire = "bytes" if name == "string" else name
        return wire, _LOGICAL.get((name, logical), _PRIMITIVES[name])

    def _union(self, branches: list[Any], path: str) -> tuple[Any, pa.DataType]:
        done = [self.field(branch, path) for branch in branches]
        types = list(dict.fromkeys(data_type for _, data_type in done if not pa.types.is_null(data_type)))
        target = _common(types)
        if target is None:
            listing = ", ".join(str(data_type) for data_type in types)
            raise self._refused(path, f"a union of different types ({listing})", "write one type, and null for missing")
        return [wire for wire, _ in done], target

    def _resolve(self, schema: Any) -> Any:
        if isinstance(schema, str):
            return self._named[schema] if schema in self._named else {"type": schema}
        if isinstance(schema, dict) and not isinstance(schema["type"], str):
            return self._resolve(schema["type"])
        if isinstance(schema, dict) and schema["type"] in self._named:
            return self._named[schema["type"]]
        return schema

    def _renamed(self, schema: Any, name: str) -> Any:
        # The same named type may be read in several places, and a name may be defined once only.
        return schema if name == "bytes" else {**schema, "name": self._unique(), "namespace": "", "aliases": []}

    def _unique(self) -> str:
        return f"type{next(self._numbers)}"

    def _refused(self, path: str, what: str, advice: str) -> DataError:
        return DataError(
            f"{self._where}: column {path!r}: expected numbers, booleans, text, bytes, enums, or arrays of these, "
            f"received {what}; {advice}"
        )


def _decimal(precision: int, scale: int) -> pa.DataType:
    return pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)


def _common(types: list[pa.DataType]) -> pa.DataType | None:
    """The type that holds the values of all branches of a union."""
    if len(types) < 2:
        return types[0] if types else pa.null()
    if all(pa.types.is_integer(data_type) for data_type in types):
        return pa.int64()
    if all(pa.types.is_integer(data_type) or pa.types.is_floating(data_type) for data_type in types):
        return pa.float64()
    if set(types) == {pa.large_string(), pa.large_binary()}:
        return pa.large_binary()
    return None


def _storage(data_type: pa.DataType) -> pa.DataType:
    if pa.types.is_large_list(data_type):
        return pa.large_list(_storage(data_type.value_type))
    if pa.types.is_large_string(data_type):
        return pa.large_binary()
    if pa.types.is_date32(data_type) or pa.types.is_time32(data_type):
        return pa.int32()
    if pa.types.is_timestamp(data_type) or pa.types.is_time64(data_type):
        return pa.int64()
    return data_type
