"""Placeholders for what a run knows: parameters of node and run, the environment, the platform."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from mlops_tfx.errors import ConfigError, ResolutionError, did_you_mean
from mlops_tfx.placeholders.expression import Placeholder, field_of
from mlops_tfx.placeholders.known import Known

PIPELINE_ROOT = "pipeline-root"
PIPELINE_RUN_ID = "pipeline-run-id"
_INFO_KEYS = ("executor_spec", "pipeline_platform_config", "platform_config")


class _Structured(Placeholder):
    """A value with fields: ``.a.b[0]``."""

    def __getattr__(self, name: str) -> _Structured:
        if name.startswith("_") or name in _NOT_FIELDS:
            raise AttributeError(name)
        return _Field(self, name)

    def __getitem__(self, key: int | str) -> _Structured:
        return _Element(self, key)


# Asked of any value by those who want to know whether it is a message, a model or a path.
_NOT_FIELDS = {"DESCRIPTOR", "SerializeToString", "to_json", "model_fields", "model_dump"}


class _Field(_Structured):
    def __init__(self, value: _Structured, name: str) -> None:
        self._value = value
        self._name = name

    def operands(self) -> Sequence[Any]:
        return self._value, self._name

    def resolve(self, known: Known) -> Any:
        return field_of(self._value.resolve(known), self._name, self)

    def __repr__(self) -> str:
        return f"{self._value!r}.{self._name}"


class _Element(_Structured):
    def __init__(self, value: _Structured, key: int | str) -> None:
        self._item = Placeholder.__getitem__(value, key)

    def operands(self) -> Sequence[Any]:
        return self._item.operands()

    def resolve(self, known: Known) -> Any:
        return self._item.resolve(known)

    def __repr__(self) -> str:
        return repr(self._item)


class ExecProperty(_Structured):
    """A parameter of the node itself."""

    def __init__(self, key: str) -> None:
        self._key = key

    @property
    def key(self) -> str:
        """The name of the parameter."""
        return self._key

    def operands(self) -> Sequence[Any]:
        return (self._key,)

    def resolve(self, known: Known) -> Any:
        return known.named("exec_properties", self._key, self)

    def __repr__(self) -> str:
        return f"exec_property({self._key!r})"


def exec_property(key: str) -> ExecProperty:
    """A parameter of the node itself; fields of messages and elements are reached as in Python: ``.a.b[0]``."""
    return ExecProperty(key)


class RuntimeInfo(_Structured):
    """What the platform says."""

    def __init__(self, key: str) -> None:
        self._key = key

    def operands(self) -> Sequence[Any]:
        return (self._key,)

    def resolve(self, known: Known) -> Any:
        return known.named("runtime_info", self._key, self)

    def __repr__(self) -> str:
        return f"runtime_info({self._key!r})"


def runtime_info(key: str) -> RuntimeInfo:
    """What the platform says: ``executor_spec``, ``platform_config`` or ``pipeline_platform_config``.

    Raises:
        ConfigError: another key.
    """
    if key not in _INFO_KEYS:
        raise ConfigError(f"runtime_info: unknown key {key!r}{did_you_mean(key, _INFO_KEYS)}")
    return RuntimeInfo(key)


class Invocation(_Structured):
    """What the run knows of the execution."""

    def resolve(self, known: Known) -> Any:
        return known.part("invocation", self)

    def __repr__(self) -> str:
        return "execution_invocation()"


def execution_invocation() -> Invocation:
    """What the run knows of the execution: ``.pipeline_run_id``, ``.pipeline_info.id``, ``.tmp_dir``, ..."""
    return Invocation()


class _EnvironmentVariable(Placeholder):
    def __init__(self, key: str) -> None:
        self._key = key

    def operands(self) -> Sequence[Any]:
        return (self._key,)

    def resolve(self, known: Known) -> str:
        if self._key not in os.environ:
            raise ResolutionError(
                f"{self!r}: expected the environment variable {self._key}, which is not set; set it before the run"
            )
        return os.environ[self._key]

    def __repr__(self) -> str:
        return f"environment_variable({self._key!r})"


def environment_variable(key: str) -> Placeholder:
    """An environment variable of the process that runs the pipeline."""
    return _EnvironmentVariable(key)


class RuntimeParameter(Placeholder):
    """A parameter of the whole run, given when it begins: ``LocalRunner().run(pipeline, parameters={"rate": 0.1})``.

    Args:
        name: under which it is given.
        ptype: int, float, str or bool; None takes any of them.
        default: the value when none is given; without one, it must be.
        description: what it is for.

    Raises:
        ConfigError: another type, or a default of another type.
    """

    def __init__(
        self, name: str, ptype: type | None = None, default: Any = None, description: str | None = None
    ) -> None:
        if ptype not in (None, int, float, str, bool):
            raise ConfigError(f"RuntimeParameter {name!r}: expected ptype int, float, str or bool, received {ptype!r}")
        self.name = name
        self.ptype = ptype
        self.description = description
        self.default = None if default is None else self.checked(default)

    def checked(self, value: Any) -> Any:
        """Returns a value in the declared type; ConfigError for another one. An int is a float, too."""
        if isinstance(value, Placeholder):
            return value
        if self.ptype is float and type(value) is int:
            return float(value)
        expected = (int, float, str, bool) if self.ptype is None else (self.ptype,)
        if type(value) not in expected:
            names = " or ".join(kind.__name__ for kind in expected)
            raise ConfigError(f"runtime parameter {self.name!r}: expected {names}, received {value!r}")
        return value

    @property
    def declaration(self) -> str:
        """Type and default, for messages."""
        return f"ptype={self.ptype.__name__ if self.ptype else None}, default={self.default!r}"

    def agrees_with(self, other: RuntimeParameter) -> bool:
        """Whether both may stand for one parameter in a pipeline: name, type and default are the same."""
        return self.name == other.name and self.declaration == other.declaration

    def parsed(self, text: str) -> Any:
        """Returns the value that a text on the command line means; ConfigError if it means none."""
        kind = self.ptype or str
        try:
            return {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
        except (KeyError, ValueError):
            raise ConfigError(f"runtime parameter {self.name!r}: expected {kind.__name__}, received {text!r}") from None

    def operands(self) -> Sequence[Any]:
        return self.name, self.ptype, self.default, self.description

    def resolve(self, known: Known) -> Any:
        if self.name in known.parameters:
            return known.parameters[self.name]
        if self.default is None:
            raise ResolutionError(f"{self!r} has no value; give one when the run begins")
        return self.default.resolve(known) if isinstance(self.default, Placeholder) else self.default

    def __bool__(self) -> bool:
        # As in TFX, where it is a plain object: `given or default` is fine before anything runs.
        return True

    def __repr__(self) -> str:
        return f"RuntimeParameter({self.name!r})"


ROOT_PARAMETER = RuntimeParameter(PIPELINE_ROOT, str)
"""The root of the pipeline that runs, as a value for parameters; TFX's name."""
