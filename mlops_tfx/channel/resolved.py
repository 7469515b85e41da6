"""Channels whose artifacts a resolver function chooses among those of other channels, when the pipeline runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from mlops_tfx.artifacts import Artifact
from mlops_tfx.channel.base import A, ArtifactSource, BaseChannel
from mlops_tfx.errors import ResolutionError, did_you_mean

if TYPE_CHECKING:
    from mlops_tfx.node import Node

Elements = list[dict[str, list[Artifact]]]


class Invocation:
    """A call of a function on lists of artifacts, put off until the artifacts are there.

    Args:
        name: of the function, for messages.
        function: gets, beside the history, every channel as the list of its artifacts, and every dict of channels as a
            dict of lists.
        arguments: positional arguments.
        options: keyword arguments.
        loop_key: the function returns a list of windows; in a loop, each window is the only entry of a dict.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        arguments: Sequence[Any],
        options: Mapping[str, Any],
        loop_key: str | None = None,
    ) -> None:
        self.name = name
        self._function = function
        self._arguments = tuple(arguments)
        self._options = dict(options)
        self._loop_key = loop_key

    def channels(self) -> Iterator[BaseChannel[Any]]:
        """The channels it chooses from."""
        for value in (*self._arguments, *self._options.values()):
            yield from value.values() if _is_dict_of_channels(value) else [value] * isinstance(value, BaseChannel)

    def result(self, source: ArtifactSource) -> Any:
        """Calls the function: a list of artifacts, a dict of lists, or a list of such dicts (or of lists)."""
        arguments = [_found(value, source) for value in self._arguments]
        options = {name: _found(value, source) for name, value in self._options.items()}
        return self._function(source.history, *arguments, **options)

    def elements(self, source: ArtifactSource) -> Elements:
        """Returns what a loop goes over: dicts of lists of artifacts.

        Raises:
            ResolutionError: the function returned something else.
        """
        result = self.result(source)
        if self._loop_key is not None and isinstance(result, list):
            result = [{self._loop_key: window} for window in result]
        if not isinstance(result, list) or not all(isinstance(element, Mapping) for element in result):
            raise ResolutionError(
                f"{self!r}: a loop needs a list of dicts of artifacts, received {result!r}; a single list of artifacts "
                "is an input as it is"
            )
        return [{key: list(found) for key, found in element.items()} for element in result]

    @property
    def loop_key(self) -> str | None:
        """The only key of the dicts of a loop; None where there may be several."""
        return self._loop_key

    def __repr__(self) -> str:
        parts = [repr(value) for value in self._arguments]
        parts.extend(f"{name}={value!r}" for name, value in self._options.items())
        return f"{self.name}({', '.join(parts)})"


def _is_dict_of_channels(value: Any) -> bool:
    return isinstance(value, Mapping) and any(isinstance(item, BaseChannel) for item in value.values())


def _found(value: Any, source: ArtifactSource) -> Any:
    if isinstance(value, BaseChannel):
        return value.find(source)
    if _is_dict_of_channels(value):
        return {key: _found(item, source) for key, item in value.items()}
    return value


class ResolvedChannel(BaseChannel[A]):
    """What a resolver function chose: its list, or the list of one key of its dict.

    ``chosen["key"]`` is the channel of one key; ``ForEach(chosen)`` goes over windows or pairs.
    """

    def __init__(
        self, type: type[A], invocation: Invocation, types: Mapping[str, type[Artifact]], key: str | None = None
    ) -> None:
        super().__init__(type)
        self.invocation = invocation
        self.types = dict(types)
        self.output_key = key

    def __getitem__(self, key: str) -> ResolvedChannel[Any]:
        if self.output_key is not None or key not in self.types:
            hint = did_you_mean(key, self.types) if self.output_key is None else ""
            raise KeyError(f"{self!r} has no {key!r}{hint}")
        return ResolvedChannel(self.types[key], self.invocation, {}, key)

    def keys(self) -> list[str]:
        """The keys of the dict that the function gives, where it gives one."""
        return list(self.types)

    def producers(self) -> Iterator[Node]:
        for channel in self.invocation.channels():
            yield from channel.producers()

    def find(self, source: ArtifactSource) -> list[A]:
        result = self.invocation.result(source)
        if self.output_key is not None and isinstance(result, Mapping):
            result = result.get(self.output_key, [])
        if not isinstance(result, list | tuple) or not all(isinstance(item, Artifact) for item in result):
            raise ResolutionError(
                f"{self!r}: expected a list of artifacts, received {result!r}; a function that gives a dict is used by "
                "its keys, one that gives windows or pairs by ForEach"
            )
        return cast("list[A]", list(result))

    def to_dict(self) -> dict[str, Any]:
        return {"type": self.type_name, "function": repr(self)}

    def __repr__(self) -> str:
        return repr(self.invocation) + (f"[{self.output_key!r}]" if self.output_key is not None else "")
