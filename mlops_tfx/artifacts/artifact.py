"""Artifacts: what nodes hand to each other. A type, a place (``uri``) and properties."""

from __future__ import annotations

import copy
import enum
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from mlops_tfx import filesystem
from mlops_tfx.artifacts.access import ArtifactAccess
from mlops_tfx.artifacts.properties import Property, PropertyValue, check_value, unset_value
from mlops_tfx.errors import ArtifactError, did_you_mean
from mlops_tfx.system_types import SystemArtifact, base_type_name

if TYPE_CHECKING:
    from typing_extensions import Self

CONTENT_DIGEST = "content_digest"
"""The custom property with the digest of an artifact's payload."""


class ArtifactState(enum.IntEnum):
    """The states of ML Metadata's Artifact."""

    UNKNOWN = 0
    PENDING = 1
    LIVE = 2
    MARKED_FOR_DELETION = 3
    DELETED = 4
    ABANDONED = 5
    REFERENCE = 6


class Artifact(ArtifactAccess):
    """Something a node made: a folder or file at ``uri``, with properties.

    Subclass it for a type of your own and set ``TYPE_NAME``; ``PROPERTIES`` declares typed properties, which read and
    write as attributes (``examples.span``). Everything else goes to ``custom_properties``.

    Attributes:
        uri: where the payload lies. While a component runs, a payload on an object store is copied here when ``uri`` is
            first read, and ``uri`` is the path of the copy.
        id: the id in the metadata store; 0 before it is published.
        properties: values of declared properties.
        custom_properties: further values (int, float or str).
    """

    TYPE_NAME: ClassVar[str] = "Artifact"
    BASE_TYPE: ClassVar[str | None] = None
    TYPE_ANNOTATION: ClassVar[type[SystemArtifact] | None] = None
    PROPERTIES: ClassVar[Mapping[str, Property]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "TYPE_NAME" not in cls.__dict__:
            cls.TYPE_NAME = cls.__name__
        if "TYPE_ANNOTATION" in cls.__dict__:
            cls.BASE_TYPE = base_type_name(cls.TYPE_ANNOTATION)

    def __init__(
        self,
        uri: str = "",
        *,
        id: int = 0,
        properties: Mapping[str, PropertyValue] | None = None,
        custom_properties: Mapping[str, PropertyValue] | None = None,
        state: ArtifactState = ArtifactState.UNKNOWN,
    ) -> None:
        self._recorded_uri = uri
        self._copy: filesystem.LocalCopy | None = None
        self.id = id
        self.state = state
        self.properties: dict[str, PropertyValue] = {}
        self.custom_properties: dict[str, PropertyValue] = dict(custom_properties or {})
        for name, value in (properties or {}).items():
            self.set_property(name, value)

    @property
    def uri(self) -> str:
        """Where the payload lies; see the class."""
        return self.local_uri() if self._copy is not None else self._recorded_uri

    @uri.setter
    def uri(self, uri: str) -> None:
        self._recorded_uri, self._copy = uri, None

    @property
    def recorded_uri(self) -> str:
        """Where the payload lies for everybody: what the metadata store has. Reading it copies nothing."""
        return self._recorded_uri

    def local_uri(self, part: str = ".") -> str:
        """Returns the place of a part (a relative path) of the payload, after copying that part here if need be."""
        if self._copy is not None:
            return self._copy.path(part)
        return self._recorded_uri if part == "." else filesystem.join(self._recorded_uri, part)

    def readable_uri(self, part: str = ".") -> str:
        """Returns where a part of the payload can be streamed from (``filesystem.open``); copies nothing."""
        if self._copy is not None:
            return self._copy.readable(part)
        return self._recorded_uri if part == "." else filesystem.join(self._recorded_uri, part)

    def on_this_machine(self, *, streamed: bool = False) -> Self:
        """Returns a copy of a remote artifact whose ``uri`` is a local path; a local artifact as it is.

        ``streamed``: ``readable_uri`` answers with places that other machines can read, too. `release` ends its use.
        """
        if filesystem.is_local(self._recorded_uri):
            return self
        version = self.custom_properties.get(CONTENT_DIGEST) or filesystem.digest(self._recorded_uri)
        near = copy.copy(self)
        near.properties, near.custom_properties = dict(self.properties), dict(self.custom_properties)
        near.__dict__["_copy"] = filesystem.LocalCopy(self._recorded_uri, str(version), streamed=streamed)
        return near

    def release(self) -> None:
        """Lets the local copy be removed when room is needed."""
        if self._copy is not None:
            self._copy.close()

    def set_property(self, name: str, value: PropertyValue) -> None:
        """Sets a declared property. Raises ArtifactError for an undeclared name or a value of another type."""
        declared = self.PROPERTIES.get(name)
        if declared is None:
            hint = did_you_mean(name, self.PROPERTIES)
            raise ArtifactError(f"{self.TYPE_NAME} has no declared property {name!r}{hint}")
        check_value(self.TYPE_NAME, name, declared.type, value)
        self.properties[name] = value

    def __getattr__(self, name: str) -> Any:
        # Only called when normal lookup fails, so a declared property never hides a real attribute.
        declared = type(self).PROPERTIES.get(name)
        if declared is None or name.startswith("__"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return self.__dict__.get("properties", {}).get(name, unset_value(declared.type))

    def __setattr__(self, name: str, value: Any) -> None:
        if name in type(self).PROPERTIES and not isinstance(getattr(type(self), name, None), property):
            self.set_property(name, value)
        elif name.startswith("_") or name in self.__dict__ or hasattr(type(self), name) or not self._is_made():
            super().__setattr__(name, value)
        else:
            hint = did_you_mean(name, type(self).PROPERTIES)
            raise AttributeError(f"{self.TYPE_NAME} has no attribute {name!r} that could be set{hint}")

    def _is_made(self) -> bool:
        return "custom_properties" in self.__dict__

    def __repr__(self) -> str:
        return f"{self.TYPE_NAME}(id={self.id}, uri={self._recorded_uri!r})"
