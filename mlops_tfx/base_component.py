"""Component: a class whose annotations are its whole contract.

    class StatisticsGen(Component):
        \"\"\"Computes descriptive statistics over every split.\"\"\"

        examples: Input[Examples]
        schema: OptionalInput[Schema] = OptionalInput()
        statistics = Output(ExampleStatistics)
        exclude_splits: tuple[str, ...] = ()

        def run(self) -> None: ...

Annotations with a port type are inputs, class attributes made by ``Output`` or ``Outputs`` are outputs, every other
annotation is a parameter. The constructor takes inputs and parameters in the order they are written, by position or by
name.

A component object is immutable once it is in a pipeline. The runner calls ``run()`` on a bound copy, on which ports
read as artifacts and ``context`` is set. Mistakes in the constructor are collected in ``problems`` and raised by
``Pipeline`` together with all others.
"""

from __future__ import annotations

import copy
import inspect
import json
import sys
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar, get_args, get_origin

from typing_extensions import dataclass_transform

from mlops_tfx.artifacts import Artifact
from mlops_tfx.channel import BaseChannel, UnionChannel
from mlops_tfx.errors import ConfigError, PlaceholderError, did_you_mean
from mlops_tfx.executor import names_executor, replace_run
from mlops_tfx.node import Node
from mlops_tfx.placeholders import contains_placeholder, problems_in_parameter
from mlops_tfx.ports import InputPort, OutputArtifacts, OutputPort, Port
from mlops_tfx.signature import ConstructorSignature

if typing.TYPE_CHECKING:
    from mlops_tfx.run_context import RunContext

C = TypeVar("C", bound="Component")

_MISSING = object()


@dataclass_transform(eq_default=False)
class Component(Node):
    """A node that computes. See the module's docstring for how to declare one.

    Attributes:
        context: where and how the component runs; only there inside ``run()``.
        EXECUTOR_SPEC: of subclasses written for TFX: what does the work in place of ``run()`` (`mlops_tfx.executor`).
    """

    INPUTS: ClassVar[Mapping[str, InputPort[Any]]] = {}
    OUTPUTS: ClassVar[Mapping[str, OutputPort[Any]]] = {}
    PARAMETERS: ClassVar[Mapping[str, Any]] = {}
    TAKES_TIMEOUT: ClassVar[bool] = True
    EXECUTOR_SPEC: ClassVar[Any] = None
    _FIELDS: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, first: Sequence[str] = (), **kwargs: Any) -> None:
        """Reads the declaration. ``first`` names arguments that come before all others in this class's constructor."""
        super().__init_subclass__(**kwargs)
        _declare(cls, sys._getframe(1).f_locals)
        cls._FIELDS = (*first, *(name for name in cls._FIELDS if name not in first))
        if names_executor(cls):
            cls.adopt_executor()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(type(self).__name__)
        self._bound_inputs: dict[str, Any] | None = None
        self._bound_outputs: Mapping[str, Artifact | OutputArtifacts[Any]] = {}
        self._context: RunContext | None = None
        self._parameters: dict[str, Any] = {}
        self._unresolved: dict[str, Any] = {}
        values = self._by_name(args, kwargs)
        for name in self._FIELDS:
            self._take(name, values.get(name, _MISSING))
        for name, value in self._unresolved.items():
            self.problems.extend(problems_in_parameter(name, value, self.INPUTS, self.PARAMETERS))
        if not self.problems and not self._unresolved:
            self.problems.extend(self.check())
        self._declare_outputs()

    __signature__ = ConstructorSignature()

    # What a component may define -------------------------------------------------------------------------------

    def run(self) -> None:
        """Does the work: reads inputs, writes to the ``uri`` of every output. Every component defines it."""
        raise NotImplementedError(f"{type(self).__name__} must define run()")

    def check(self) -> Iterable[str]:
        """Problems with the combination of inputs and parameters, each a sentence; called while wiring."""
        return ()

    def output_keys(self) -> Iterable[str]:
        """Names of the outputs that this object has, where parameters decide; all of them by default."""
        return self.OUTPUTS.keys()

    def cache_ingredients(self) -> Mapping[str, str]:
        """What the result depends on besides inputs, parameters and code: name to digest. Called before ``run()``."""
        return {}

    def still_valid(self, outputs: Mapping[str, Sequence[Artifact]]) -> bool:
        """Whether a cached result may be reused; a component with effects outside checks that they still stand."""
        return True

    # What the framework uses -----------------------------------------------------------------------------------

    @classmethod
    def adopt_executor(cls) -> None:
        """Lets the executor that this class names do its work. Raises TypeError for what would not be called."""
        replace_run(cls)

    @property
    def context(self) -> RunContext:
        """Where and how the component runs. Raises RuntimeError outside ``run()``."""
        if self._context is None:
            raise RuntimeError(f"{self.id}.context is only there while the component runs")
        return self._context

    @property
    def executor_spec(self) -> Any:
        """What does the work in place of ``run()``: ``custom_executor_spec``, else EXECUTOR_SPEC; None by default."""
        return self._parameters.get("custom_executor_spec") or self.EXECUTOR_SPEC

    @property
    def exec_properties(self) -> Mapping[str, Any]:
        return dict(self._parameters)

    @property
    def unresolved(self) -> Mapping[str, Any]:
        return self._unresolved

    def with_values(self: C, values: Mapping[str, Any]) -> C:
        problems: list[str] = []
        checked = {
            name: self._checked(name, _meant(self.PARAMETERS[name], value), problems) for name, value in values.items()
        }
        left = {name: value for name, value in self._unresolved.items() if name not in values}
        # Not copy.copy, which would leave out the graph around it as pickling does.
        settled = object.__new__(type(self))
        parameters = {**self._parameters, **checked}
        settled.__dict__.update({**self.__dict__, **checked}, _parameters=parameters, _unresolved=left)
        if not problems and not left:
            problems = list(settled.check())
        if problems:
            raise ConfigError("; ".join(problems))
        return settled

    def bind(
        self,
        inputs: Mapping[str, Sequence[Artifact]],
        outputs: Mapping[str, Artifact | OutputArtifacts[Any]],
        context: RunContext | None,
    ) -> Component:
        """Returns a copy on which ports read as artifacts; ``run()`` is called on it."""
        values: dict[str, Any] = {}
        for name, port in self.INPUTS.items():
            artifacts = list(inputs.get(name, ()))
            values[name] = artifacts if port.many else (artifacts[0] if artifacts else None)
        bound = copy.copy(self)
        bound.__dict__.update(_bound_inputs=values, _bound_outputs=dict(outputs), _context=context)
        return bound

    def _declare_outputs(self) -> None:
        chosen = set(self.OUTPUTS)
        try:
            chosen = chosen if self.problems else set(self.output_keys())
        except PlaceholderError as error:
            self.problems.append(f"which outputs there are must be known when the pipeline is defined: {error}")
        self._set_outputs({key: port.artifact_type for key, port in self.OUTPUTS.items() if key in chosen})

    def _by_name(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        names = self._FIELDS
        if len(args) > len(names):
            self.problems.append(f"expected at most {len(names)} positional arguments, received {len(args)}")
        values = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name not in names:
                self.problems.append(f"unknown argument {name!r}{did_you_mean(name, names)}")
            elif name in values:
                self.problems.append(f"argument {name!r} is given twice")
            else:
                values[name] = value
        return values

    def _take(self, name: str, value: Any) -> None:
        port = self.INPUTS.get(name)
        if port is not None:
            self.set_port(port, None if value is _MISSING else value)
            return
        if value is _MISSING:
            value = getattr(type(self), name, _MISSING)
            if value is _MISSING:
                self.problems.append(f"parameter {name!r} is required")
                return
            self._parameters[name] = value
        elif not contains_placeholder(value):
            self._parameters[name] = self._checked(name, value, self.problems)
        else:
            self._parameters[name] = value
        if contains_placeholder(self._parameters[name]):
            self._unresolved[name] = self._parameters[name]
        object.__setattr__(self, name, self._parameters[name])

    def _checked(self, name: str, value: Any, problems: list[str]) -> Any:
        from mlops_tfx.parameters import check_parameter

        value, problem = check_parameter(self.PARAMETERS[name], value)
        if problem:
            problems.append(f"parameter {name!r}: {problem}")
        return value

    def set_port(self, port: InputPort[Any], value: Any) -> None:
        """Wires an input; what is wrong with the value goes to ``problems``. Called by the port."""
        if self._bound_inputs is not None:
            raise AttributeError(f"input {port.name!r} cannot be set while {self.id} runs")
        if value is None:
            self._inputs.pop(port.name, None)
            if not port.optional:
                self.problems.append(f"input {port.name!r} ({port.artifact_type.TYPE_NAME}) is missing")
            return
        problem = _wiring_problem(port, value)
        if problem:
            self.problems.append(problem)
        else:
            self._inputs[port.name] = UnionChannel(value) if isinstance(value, list | tuple) else value

    def port_value(self, port: Port[Any]) -> Any:
        """What reading a port gives: a channel while wiring, artifacts while running. Called by the port."""
        if self._bound_inputs is None:
            return self._inputs.get(port.name) if isinstance(port, InputPort) else self.outputs[port.name]
        bound: Mapping[str, Any] = self._bound_inputs if isinstance(port, InputPort) else self._bound_outputs
        return bound.get(port.name)

    def __getstate__(self) -> dict[str, Any]:
        # A pickled component goes to a worker alone: the graph around it and its context stay here.
        state = dict(self.__dict__)
        state.update(_inputs={}, _upstream=[], scopes=(), _context=None)
        state.pop("_outputs")
        return state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._declare_outputs()


def _meant(annotation: Any, value: Any) -> Any:
    """What a value stands for where its type is not declared: JSON text for a structure, 0 and 1 for false and true.

    As in TFX, whose runtime parameters are numbers and texts only.
    """
    from mlops_tfx.parameters import check_parameter

    if not isinstance(value, str | int) or check_parameter(annotation, value)[1] is None:
        return value
    if isinstance(value, int):
        return bool(value) if value in (0, 1) and check_parameter(annotation, bool(value))[1] is None else value
    try:
        parsed = json.loads(value)
    except ValueError:
        return value
    return parsed if isinstance(parsed, dict | list | bool) else value


def _wiring_problem(port: InputPort[Any], value: Any) -> str | None:
    expected = port.artifact_type
    where = f"input {port.name!r}"
    if isinstance(value, list | tuple) and port.many and value:
        # A list of channels is their union; each member is checked by itself.
        problems = [problem for member in value if (problem := _wiring_problem(port, member))]
        mixed = len({member.type for member in value if isinstance(member, BaseChannel)}) > 1
        return problems[0] if problems else (f"{where}: expected channels of one type: {value!r}" if mixed else None)
    if not isinstance(value, BaseChannel):
        hint = "; pass one of its outputs, such as node.outputs['...']" if isinstance(value, Node) else ""
        return f"{where}: expected a channel of {expected.TYPE_NAME}, received {type(value).__name__} {value!r}{hint}"
    if not issubclass(value.type, expected):
        return f"{where}: expected artifacts of type {expected.TYPE_NAME}, received {value!r} of type {value.type_name}"
    return None


def _declare(cls: type[Component], local_names: Mapping[str, Any]) -> None:
    """Reads the class's annotations into INPUTS, OUTPUTS, PARAMETERS and the order of the constructor."""
    inputs, outputs = dict(cls.INPUTS), dict(cls.OUTPUTS)
    parameters, fields = dict(cls.PARAMETERS), list(cls._FIELDS)
    for name, annotation in _annotations(cls, local_names).items():
        _refuse_reserved(cls, name)
        if name not in fields:
            fields.append(name)
        origin = get_origin(annotation)
        if isinstance(origin, type) and issubclass(origin, InputPort):
            inputs[name] = _install_input(cls, name, origin, get_args(annotation))
        else:
            parameters[name] = annotation
    for name, value in vars(cls).items():
        if isinstance(value, OutputPort):
            _refuse_reserved(cls, name)
            outputs[name] = value
    cls.INPUTS, cls.OUTPUTS, cls.PARAMETERS, cls._FIELDS = inputs, outputs, parameters, tuple(fields)


def _annotations(cls: type, local_names: Mapping[str, Any]) -> dict[str, Any]:
    """The class's own annotations, evaluated; private names and ClassVars left out."""
    own: dict[str, Any] = inspect.get_annotations(cls)
    scope = dict(vars(sys.modules[cls.__module__])) if cls.__module__ in sys.modules else {}
    found = {}
    for name, annotation in own.items():
        if isinstance(annotation, str):
            annotation = _evaluate(cls, name, annotation, scope, local_names)
        if not name.startswith("_") and ClassVar not in (annotation, get_origin(annotation)):
            found[name] = annotation
    return found


def _evaluate(cls: type, name: str, text: str, scope: dict[str, Any], local_names: Mapping[str, Any]) -> Any:
    reference = typing.ForwardRef(text, is_class=True)
    try:
        return eval(reference.__forward_code__, scope, dict(local_names))
    except NameError as error:
        raise TypeError(
            f"{cls.__qualname__}.{name}: annotation {text!r} cannot be evaluated ({error}); "
            "import the name at run time, not only under TYPE_CHECKING"
        ) from error


def _install_input(cls: type, name: str, kind: type[InputPort[Any]], args: Sequence[Any]) -> InputPort[Any]:
    if len(args) != 1 or not (isinstance(args[0], type) and issubclass(args[0], Artifact)):
        raise TypeError(f"{cls.__qualname__}.{name}: expected {kind.__name__}[<artifact class>], received {args!r}")
    port = vars(cls).get(name)
    if not isinstance(port, kind):
        port = kind()
        port.__set_name__(cls, name)
        setattr(cls, name, port)
    port.artifact_type = args[0]
    return port


def _refuse_reserved(cls: type[Component], name: str) -> None:
    if name in _RESERVED:
        raise TypeError(f"{cls.__qualname__}: {name!r} is used by Component itself; choose another name")


_RESERVED = {name for name in dir(Component) if not name.startswith("_")} | set(vars(Component()))
