"""What an Artifact has because TFX's has it: typed custom properties, system properties, ML Metadata's messages."""

from __future__ import annotations

import builtins
import copy
import json
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from mlops_tfx.errors import ArtifactError

if TYPE_CHECKING:
    from typing_extensions import Self


class ArtifactAccess:
    """Accessors under TFX's names. A property that is not there reads as 0, 0.0, False, "" or None.

    Attributes:
        id: the id in the metadata store.
        properties: values of declared properties.
        custom_properties: further values.
    """

    TYPE_NAME: ClassVar[str] = ""
    id: int
    properties: dict[str, Any]
    custom_properties: dict[str, Any]

    def set_string_custom_property(self, key: str, value: str) -> None:
        """Sets a custom property."""
        self.custom_properties[key] = str(value)

    def set_int_custom_property(self, key: str, value: int) -> None:
        """Sets a custom property."""
        self.custom_properties[key] = int(value)

    def set_float_custom_property(self, key: str, value: float) -> None:
        """Sets a custom property."""
        self.custom_properties[key] = float(value)

    def set_bool_custom_property(self, key: str, value: bool) -> None:
        """Sets a custom property."""
        self.custom_properties[key] = bool(value)

    def set_json_value_custom_property(self, key: str, value: Any) -> None:
        """Sets a custom property to a JSON value. Raises TypeError for one that is none."""
        json.dumps(value)
        self.custom_properties[key] = value

    def set_proto_custom_property(self, key: str, value: Any) -> None:
        """Sets a custom property to a protobuf message."""
        self.custom_properties[key] = value

    def get_string_custom_property(self, key: str) -> str:
        """Returns a custom property."""
        value = self.custom_properties.get(key)
        return value if isinstance(value, str) else ""

    def get_int_custom_property(self, key: str) -> int:
        """Returns a custom property."""
        value = self.custom_properties.get(key)
        return int(value) if isinstance(value, int | float) else 0

    def get_float_custom_property(self, key: str) -> float:
        """Returns a custom property."""
        value = self.custom_properties.get(key)
        return float(value) if isinstance(value, int | float) else 0.0

    def get_bool_custom_property(self, key: str) -> bool:
        """Returns a custom property."""
        value = self.custom_properties.get(key)
        return bool(value) if isinstance(value, int | float) else False

    def get_json_value_custom_property(self, key: str) -> Any:
        """Returns a custom property."""
        return self.custom_properties.get(key)

    def get_proto_custom_property(self, key: str) -> Any:
        """Returns a custom property."""
        return self.custom_properties.get(key)

    def get_custom_property(self, key: str) -> Any:
        """Returns a custom property of whatever type; None if it is not there."""
        return self.custom_properties.get(key)

    def has_property(self, key: str) -> bool:
        """Whether a declared property has a value."""
        return key in self.properties

    def has_custom_property(self, key: str) -> bool:
        """Whether there is a custom property."""
        return key in self.custom_properties

    def copy_from(self, other: Self) -> None:
        """Takes over uri, properties and custom properties. Raises ArtifactError for an artifact of another type."""
        if type(self) is not type(other):
            raise ArtifactError(f"expected an artifact of type {self.TYPE_NAME}, received {other!r}")
        self.uri = other.recorded_uri  # type: ignore[attr-defined]  # of Artifact
        self.properties = copy.deepcopy(other.properties)
        self.custom_properties = copy.deepcopy(other.custom_properties)

    @property
    def name(self) -> str:
        """The custom property of this name."""
        return self.get_string_custom_property("name")

    @name.setter
    def name(self, name: str) -> None:
        self.set_string_custom_property("name", name)

    @property
    def pipeline_name(self) -> str:
        """The custom property of this name."""
        return self.get_string_custom_property("pipeline_name")

    @pipeline_name.setter
    def pipeline_name(self, pipeline_name: str) -> None:
        self.set_string_custom_property("pipeline_name", pipeline_name)

    @property
    def producer_component(self) -> str:
        """The custom property of this name."""
        return self.get_string_custom_property("producer_component")

    @producer_component.setter
    def producer_component(self, producer_component: str) -> None:
        self.set_string_custom_property("producer_component", producer_component)

    @property
    def is_external(self) -> bool:
        """Whether it came from outside, by an Importer."""
        return self.get_int_custom_property("is_external") == 1

    @is_external.setter
    def is_external(self, is_external: bool) -> None:
        self.set_int_custom_property("is_external", is_external)

    @property
    def external_id(self) -> str:
        """ML Metadata's external id; there is none."""
        return ""

    @property
    def type_name(self) -> str:
        """Name of the type."""
        return self.TYPE_NAME

    @property
    def type_id(self) -> int:
        """Id of the type in the metadata store; 0, for the store alone knows it."""
        return 0

    @property
    def artifact_type(self) -> TypeView:
        """The type as ML Metadata has it, of which the name can be read."""
        return TypeView(self.TYPE_NAME)

    @property
    def mlmd_artifact(self) -> ArtifactView:
        """The artifact as ML Metadata has it: fields and properties that can be read and set."""
        return ArtifactView(self)

    @property
    def type(self) -> builtins.type[Any]:
        """The class."""
        return builtins.type(self)


@dataclass(frozen=True)
class TypeView:
    """An ArtifactType of ML Metadata, as far as it is known.

    Attributes:
        name: of the type.
        id: in the store; 0.
    """

    name: str
    id: int = 0


class ArtifactView:
    """An Artifact of ML Metadata: what is set here is set in our artifact.

    Args:
        artifact: ours.
    """

    def __init__(self, artifact: Any) -> None:
        self._artifact = artifact
        self.properties = ValuesView(artifact.properties)
        self.custom_properties = ValuesView(artifact.custom_properties)

    @property
    def id(self) -> int:
        """The id in the metadata store."""
        return int(self._artifact.id)

    @property
    def uri(self) -> str:
        """Where the payload lies."""
        return str(self._artifact.uri)

    @uri.setter
    def uri(self, uri: str) -> None:
        self._artifact.uri = uri

    @property
    def name(self) -> str:
        """The name."""
        return str(self._artifact.name)

    @property
    def type(self) -> str:
        """Name of the type."""
        return str(self._artifact.TYPE_NAME)


class ValuesView(MutableMapping[str, "ValueView"]):
    """Properties as ML Metadata has them: ``properties["span"].int_value``, to be read and set.

    Args:
        values: ours, by name.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def __getitem__(self, key: str) -> ValueView:
        return ValueView(self._values, key)

    def __setitem__(self, key: str, value: ValueView) -> None:
        self._values[key] = value.value

    def __delitem__(self, key: str) -> None:
        del self._values[key]

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class ValueView:
    """One property as ML Metadata has it.

    Args:
        values: all, by name.
        key: of this one.
    """

    _TYPES = {"int_value": int, "double_value": float, "string_value": str, "bool_value": bool}  # noqa: RUF012

    def __init__(self, values: dict[str, Any], key: str) -> None:
        self.__dict__.update(_values=values, _key=key)

    @property
    def value(self) -> Any:
        """The value, of whatever type; None if there is none."""
        return self._values.get(self._key)

    def HasField(self, field: str) -> bool:
        """Whether the value is in this field."""
        return type(self.value) is self._TYPES.get(field)

    def WhichOneof(self, oneof: str) -> str | None:
        """The field that the value is in."""
        return next((field for field in self._TYPES if self.HasField(field)), None)

    def __getattr__(self, name: str) -> Any:
        if name not in self._TYPES:
            raise AttributeError(f"a property has no field {name!r}; expected one of {', '.join(self._TYPES)}")
        return self.value if self.HasField(name) else self._TYPES[name]()

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._TYPES:
            raise AttributeError(f"a property has no field {name!r}; expected one of {', '.join(self._TYPES)}")
        self._values[self._key] = self._TYPES[name](value)
