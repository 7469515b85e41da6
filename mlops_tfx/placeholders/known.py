"""What is known where a placeholder is resolved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops_tfx.errors import NullValueError, ResolutionError, did_you_mean

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Artifact
    from mlops_tfx.channel import BaseChannel

    ArtifactLists = Mapping[str, Sequence[Artifact]]


def _no_channels(channel: BaseChannel[Any]) -> Sequence[Artifact]:
    raise ResolutionError(f"{channel!r} cannot be asked here: no pipeline runs")


@dataclass(frozen=True)
class Known:
    """What is known where a placeholder is resolved. A part that is None is not known there at all.

    Attributes:
        channels: gives the artifacts of a channel.
        inputs: input artifacts of the node by name.
        outputs: its output artifacts.
        exec_properties: its parameters.
        parameters: values of runtime parameters, which are given when a run begins.
        runtime_info: ``executor_spec``, ``platform_config`` and ``pipeline_platform_config``.
        invocation: what ``execution_invocation()`` gives: ``pipeline_run_id`` and so on.
    """

    channels: Callable[[BaseChannel[Any]], Sequence[Artifact]] = _no_channels
    inputs: ArtifactLists | None = None
    outputs: ArtifactLists | None = None
    exec_properties: Mapping[str, Any] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    runtime_info: Mapping[str, Any] | None = None
    invocation: Mapping[str, Any] | None = None

    def part(self, part: str, asked: object) -> Mapping[str, Any]:
        """Returns a part; ResolutionError if it is not known here."""
        found: Mapping[str, Any] | None = getattr(self, part)
        if found is None:
            raise ResolutionError(f"{asked!r}: {part} are not known here")
        return found

    def named(self, part: str, key: str, asked: object) -> Any:
        """Returns one value of a part that must have it; ResolutionError names near ones."""
        found = self.part(part, asked)
        if key not in found:
            raise NullValueError(f"{asked!r} has no value{did_you_mean(key, found)}")
        return found[key]
