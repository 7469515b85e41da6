"""``@resolver_function``: a function over lists of artifacts that chooses inputs when the pipeline runs.

    @resolver_function
    def last_two_days(artifacts):
        return latest_created(filter_custom_property_equal(artifacts, key="kind", value="daily"), n=2)

    Trainer(examples=last_two_days(Channel(type=Examples)), ...)

Called with channels it gives a channel (or channels by name, or something for `ForEach`); called with lists of
artifacts, as within another such function, it gives artifacts at once. A function that raises SkipSignal keeps the node
that takes its result from running, which is no failure.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, overload

from mlops_tfx.artifacts import Artifact
from mlops_tfx.channel import BaseChannel, Invocation, ResolvedChannel, ResolvedElements, is_dict_of_channels
from mlops_tfx.errors import ConfigError, ResolutionError
from mlops_tfx.resolvers.strategies import ArtifactHistory, ResolverStrategy

OutputType = type[Artifact] | Mapping[str, type[Artifact]]

_HISTORY: ContextVar[Any] = ContextVar("history", default=None)


def history() -> ArtifactHistory:
    """The metadata store, within a resolver function. Raises ResolutionError elsewhere."""
    found: ArtifactHistory | None = _HISTORY.get()
    if found is None:
        raise ResolutionError("the history can be asked only while a resolver function chooses inputs for a run")
    return found


@contextmanager
def using(store: ArtifactHistory) -> Iterator[None]:
    """Makes a store the history within the block."""
    token = _HISTORY.set(store)
    try:
        yield
    finally:
        _HISTORY.reset(token)


class ResolverFunction:
    """A function over artifacts that also takes channels; see the module's docstring.

    Args:
        function: takes lists of artifacts (or dicts of them) and options, gives a list, a dict of lists, or, for a
            loop, a list of dicts.
        output_type: artifact class of the result, or classes by name; that of the first channels by default.
        output_type_inferrer: gives the same, from the arguments of the call.
        unwrap_dict_key: the function gives a list for a loop, and the loop variable is the channel of this name.
        loopable: the function gives a list of dicts for a loop. Said also by ``-> list[...]`` in front of ``dict``.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        output_type: OutputType | None = None,
        output_type_inferrer: Callable[..., OutputType] | None = None,
        unwrap_dict_key: str | None = None,
        loopable: bool = False,
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.__name__ = str(getattr(function, "__name__", type(function).__name__))
        self._output_type = output_type
        self._inferrer = output_type_inferrer
        self._unwrap_key = unwrap_dict_key
        self._loopable = loopable or unwrap_dict_key is not None or _gives_dicts(function)

    def output_type_inferrer(self, function: Callable[..., OutputType]) -> Callable[..., OutputType]:
        """Decorator: the function gives the artifact class(es) of the result, from the arguments of the call."""
        self._inferrer = function
        return function

    @property
    def gives_elements(self) -> bool:
        """Whether the result is for a loop."""
        return self._loopable

    @property
    def takes_dict(self) -> bool:
        """Whether the first argument holds lists by name, as its annotation says."""
        first = next(iter(self.signature.parameters.values()), None)
        text = "" if first is None else first.annotation if isinstance(first.annotation, str) else str(first.annotation)
        return text.replace("typing.", "").lower().startswith(("dict[", "mapping["))

    @property
    def signature(self) -> inspect.Signature:
        """The arguments of the function."""
        return inspect.signature(self.function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function now, with artifacts, or puts the call off, with channels.

        Raises:
            ConfigError: arguments do not fit, or the type of the result cannot be told.
        """
        given = [*args, *kwargs.values()]
        waits = any(isinstance(value, BaseChannel) or is_dict_of_channels(value) for value in given)
        asks_history_alone = not given and self._output_type is not None and _HISTORY.get() is None
        if not waits and not asks_history_alone:
            return self.function(*args, **kwargs)
        try:
            self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ConfigError(f"{self.__name__}: {error}") from error
        return self._put_off(Invocation(self.__name__, self._choose, args, kwargs), self._types(args, kwargs))

    def _choose(self, store: ArtifactHistory, *args: Any, **kwargs: Any) -> Any:
        with using(store):
            return self.function(*args, **kwargs)

    def _put_off(self, invocation: Invocation, types: OutputType) -> Any:
        if self._loopable:
            if isinstance(types, Mapping) and self._unwrap_key is None:
                return ResolvedElements(types, invocation)
            one = types[self._unwrap_key or ""] if isinstance(types, Mapping) else types
            return ResolvedElements({"": one}, invocation)
        if isinstance(types, Mapping):
            return {key: ResolvedChannel(type_, invocation, key) for key, type_ in types.items()}
        return ResolvedChannel(types, invocation)

    def _types(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> OutputType:
        if self._output_type is not None:
            return self._output_type
        if self._inferrer is not None:
            return self._inferrer(*args, **kwargs)
        for value in [*args, *kwargs.values()]:
            if isinstance(value, BaseChannel):
                return value.type
            if is_dict_of_channels(value):
                return {key: channel.type for key, channel in value.items()}
        raise ConfigError(f"{self.__name__}: expected a channel, received none; give output_type=")

    def __repr__(self) -> str:
        return self.__name__


def _gives_dicts(function: Callable[..., Any]) -> bool:
    annotation = inspect.signature(function).return_annotation
    text = annotation if isinstance(annotation, str) else str(annotation)
    return text.replace("typing.", "").lower().startswith(("list[dict[", "list[mapping["))


@overload
def resolver_function(function: Callable[..., Any], /) -> ResolverFunction: ...
@overload
def resolver_function(
    function: None = None,
    /,
    *,
    output_type: OutputType | None = None,
    output_type_inferrer: Callable[..., OutputType] | None = None,
    unwrap_dict_key: str | None = None,
    loopable: bool = False,
) -> Callable[[Callable[..., Any]], ResolverFunction]: ...
def resolver_function(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Makes a resolver function; see the module's docstring, and `ResolverFunction` for the options."""
    if function is None:
        return lambda decorated: ResolverFunction(decorated, **options)
    return ResolverFunction(function, **options)


class FunctionStrategy(ResolverStrategy):
    """A resolver function as the strategy of a Resolver node.

    A function of lists chooses for every channel by itself; one whose first argument is annotated as a dict or a
    Mapping gets them all.

    Args:
        function: the function.
        config: its options.

    Raises:
        ConfigError: the options do not fit, or the function gives something for a loop.
    """

    KEEPS_ORDER = True

    def __init__(self, function: ResolverFunction, config: Mapping[str, Any]) -> None:
        self._function = function
        self._config = dict(config)
        if function.gives_elements:
            raise ConfigError(f"{function!r} gives several elements; use it with ForEach")
        try:
            function.signature.bind(None, **self._config)
        except TypeError as error:
            raise ConfigError(f"{function!r}: {error}") from error

    def resolve_artifacts(
        self, store: ArtifactHistory, input_dict: Mapping[str, Sequence[Artifact]]
    ) -> Mapping[str, Sequence[Artifact]] | None:
        """Calls the function. Raises SkipSignal where it says that nothing is to run."""
        with using(store):
            if self._function.takes_dict:
                found: Mapping[str, Sequence[Artifact]] = self._function(input_dict, **self._config)
                return found
            return {key: self._function(list(found), **self._config) for key, found in input_dict.items()}
