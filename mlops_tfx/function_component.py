"""``@component``: turns a function into a component class. Arguments and results are declared by their annotations.

    @component
    def CountRows(
        examples: InputArtifact[Examples],
        report: OutputArtifact[Report],
        split: Parameter[str] = "train",
    ) -> Rows: ...                       # class Rows(TypedDict): rows: int

- ``InputArtifact[T]``, ``InputArtifact[list[T]]``: artifacts; optional when there is a default.
- ``OutputArtifact[T]``: an artifact the function writes to.
- ``Parameter[T]``: a value known when the pipeline is defined.
- a bare ``int``, ``float``, ``str``, ``bool``, ``bytes``, ``dict`` or ``list``: the value of an artifact that another
  node wrote; optional when there is a default.
- ``BeamComponentParameter[beam.Pipeline]``: a Beam pipeline with the node's flags; with ``use_beam=True``.
- the result: None, or a TypedDict (or ``OutputDict(name=type)``) whose entries become value artifacts.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Protocol, TypeVar, Union, get_args, get_origin, overload

from typing_extensions import is_typeddict

from mlops_tfx.artifacts import Artifact, Boolean, Bytes, Float, Integer, JsonValue, String
from mlops_tfx.base_component import Component
from mlops_tfx.errors import UserCodeError
from mlops_tfx.ports import Input, InputPort, Inputs, OptionalInput, OptionalInputs, Output
from mlops_tfx.system_types import SystemExecution, base_type_name

T = TypeVar("T")

# Type checkers see the plain type in the function's body; the marker tells what the argument is.
InputArtifact = Annotated[T, "input artifact"]
OutputArtifact = Annotated[T, "output artifact"]
AsyncOutputArtifact = Annotated[T, "output artifact"]  # published as a whole, when the function returns
Parameter = Annotated[T, "parameter"]
BeamComponentParameter = Annotated[T, "beam pipeline"]

_VALUE_TYPES: Mapping[Any, type[Artifact]] = {
    int: Integer,
    float: Float,
    str: String,
    bool: Boolean,
    bytes: Bytes,
    dict: JsonValue,
    list: JsonValue,
}


class OutputDict:
    """Declares the results of a function component: ``-> OutputDict(accuracy=float)``."""

    def __init__(self, **kwargs: Any) -> None:
        self.types = kwargs


class FunctionComponent(Component):
    """Base of the classes that ``@component`` makes."""

    FUNCTION: ClassVar[Callable[..., Any]]
    VALUE_INPUTS: ClassVar[frozenset[str]] = frozenset()
    RESULTS: ClassVar[Mapping[str, type[Artifact]]] = {}
    OPTIONAL_RESULTS: ClassVar[frozenset[str]] = frozenset()
    BEAM_ARGUMENT: ClassVar[str | None] = None

    @classmethod
    def test_call(cls, *args: Any, **kwargs: Any) -> Any:
        """Calls the plain function, for its unit tests."""
        return cls.FUNCTION(*args, **kwargs)

    def run(self) -> None:
        """Calls the function and writes what it returns."""
        arguments = {name: self._argument(name) for name in (*self.INPUTS, *self.PARAMETERS)}
        arguments.update({name: getattr(self, name) for name in self.OUTPUTS if name not in self.RESULTS})
        function = type(self).FUNCTION
        if self.BEAM_ARGUMENT:
            with self.context.beam_pipeline() as pipeline:
                returned = function(**arguments, **{self.BEAM_ARGUMENT: pipeline})
        else:
            returned = function(**arguments)
        self._write_results(returned)

    def _checked(self, name: str, value: Any, problems: list[str]) -> Any:
        # As in TFX, None may be given wherever there is a default.
        return None if value is None and hasattr(type(self), name) else super()._checked(name, value, problems)

    def _argument(self, name: str) -> Any:
        value = getattr(self, name)
        if name in self.VALUE_INPUTS:
            default = inspect.signature(type(self).FUNCTION).parameters[name].default
            return default if value is None else value.value
        return value

    def _write_results(self, returned: Any) -> None:
        if not self.RESULTS:
            return
        if not isinstance(returned, dict) or not set(returned) >= set(self.RESULTS):
            names = ", ".join(self.RESULTS)
            raise UserCodeError(f"{self.type_name} must return a dict with the keys {names}, received {returned!r}")
        for name in self.RESULTS:
            value = returned[name]
            if value is None and name not in self.OPTIONAL_RESULTS:
                raise UserCodeError(f"{self.type_name} returned {name}=None, which is not declared Optional")
            self.port_value(self.OUTPUTS[name]).value = value


class FunctionComponentFactory(Protocol):
    """What `component` makes of a function: called, it makes a node; ``test_call`` calls the plain function."""

    def __call__(self, *args: Any, **kwargs: Any) -> FunctionComponent:
        """Makes a node."""
        ...

    def test_call(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the plain function, for its unit tests."""
        ...


Annotation = type[SystemExecution] | str | None


@overload
def component(func: Callable[..., Any], /) -> type[FunctionComponent]: ...
@overload
def component(
    func: None = None, /, *, component_annotation: Annotation = None, use_beam: bool = False
) -> Callable[[Callable[..., Any]], type[FunctionComponent]]: ...
def component(
    func: Callable[..., Any] | None = None, /, *, component_annotation: Annotation = None, use_beam: bool = False
) -> Any:
    """Makes a component class from a function; see the module's docstring.

    Args:
        func: the function.
        component_annotation: ML Metadata's system type of the executions, such as ``standard_annotations.Train``.
        use_beam: the function takes a BeamComponentParameter.

    Raises:
        TypeError: an argument is not annotated, or an annotation cannot be understood.
    """
    base_type = base_type_name(component_annotation)
    if func is None:
        return lambda function: _make(function, base_type, use_beam)
    return _make(func, base_type, use_beam)


def _make(function: Callable[..., Any], base_type: str | None, use_beam: bool) -> type[FunctionComponent]:
    hints = inspect.get_annotations(function, eval_str=True)
    results = _result_types(function, hints.pop("return", None))
    namespace: dict[str, Any] = {"__module__": function.__module__, "__doc__": function.__doc__}
    namespace.update(__qualname__=function.__qualname__, BASE_TYPE=base_type, FUNCTION=staticmethod(function))
    annotations: dict[str, Any] = {}
    values, beam_arguments = set(), []
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in hints:
            raise TypeError(f"{function.__qualname__}: argument {name!r} has no annotation")
        kind, inner = _kind(hints[name])
        if kind == "beam pipeline":
            beam_arguments.append(name)
        elif kind == "output artifact":
            namespace[name] = Output(inner)
        elif kind == "parameter":
            annotations[name] = inner
            if parameter.default is not inspect.Parameter.empty:
                namespace[name] = parameter.default
        else:
            artifact_type, many = (_value_type(function, name, inner), False) if kind == "value" else _artifact(inner)
            optional = parameter.default is not inspect.Parameter.empty
            annotations[name], namespace[name] = _input_port(artifact_type, many, optional)
            values.update([name] if kind == "value" else [])
    _check_beam(function, use_beam, beam_arguments)
    namespace.update(
        __annotations__=annotations,
        VALUE_INPUTS=frozenset(values),
        RESULTS=results,
        OPTIONAL_RESULTS=_optional_results(function),
        BEAM_ARGUMENT=beam_arguments[0] if beam_arguments else None,
    )
    made: type[FunctionComponent] = type(function.__name__, (FunctionComponent,), namespace)
    # Results are no attributes of the class: one may have the name of an argument.
    made.OUTPUTS = {**made.OUTPUTS, **{name: _result_port(name, type_) for name, type_ in results.items()}}
    return made


def _result_port(name: str, artifact_type: type[Artifact]) -> Output[Any]:
    port: Output[Any] = Output(artifact_type)
    port.name = name
    return port


def _kind(annotation: Any) -> tuple[str, Any]:
    if get_origin(annotation) is Annotated:
        inner, marker = get_args(annotation)[:2]
        if marker in ("input artifact", "output artifact", "parameter", "beam pipeline"):
            return marker, inner
    without_none = [arg for arg in get_args(annotation) if arg is not type(None)]
    if _is_union(annotation) and len(without_none) == 1:
        return _kind(without_none[0])
    return "value", annotation


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) is Union or type(annotation).__name__ == "UnionType"


def _artifact(annotation: Any) -> tuple[type[Artifact], bool]:
    if get_origin(annotation) is list:
        return get_args(annotation)[0], True
    return annotation, False


def _input_port(artifact_type: type[Artifact], many: bool, optional: bool) -> tuple[Any, InputPort[Any]]:
    kinds: Mapping[tuple[bool, bool], Any] = {
        (False, False): Input,
        (False, True): OptionalInput,
        (True, False): Inputs,
        (True, True): OptionalInputs,
    }
    kind = kinds[many, optional]
    return kind[artifact_type], kind()


def _value_type(function: Callable[..., Any], name: str, annotation: Any) -> type[Artifact]:
    plain = get_origin(annotation) or annotation
    plain = dict if isinstance(plain, type) and issubclass(plain, Mapping) else plain
    found = _VALUE_TYPES.get(plain)
    if found is None:
        raise TypeError(
            f"{function.__qualname__}: argument {name!r} has annotation {annotation!r}; expected InputArtifact[...], "
            "OutputArtifact[...], Parameter[...], or a plain int, float, str, bool, bytes, dict or list"
        )
    return found


def _result_types(function: Callable[..., Any], annotation: Any) -> dict[str, type[Artifact]]:
    return {name: _value_type(function, name, _kind(type_)[1]) for name, type_ in _declared_results(annotation).items()}


def _declared_results(annotation: Any) -> Mapping[str, Any]:
    if annotation is None or annotation is type(None):
        return {}
    if isinstance(annotation, OutputDict):
        return annotation.types
    if is_typeddict(annotation):
        return typing.get_type_hints(annotation)
    raise TypeError(f"expected None, a TypedDict or OutputDict(...) as the result, received {annotation!r}")


def _optional_results(function: Callable[..., Any]) -> frozenset[str]:
    declared = _declared_results(inspect.get_annotations(function, eval_str=True).get("return"))
    return frozenset(name for name, type_ in declared.items() if type(None) in get_args(type_))


def _check_beam(function: Callable[..., Any], use_beam: bool, beam_arguments: list[str]) -> None:
    if use_beam and len(beam_arguments) != 1:
        raise TypeError(
            f"{function.__qualname__}: use_beam=True needs exactly one argument annotated "
            f"BeamComponentParameter[beam.Pipeline], received {len(beam_arguments)}"
        )
    if beam_arguments and not use_beam:
        raise TypeError(f"{function.__qualname__}: {beam_arguments[0]!r} is a Beam pipeline; say use_beam=True")
