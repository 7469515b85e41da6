"""BaseChannel: a promise of artifacts of one type."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from mlops_tfx.artifacts import Artifact
from mlops_tfx.errors import ConfigError
from mlops_tfx.placeholders import FutureArtifacts

if TYPE_CHECKING:
    from typing_extensions import Self

    from mlops_tfx.node import Node
    from mlops_tfx.scope import Scope

A = TypeVar("A", bound=Artifact)


class ArtifactSource(Protocol):
    """What a run can tell a channel: what its nodes have put out so far, and what earlier runs have."""

    def produced(self, node_id: str, output_key: str) -> Sequence[Artifact]:
        """What a node of this run has put out; nothing if it has not ended, or was skipped."""
        ...

    def published(
        self,
        artifact_type: type[Artifact],
        *,
        pipeline_name: str | None = None,
        run_id: str | None = None,
        producer: str | None = None,
        output_key: str | None = None,
    ) -> Sequence[Artifact]:
        """The LIVE artifacts of a type that a pipeline (this one for None) put out in any run, newest first."""
        ...

    def element(self, loop: Scope, key: str) -> Sequence[Artifact]:
        """What a loop is at, under one of the names in its elements; nothing outside of its block."""
        ...

    def pipeline_input(self, key: str) -> Sequence[Artifact]:
        """An input of the pipeline, where it is one within a pipeline."""
        ...

    @property
    def history(self) -> Any:
        """The metadata store, for resolver functions and strategies."""
        ...


class BaseChannel(Generic[A]):
    """A promise of artifacts of one type.

    Attributes:
        type: the artifact class.
        is_optional: the node that takes it runs without any artifact, too.
        input_trigger: when a new artifact starts a run of an asynchronous pipeline: None always, () never, names only
            where one of these properties is new. Here every run is started by hand; it is only kept for export.
    """

    def __init__(self, type: type[A], is_optional: bool | None = None) -> None:
        self.type = type
        self.is_optional = bool(is_optional)
        self.input_trigger: tuple[str, ...] | None = None
        self._artifacts: list[A] | None = None

    @property
    def type_name(self) -> str:
        """The TYPE_NAME of the promised artifacts."""
        return self.type.TYPE_NAME

    def sources(self) -> Sequence[BaseChannel[A]]:
        """The channels this one draws from: itself, or the members of a union."""
        return (self,)

    def producers(self) -> Iterator[Node]:
        """The nodes of this pipeline that must run before the channel has artifacts."""
        return iter(())

    def find(self, source: ArtifactSource) -> list[A]:
        """Returns the artifacts, when the node that takes them is about to run.

        Raises:
            SkipSignal: that node is not to run.
            ResolutionError: there should be artifacts, and are none.
        """
        raise NotImplementedError(f"{type(self).__name__} must define find()")

    def to_dict(self) -> dict[str, Any]:
        """Returns the definition as plain data."""
        raise ConfigError(f"a channel of class {type(self).__name__} cannot be exported")

    def future(self) -> FutureArtifacts:
        """The artifacts that will be here, for conditions and parameters: ``channel.future()[0].value``."""
        return FutureArtifacts(self)

    def as_optional(self) -> Self:
        """The same channel for a node that is to run without any artifact, too: its input is None, or empty, then."""
        optional = copy.copy(self)
        optional.is_optional = True
        return optional

    def no_trigger(self) -> Self:
        """The same channel; in an asynchronous pipeline, new artifacts would not start a run. Here nothing differs."""
        return self._with_trigger(())

    def trigger_by_property(self, *property_keys: str) -> Self:
        """The same channel; in an asynchronous pipeline, only artifacts with new values of these would start a run.

        Raises:
            ConfigError: no name is given.
        """
        if not property_keys:
            raise ConfigError("trigger_by_property: expected names of properties, received none")
        return self._with_trigger(property_keys)

    def _with_trigger(self, trigger: tuple[str, ...]) -> Self:
        triggered = copy.copy(self)
        triggered.input_trigger = trigger
        return triggered

    def set_artifacts(self, artifacts: Iterable[A]) -> Self:
        """Says which artifacts there are, as a notebook does after a node has run, and returns the channel.

        Raises:
            ConfigError: one is of another type.
        """
        found = list(artifacts)
        wrong = [artifact for artifact in found if not isinstance(artifact, self.type)]
        if wrong:
            raise ConfigError(f"{self!r}: expected artifacts of type {self.type_name}, received {wrong!r}")
        self._artifacts = found
        return self

    def get(self) -> list[A]:
        """The artifacts that ``set_artifacts`` named; none before."""
        return list(self._artifacts or ())
