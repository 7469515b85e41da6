"""Ports: the typed inputs and outputs that a component class declares, once.

``examples: Input[Examples]`` is the whole declaration: the constructor, the type check at wiring, the metadata and the
value inside ``run()`` follow from it. While wiring, reading a port gives its channel; inside ``run()`` it gives the
artifact. Type checkers see the artifact type on both sides (PEP 681: the constructor's parameter has the type that
``__set__`` takes), so ``SchemaGen(statistics=gen.examples)`` is an error before anything runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from mlops_tfx.artifacts import Artifact

if TYPE_CHECKING:
    from typing_extensions import Self

    from mlops_tfx.channel import BaseChannel

A = TypeVar("A", bound=Artifact)


class Port(Generic[A]):
    """What inputs and outputs share: a name and an artifact type, filled in when the component class is made."""

    def __init__(self) -> None:
        self.name = ""
        self.artifact_type: type[Artifact] = Artifact

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def _value(self, instance: Any) -> Any:
        return instance.port_value(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}[{self.artifact_type.TYPE_NAME}]"


class InputPort(Port[A]):
    """What the four kinds of input share."""

    optional = False
    many = False

    def __set__(self, instance: Any, value: Any) -> None:
        instance.set_port(self, value)


class Input(InputPort[A]):
    """Exactly one artifact."""

    @overload
    def __get__(self, instance: None, owner: Any) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: Any) -> A: ...
    def __get__(self, instance: object | None, owner: Any) -> Any:
        return self if instance is None else self._value(instance)

    def __set__(self, instance: Any, value: A | BaseChannel[A]) -> None:
        super().__set__(instance, value)


class OptionalInput(InputPort[A]):
    """One artifact, or None."""

    optional = True

    @overload
    def __get__(self, instance: None, owner: Any) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: Any) -> A | None: ...
    def __get__(self, instance: object | None, owner: Any) -> Any:
        return self if instance is None else self._value(instance)

    def __set__(self, instance: Any, value: A | BaseChannel[A] | None) -> None:
        super().__set__(instance, value)


class Inputs(InputPort[A]):
    """One or more artifacts, as a list."""

    many = True

    @overload
    def __get__(self, instance: None, owner: Any) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: Any) -> list[A]: ...
    def __get__(self, instance: object | None, owner: Any) -> Any:
        return self if instance is None else self._value(instance)

    def __set__(self, instance: Any, value: A | list[A] | BaseChannel[A]) -> None:
        super().__set__(instance, value)


class OptionalInputs(InputPort[A]):
    """Any number of artifacts, as a list that may be empty."""

    optional = True
    many = True

    @overload
    def __get__(self, instance: None, owner: Any) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: Any) -> list[A]: ...
    def __get__(self, instance: object | None, owner: Any) -> Any:
        return self if instance is None else self._value(instance)

    def __set__(self, instance: Any, value: A | list[A] | BaseChannel[A] | None) -> None:
        super().__set__(instance, value)


class Output(Port[A]):
    """One artifact that the component writes."""

    def __init__(self, artifact_type: type[A]) -> None:
        super().__init__()
        self.artifact_type = artifact_type

    @overload
    def __get__(self, instance: None, owner: Any) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: Any) -> A: ...
    def __get__(self, instance: object | None, owner: Any) -> Any:
        return self if instance is None else self._value(instance)
