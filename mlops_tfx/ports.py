"""Ports: the typed inputs and outputs that a component class declares, once.

``examples: Input[Examples]`` is the whole declaration: the constructor, the type check at wiring, the metadata and the
value inside ``run()`` follow from it. While wiring, reading a port gives its channel; inside ``run()`` it gives the
artifact. Type checkers see the artifact type on both sides (PEP 681: the constructor's parameter has the type that
``__set__`` takes), so ``SchemaGen(statistics=gen.examples)`` is an error before anything runs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Artifact, ValueArtifact

if TYPE_CHECKING:
    from typing_extensions import Self

    from mlops_tfx.channel import BaseChannel

A = TypeVar("A", bound=Artifact)

VALUE_FILE = "value"


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
    """One or more artifacts, as a list. Wired to a channel, or to a list of channels of one type (their union)."""

    many = True

    @overload
    def __get__(self, instance: None, owner: Any) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: Any) -> list[A]: ...
    def __get__(self, instance: object | None, owner: Any) -> Any:
        return self if instance is None else self._value(instance)

    def __set__(self, instance: Any, value: A | list[A] | list[BaseChannel[A]] | BaseChannel[A]) -> None:
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

    def __set__(self, instance: Any, value: A | list[A] | list[BaseChannel[A]] | BaseChannel[A] | None) -> None:
        super().__set__(instance, value)


class OutputArtifacts(Sequence[A]):
    """What an `Outputs` port is inside ``run()``: a folder in which the component makes as many artifacts as it needs.

    Attributes:
        uri: the folder.
    """

    def __init__(self, artifact_type: type[A], uri: str) -> None:
        self.uri = uri
        self._artifact_type = artifact_type
        self._artifacts: list[A] = []

    def make(self, count: int) -> list[A]:
        """Makes all artifacts at once: one lies in ``uri`` itself, several in ``{uri}/0`` to ``{uri}/{count - 1}``.

        That is TFX's layout, too.

        Raises:
            ValueError: ``count`` is below one.
            RuntimeError: it was called before.
        """
        if count < 1:
            raise ValueError(f"expected to make at least one artifact, received count={count}")
        if self._artifacts:
            raise RuntimeError(f"make() was called before and made {len(self._artifacts)} artifacts; call it once")
        folders = [self.uri] if count == 1 else [os.path.join(self.uri, str(index)) for index in range(count)]
        self._artifacts = [new_artifact(self._artifact_type, folder) for folder in folders]
        return list(self._artifacts)

    def keep(self, artifacts: Sequence[A]) -> None:
        """Takes artifacts that were made elsewhere, by an executor written for TFX; they lie in ``uri``."""
        self._artifacts = list(artifacts)

    @overload
    def __getitem__(self, index: int) -> A: ...
    @overload
    def __getitem__(self, index: slice) -> list[A]: ...
    def __getitem__(self, index: int | slice) -> A | list[A]:
        return self._artifacts[index]

    def __len__(self) -> int:
        return len(self._artifacts)


def new_artifact(artifact_type: type[A], folder: str) -> A:
    """Makes a folder and an artifact in it; a value artifact is a file in the folder."""
    filesystem.makedirs(folder)
    is_value = issubclass(artifact_type, ValueArtifact)
    return artifact_type(os.path.join(folder, VALUE_FILE) if is_value else folder)


class OutputPort(Port[A]):
    """What the two kinds of output share."""

    def __init__(self, artifact_type: type[A]) -> None:
        super().__init__()
        self.artifact_type = artifact_type

    def prepare(self, folder: str) -> A | OutputArtifacts[A]:
        """What ``run()`` sees: an artifact, or a place for many, in a folder that is made."""
        raise NotImplementedError


class Output(OutputPort[A]):
    """One artifact that the component writes."""

    def prepare(self, folder: str) -> A:
        return new_artifact(cast("type[A]", self.artifact_type), folder)

    @overload
    def __get__(self, instance: None, owner: Any) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: Any) -> A: ...
    def __get__(self, instance: object | None, owner: Any) -> Any:
        return self if instance is None else self._value(instance)


class Outputs(OutputPort[A]):
    """One or more artifacts that the component writes; inside ``run()`` it says how many: ``self.name.make(3)``."""

    def prepare(self, folder: str) -> OutputArtifacts[A]:
        filesystem.makedirs(folder)
        return OutputArtifacts(cast("type[A]", self.artifact_type), folder)

    @overload
    def __get__(self, instance: None, owner: Any) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: Any) -> OutputArtifacts[A]: ...
    def __get__(self, instance: object | None, owner: Any) -> Any:
        return self if instance is None else self._value(instance)


def artifacts_of(outputs: Mapping[str, Artifact | OutputArtifacts[Any]]) -> dict[str, list[Artifact]]:
    """The artifacts of every output after ``run()``.

    Raises:
        RuntimeError: an output of many artifacts has none.
    """
    found = {key: [value] if isinstance(value, Artifact) else list(value) for key, value in outputs.items()}
    for key, artifacts in found.items():
        if not artifacts:
            raise RuntimeError(f"output {key!r}: expected at least one artifact, run() made none; call make(count)")
    return found
