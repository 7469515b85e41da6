"""``tfx.types.component_spec``: what a component class written for TFX declares its ports and parameters with.

    class HelloSpec(ComponentSpec):
        PARAMETERS = {"name": ExecutionParameter(type=str)}
        INPUTS = {"input_data": ChannelParameter(type=Examples)}
        OUTPUTS = {"output_data": ChannelParameter(type=Examples)}

Mistakes raise at once, with TFX's exceptions (ValueError, TypeError).
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any, ClassVar

from mlops_tfx.artifacts import Artifact
from mlops_tfx.channel import BaseChannel
from mlops_tfx.compat import messages
from mlops_tfx.errors import did_you_mean
from mlops_tfx.parameters import check_parameter
from mlops_tfx.placeholders import contains_placeholder


class ExecutionParameter:
    """A parameter of a component.

    Args:
        type: its type: int, float, str, bool, a class of messages, or an annotation such as ``List[str]``.
        optional: whether it may be left out.
        use_proto: whether the executor gets a message as it is, and not as JSON text.
    """

    def __init__(self, type: Any = None, optional: bool = False, use_proto: bool = False) -> None:
        if use_proto and type in (int, float, str):
            raise ValueError(f"use_proto is for messages, received type={type}")
        self.type = type
        self.optional = optional
        self.use_proto = use_proto

    def type_check(self, arg_name: str, value: Any) -> None:
        """Raises TypeError for a value of another type. Values that are known only later pass."""
        if self.type in (None, Any) or contains_placeholder(value):
            return
        if messages.is_message_type(self.type):
            fits = isinstance(value, self.type | dict | str) or messages.is_message(value)
        elif typing.get_origin(self.type) is not None:
            fits = check_parameter(self.type, value)[1] is None
        else:
            fits = isinstance(value, self.type) or (self.type is float and isinstance(value, int))
        if not fits:
            raise TypeError(f"parameter {arg_name!r}: expected {self.type}, received {arg_name}={value!r}")

    def as_property(self, value: Any) -> Any:
        """Returns the value as the executor gets it: messages as JSON text, unless ``use_proto``."""
        if not messages.is_message_type(self.type) or contains_placeholder(value) or not value:
            return value
        if self.use_proto:
            return self._parsed(value)
        return value if isinstance(value, str) else messages.proto_to_json(self._parsed(value))

    def _parsed(self, value: Any) -> Any:
        if isinstance(value, str):
            return messages.json_to_proto(value, self.type())
        return messages.dict_to_proto(value, self.type()) if isinstance(value, dict) else value

    def __repr__(self) -> str:
        return f"ExecutionParameter(type: {self.type}, optional: {self.optional}, use_proto: {self.use_proto})"


class ChannelParameter:
    """An input or output of a component.

    Args:
        type: the class of its artifacts.
        optional: whether it may be left out.
        allow_empty: of an input that is given: whether it may have no artifacts when the component runs; by default
            as ``optional``.
        is_async: accepted for TFX's sake; results are published when the component is done.
    """

    def __init__(
        self,
        type: Any = None,
        optional: bool = False,
        allow_empty: bool | None = None,
        is_async: bool = False,
    ) -> None:
        if not (isinstance(type, _TYPE) and issubclass(type, Artifact)):
            raise ValueError(f"ChannelParameter: expected a class of artifacts, received type={type!r}")
        if allow_empty is not None and not optional:
            raise ValueError("allow_empty is for optional inputs; give optional=True too")
        self.type: Any = type
        self.optional = optional
        self.allow_empty_explicitly_set = allow_empty is not None
        self.allow_empty = optional if allow_empty is None else allow_empty
        self.is_async = is_async

    def type_check(self, arg_name: str, value: Any) -> None:
        """Raises TypeError unless the value is a channel of artifacts of this type."""
        if not isinstance(value, BaseChannel):
            raise TypeError(f"{arg_name!r}: expected a channel of {self.type.TYPE_NAME}, received {value!r}")
        if not (issubclass(value.type, self.type) or value.type.__name__ == self.type.__name__):
            raise TypeError(
                f"{arg_name!r}: expected a channel of {self.type.TYPE_NAME}, received one of {value.type_name}"
            )

    def __repr__(self) -> str:
        return f"ChannelParameter(type: {self.type})"


_TYPE = type
_KINDS = ("PARAMETERS", "INPUTS", "OUTPUTS")


class ComponentSpec:
    """Inputs, outputs and parameters of a component class, and of one component.

    Attributes:
        PARAMETERS: parameters by name.
        INPUTS: inputs by name.
        OUTPUTS: outputs by name.
        TYPE_ANNOTATION: the kind of execution: a class of ``standard_annotations``.
        inputs: channels by input name, of those given.
        outputs: channels by output name.
        exec_properties: values of parameters, messages as JSON text unless ``use_proto``.

    Raises:
        ValueError: a required argument is missing, or a name is declared twice.
        TypeError: an argument has another type, or is unknown.
    """

    PARAMETERS: ClassVar[Mapping[str, ExecutionParameter]]
    INPUTS: ClassVar[Mapping[str, ChannelParameter]]
    OUTPUTS: ClassVar[Mapping[str, ChannelParameter]]
    TYPE_ANNOTATION: ClassVar[Any] = None

    def __init_subclass__(cls, validate: bool = True, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # A class that is sent to another process by value gets its attributes there when it has been made.
        if validate and any(hasattr(cls, kind) for kind in _KINDS):
            _check_declaration(cls)

    def __init__(self, **kwargs: Any) -> None:
        _check_declaration(type(self))
        self.inputs: dict[str, BaseChannel[Any]] = {}
        self.outputs: dict[str, BaseChannel[Any]] = {}
        self.exec_properties: dict[str, Any] = {}
        self._check_names(kwargs)
        for name, parameter in self.PARAMETERS.items():
            if self._is_given(name, parameter, kwargs):
                self.exec_properties[name] = parameter.as_property(kwargs[name])
            elif name in kwargs:
                self.exec_properties[name] = None
        for declared, found in ((self.INPUTS, self.inputs), (self.OUTPUTS, self.outputs)):
            for name, port in declared.items():
                if self._is_given(name, port, kwargs):
                    found[name] = kwargs[name]

    def _is_given(self, name: str, declared: ExecutionParameter | ChannelParameter, values: Mapping[str, Any]) -> bool:
        if values.get(name) is None and declared.optional:
            return False
        if name not in values:
            raise ValueError(f"{type(self).__name__}: argument {name!r} is missing")
        declared.type_check(name, values[name])
        return True

    def _check_names(self, values: Mapping[str, Any]) -> None:
        known = [*self.PARAMETERS, *self.INPUTS, *self.OUTPUTS]
        for name in values:
            if name not in known:
                raise TypeError(f"{type(self).__name__} has no argument {name!r}{did_you_mean(name, known)}")

    @classmethod
    def is_optional_input(cls, key: str) -> bool:
        """Whether an input may be left out."""
        return cls.INPUTS[key].optional

    @classmethod
    def is_allow_empty_input(cls, key: str) -> bool:
        """Whether an input may have no artifacts."""
        return cls.INPUTS[key].allow_empty

    @classmethod
    def is_optional_output(cls, key: str) -> bool:
        """Whether an output may be left out."""
        return cls.OUTPUTS[key].optional

    @classmethod
    def is_optional_exec_property(cls, key: str) -> bool:
        """Whether a parameter may be left out."""
        return cls.PARAMETERS[key].optional

    def to_json_dict(self) -> dict[str, Any]:
        """Inputs, outputs and parameters, by those names."""
        return {"inputs": self.inputs, "outputs": self.outputs, "exec_properties": self.exec_properties}


def _check_declaration(cls: type[ComponentSpec]) -> None:
    seen: set[str] = set()
    for kind in _KINDS:
        declared = getattr(cls, kind, None)
        if not isinstance(declared, Mapping):
            raise TypeError(f"{cls.__qualname__}.{kind}: expected a dict, received {declared!r}")
        for name, value in declared.items():
            _check_entry(f"{cls.__qualname__}.{kind}[{name!r}]", kind, value)
            if name in seen:
                raise ValueError(f"{cls.__qualname__}: the name {name!r} is declared twice")
            seen.add(name)


def _check_entry(where: str, kind: str, value: Any) -> None:
    expected = ExecutionParameter if kind == "PARAMETERS" else ChannelParameter
    if not isinstance(value, expected):
        raise TypeError(f"{where}: expected {expected.__name__}, received {value!r}")
    if kind == "OUTPUTS" and isinstance(value, ChannelParameter) and value.allow_empty_explicitly_set:
        raise TypeError(f"{where}: allow_empty is for inputs only")
