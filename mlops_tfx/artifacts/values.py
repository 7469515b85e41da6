"""Artifacts that are a single value in one file."""

from __future__ import annotations

import json
from typing import Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts.artifact import Artifact
from mlops_tfx.errors import ArtifactError
from mlops_tfx.system_types import SystemArtifact


class ValueArtifact(Artifact):
    """A single value in one file at ``uri``. ``None`` is an empty file and ``__is_null__`` = 1."""

    _value: Any = None
    _has_value: bool = False

    @classmethod
    def annotate_as(cls, type_annotation: type[SystemArtifact] | None = None) -> Any:
        """Returns a subclass with a base type in the store, such as ``String_Model``; the class itself for None.

        Raises:
            TypeError: the annotation is no class of ``standard_annotations`` for artifacts.
        """
        if type_annotation is None:
            return cls
        if not (isinstance(type_annotation, type) and issubclass(type_annotation, SystemArtifact)):
            raise TypeError(
                "expected a class of standard_annotations for artifacts, such as Model, "
                f"received type_annotation={type_annotation!r}"
            )
        names = {
            "TYPE_NAME": f"{cls.TYPE_NAME}_{type_annotation.__name__}",
            "TYPE_ANNOTATION": type_annotation,
            "__module__": cls.__module__,
        }
        return type(f"{cls.__name__}_{type_annotation.__name__}", (cls,), names)

    @property
    def value(self) -> Any:
        """The value; read from the file at the first use."""
        return self._value if self._has_value else self.read()

    @value.setter
    def value(self, value: Any) -> None:
        self.write(value)

    def read(self) -> Any:
        """Reads the value from the file. Raises ArtifactError if it cannot be decoded."""
        data = filesystem.read_bytes(self.uri)
        if self.custom_properties.get("__is_null__") == 1:
            value = None
        else:
            try:
                value = self.decode(data)
            except ValueError as error:
                raise ArtifactError(f"{self.TYPE_NAME} at {self.recorded_uri!r} cannot be decoded: {error}") from error
        self._value, self._has_value = value, True
        return value

    def write(self, value: Any) -> None:
        """Writes the value to the file. Raises ArtifactError for a value of another type."""
        self.custom_properties["__is_null__"] = 1 if value is None else 0
        filesystem.write_bytes(self.uri, b"" if value is None else self.encode(value))
        self._value, self._has_value = value, True

    def encode(self, value: Any) -> bytes:
        """Value to bytes; every subclass defines its own."""
        raise NotImplementedError(f"{type(self).__name__} must define encode()")

    def decode(self, data: bytes) -> Any:
        """Bytes to value; every subclass defines its own."""
        raise NotImplementedError(f"{type(self).__name__} must define decode()")

    def _expect(self, value: Any, *types: type) -> None:
        wrong_bool = isinstance(value, bool) and bool not in types
        if wrong_bool or not isinstance(value, types):
            expected = " or ".join(t.__name__ for t in types)
            raise ArtifactError(f"{self.TYPE_NAME}: expected {expected}, received value={value!r}")


class Bytes(ValueArtifact):
    """Raw bytes."""

    def encode(self, value: Any) -> bytes:
        self._expect(value, bytes)
        return bytes(value)

    def decode(self, data: bytes) -> bytes:
        return data


class String(ValueArtifact):
    """Text, UTF-8."""

    def encode(self, value: Any) -> bytes:
        self._expect(value, str)
        return str(value).encode("utf-8")

    def decode(self, data: bytes) -> str:
        return data.decode("utf-8")


class Boolean(ValueArtifact):
    """``1`` or ``0``."""

    def encode(self, value: Any) -> bytes:
        self._expect(value, bool)
        return b"1" if value else b"0"

    def decode(self, data: bytes) -> bool:
        if data.strip() not in (b"0", b"1"):
            raise ValueError(f"expected 0 or 1, received {data!r}")
        return data.strip() == b"1"


class Integer(ValueArtifact):
    """A decimal integer."""

    def encode(self, value: Any) -> bytes:
        self._expect(value, int)
        return str(value).encode()

    def decode(self, data: bytes) -> int:
        return int(data)


class Float(ValueArtifact):
    """A float as text; ``Infinity``, ``-Infinity`` and ``NaN`` as in TFX."""

    def encode(self, value: Any) -> bytes:
        self._expect(value, float, int)
        text = str(float(value))
        return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(text, text).encode()

    def decode(self, data: bytes) -> float:
        return float(data)


class JsonValue(ValueArtifact):
    """Anything that JSON can express."""

    def encode(self, value: Any) -> bytes:
        try:
            return json.dumps(value, sort_keys=True).encode()
        except TypeError as error:
            raise ArtifactError(f"JsonValue: expected a JSON value, received value={value!r}: {error}") from error

    def decode(self, data: bytes) -> Any:
        return json.loads(data)
