"""``tfx.dsl.component.experimental.placeholders``: what stands in a container's command for values known later."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_tfx import placeholders
from mlops_tfx.errors import did_you_mean
from mlops_tfx.placeholders import Known, Placeholder


@dataclass(frozen=True)
class InputValuePlaceholder:
    """The value of a parameter, or of an input that is a value artifact."""

    input_name: str


@dataclass(frozen=True)
class InputUriPlaceholder:
    """The folder of an input's artifact."""

    input_name: str


@dataclass(frozen=True)
class OutputUriPlaceholder:
    """The folder that the command fills for an output."""

    output_name: str


@dataclass(frozen=True)
class ConcatPlaceholder:
    """Several parts, one after the other, as one argument."""

    items: Sequence[Any]


def problem_with(
    part: Any, inputs: Collection[str], outputs: Collection[str], parameters: Collection[str]
) -> str | None:
    """Returns what is wrong with a part of a command, if anything."""
    if isinstance(part, ConcatPlaceholder):
        problems = (problem_with(item, inputs, outputs, parameters) for item in part.items)
        return next((problem for problem in problems if problem), None)
    if isinstance(part, InputValuePlaceholder):
        return _unknown(part.input_name, [*inputs, *parameters], "inputs or parameters")
    if isinstance(part, InputUriPlaceholder):
        return _unknown(part.input_name, inputs, "inputs")
    if isinstance(part, OutputUriPlaceholder):
        return _unknown(part.output_name, outputs, "outputs")
    if isinstance(part, str | Placeholder):
        return None
    return f"expected text or a placeholder in the command, received {part!r}"


def _unknown(name: str, known: Collection[str], where: str) -> str | None:
    if name in known:
        return None
    return f"the command names {name!r}, which is not among its {where}{did_you_mean(name, known)}"


def argument(part: Any, known: Known) -> str:
    """Returns a part of a command as text.

    Args:
        part: text or a placeholder.
        known: inputs, outputs and parameters of the node.

    Raises:
        ResolutionError: there is no value.
    """
    if isinstance(part, ConcatPlaceholder):
        return "".join(argument(item, known) for item in part.items)
    if isinstance(part, InputValuePlaceholder):
        is_input = part.input_name in (known.inputs or ())
        part = placeholders.input(part.input_name)[0].value if is_input else placeholders.exec_property(part.input_name)
    elif isinstance(part, InputUriPlaceholder):
        part = placeholders.input(part.input_name)[0].uri
    elif isinstance(part, OutputUriPlaceholder):
        part = placeholders.output(part.output_name)[0].uri
    return str(placeholders.resolve(part, known))
