"""Channels whose artifacts a resolver function chooses among those of other channels, when the pipeline runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from mlops_tfx.artifacts import Artifact
from mlops_tfx.channel.base import A, ArtifactSource, BaseChannel
from mlops_tfx.channel.loopable import Element, Loopable
from mlops_tfx.errors import ResolutionError, did_you_mean

if TYPE_CHECKING:
    from mlops_tfx.node import Node


class Invocation:
    """A call of a function on lists of artifacts, put off until the artifacts are there.

    Args:
        name: of the function, for messages.
        function: gets, after the history, every channel as the list of its artifacts, and every dict of channels as a
            dict of lists.
        arguments: positional arguments.
        options: keyword arguments.
    """

    def __init__(
        self, name: str, function: Callable[..., Any], arguments: Sequence[Any], options: Mapping[str, Any]
    ) -> None:
        self._name = name
        self._function = function
        self._arguments = tuple(arguments)
        self._options = dict(options)

    def channels(self) -> Iterator[BaseChannel[Any]]:
        """The channels it chooses from."""
        for value in (*self._arguments, *self._options.values()):
            if isinstance(value, BaseChannel):
                yield value
            elif is_dict_of_channels(value):
                yield from (item for item in value.values() if isinstance(item, BaseChannel))

    def producers(self) -> Iterator[Node]:
        """The nodes that must have run before it can choose."""
        for channel in self.channels():
            yield from channel.producers()

    def result(self, source: ArtifactSource) -> Any:
        """Calls the function: a list of artifacts, a dict of lists, or a list of such dicts (or of lists)."""
        arguments = [_found(value, source) for value in self._arguments]
        options = {name: _found(value, source) for name, value in self._options.items()}
        return self._function(source.history, *arguments, **options)

    def __repr__(self) -> str:
        parts = [repr(value) for value in self._arguments]
        parts.extend(f"{name}={value!r}" for name, value in self._options.items())
        return f"{self._name}({', '.join(parts)})"


def is_dict_of_channels(value: Any) -> bool:
    """Whether a value holds channels by name."""
    return isinstance(value, Mapping) and any(isinstance(item, BaseChannel) for item in value.values())


def _found(value: Any, source: ArtifactSource) -> Any:
    if isinstance(value, BaseChannel):
        return value.find(source)
    if is_dict_of_channels(value):
        return {key: _found(item, source) for key, item in value.items()}
    return value


class ResolvedChannel(BaseChannel[A]):
    """What a resolver function chose: its list, or the list of one key of its dict."""

    def __init__(
        self, type: type[A], invocation: Invocation, key: str | None = None, keys: Mapping[str, type[Artifact]] = {}
    ) -> None:
        super().__init__(type)
        self._invocation = invocation
        self._types = dict(keys)
        self._key = key

    def __getitem__(self, key: str) -> ResolvedChannel[Any]:
        """The channel of one key, for a function that gives a dict. KeyError names near ones."""
        if key not in self._types:
            raise KeyError(f"{self!r} has no {key!r}{did_you_mean(key, self._types)}")
        return ResolvedChannel(self._types[key], self._invocation, key)

    def keys(self) -> list[str]:
        """The keys of the dict that the function gives, where it gives one."""
        return list(self._types)

    def producers(self) -> Iterator[Node]:
        yield from self._invocation.producers()

    def find(self, source: ArtifactSource) -> list[A]:
        result = self._invocation.result(source)
        if self._key is not None and isinstance(result, Mapping):
            result = result.get(self._key, [])
        if not isinstance(result, list | tuple) or not all(isinstance(item, Artifact) for item in result):
            raise ResolutionError(
                f"{self!r}: expected a list of artifacts, received {result!r}; what a function gives by keys is used "
                "by key, what it gives as windows or pairs by ForEach"
            )
        return cast("list[A]", list(result))

    def to_dict(self) -> dict[str, Any]:
        return {"type": self.type_name, "function": repr(self)}

    def __repr__(self) -> str:
        return repr(self._invocation) + (f"[{self._key!r}]" if self._key is not None else "")


class ResolvedElements(Loopable):
    """What a resolver function gives to a loop: windows, pairs.

    Args:
        types: artifact classes by name; the one name "" where an element is a list.
        invocation: gives the list of elements.
    """

    def __init__(self, types: Mapping[str, type[Artifact]], invocation: Invocation) -> None:
        self._types = dict(types)
        self._invocation = invocation

    def loop_types(self) -> Mapping[str, type[Artifact]]:
        return self._types

    def producers(self) -> Iterator[Node]:
        yield from self._invocation.producers()

    def loop_elements(self, source: ArtifactSource) -> list[Element]:
        result = self._invocation.result(source)
        if not isinstance(result, list | tuple):
            raise ResolutionError(f"{self!r}: expected a list of elements for a loop, received {result!r}")
        return [self._element(element) for element in result]

    def _element(self, element: Any) -> Element:
        if set(self._types) == {""}:
            # TFX's functions name what they give, and take the name away again.
            found = next(iter(element.values()), []) if isinstance(element, Mapping) else element
            return {"": list(found) if isinstance(found, list | tuple) else [found]}
        if not isinstance(element, Mapping) or set(element) != set(self._types):
            raise ResolutionError(f"{self!r}: expected elements with {sorted(self._types)}, received {element!r}")
        return {key: list(found) for key, found in element.items()}

    def __getitem__(self, key: object) -> Any:
        raise ResolutionError(f"{self!r} gives several elements; go through them: with ForEach(...) as element")

    def __repr__(self) -> str:
        return repr(self._invocation)
