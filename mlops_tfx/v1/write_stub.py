"""Writes ``components.pyi``: what type checkers see of the components, with all that their arguments may be.

A component takes a protobuf message, a dict or JSON text where it has a configuration model, and a placeholder for any
parameter; its own annotations say what it holds then. Run ``python -m mlops_tfx.v1.write_stub`` after changing one.
"""

from __future__ import annotations

import enum
import inspect
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlops_tfx.component import Component
from mlops_tfx.config import Config
from mlops_tfx.v1 import components, proto

STUB = Path(__file__).with_name("components.pyi")

_HEAD = '''"""Written by mlops_tfx.v1.write_stub: the components, with all that their arguments may be."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlops_tfx import components as _ours, config as _config
from mlops_tfx.channel import BaseChannel
from mlops_tfx.components.tuner import TunerFnResult as TunerFnResult
from mlops_tfx.io.dataset import DataAccessor as DataAccessor
from mlops_tfx.placeholders import Placeholder
from mlops_tfx.training import FnArgs as FnArgs
from mlops_tfx.v1 import proto as _proto

__all__: list[str]
'''


def stub() -> str:
    """Returns the text of the stub."""
    return _HEAD + "".join(_class_text(name, cls) for name, cls in _components())


def _components() -> Iterator[tuple[str, type[Component]]]:
    for name in components.__all__:
        cls = getattr(components, name)
        if isinstance(cls, type) and issubclass(cls, Component):
            yield name, cls


def _class_text(name: str, cls: type[Component]) -> str:
    lines = [_argument(cls, parameter) for parameter in inspect.signature(cls).parameters.values()]
    arguments = "".join(f"        {line},\n" for line in lines)
    return f"\nclass {name}(_ours.{name}):\n    def __init__(\n        self,\n{arguments}    ) -> None: ...\n"


def _argument(cls: type[Component], parameter: inspect.Parameter) -> str:
    kind = _port(cls, parameter.name) or _parameter(parameter.annotation)
    return f"{parameter.name}: {kind}{'' if parameter.default is inspect.Parameter.empty else ' = ...'}"


def _port(cls: type[Component], name: str) -> str | None:
    port = cls.INPUTS.get(name)
    if port is None:
        return None
    several = " | Sequence[BaseChannel[Any]]" if port.many else ""
    return f"BaseChannel[Any]{several}{' | None' if port.optional else ''}"


def _parameter(annotation: Any) -> str:
    is_union = typing.get_origin(annotation) in (types.UnionType, typing.Union)
    members = typing.get_args(annotation) if is_union else (annotation,)
    texts = [text for member in members for text in _member(member)]
    return "Any" if "Any" in texts else " | ".join(dict.fromkeys([*texts, "Placeholder"]))


def _member(member: Any) -> Iterator[str]:
    origin = typing.get_origin(member)
    if isinstance(member, type) and issubclass(member, Config) and hasattr(proto, member.__name__):
        yield from (f"_config.{member.__name__}", f"_proto.{member.__name__}", "Mapping[str, Any]", "str")
    elif isinstance(member, type) and issubclass(member, enum.Enum):
        yield from (f"_config.{member.__name__}", "int")
    elif member in (bool, float, int, str):
        yield member.__name__
    elif member is type(None):
        yield "None"
    elif origin in (tuple, list):
        yield f"Sequence[{_element(typing.get_args(member)[0])}]"
    elif origin is dict:
        yield "Mapping[str, Any]"
    elif getattr(origin, "__name__", "") == "Callable":
        yield "Callable[..., Any]"
    else:
        yield "Any"


def _element(member: Any) -> str:
    return member.__name__ if member in (float, int, str) else "Any"


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
