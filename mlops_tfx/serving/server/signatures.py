"""One signature of a loaded model: checks a request against it, and runs it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from tensorflow.core.framework import types_pb2

from mlops_tfx.serving.server import statuses, tensors
from mlops_tfx.serving.server.calls import Plan

Runner = Callable[[Sequence[Any]], Sequence[Any]]
MakeRunner = Callable[[Sequence[str], Sequence[str]], Runner]
_Key = TypeVar("_Key")

# What only means something within the process.
_NO_MESSAGES = (types_pb2.DT_RESOURCE, types_pb2.DT_VARIANT)
# A run is prepared once per choice of outputs. A client may try all choices, and of twenty outputs there are a million.
_MOST_PLANS = 64


def remember(plans: dict[_Key, Plan], key: _Key, plan: Plan) -> Plan:
    """Keeps a plan for the next time, and lets an old one go when there are too many. Returns the plan."""
    if len(plans) >= _MOST_PLANS:
        # The oldest but the first, which is the one for all outputs.
        plans.pop(list(plans)[1], None)
    plans[key] = plan
    return plan


class Signature:
    """A SignatureDef, ready to run.

    Attributes:
        definition: the SignatureDef.
    """

    def __init__(self, definition: Any, make_runner: MakeRunner) -> None:
        self.definition = definition
        self._make_runner = make_runner
        # TensorFlow numbers the arguments of a run by the sorted names of the tensors that are fed.
        by_feed = sorted(definition.inputs.items(), key=lambda item: item[1].name)
        self._inputs = [(alias, info.name, info.dtype) for alias, info in by_feed]
        self._aliases = frozenset(definition.inputs)
        self._defaults = {alias: tensors.decode(proto) for alias, proto in definition.defaults.items()}
        self._outputs = {alias: (info.name, info.dtype) for alias, info in sorted(definition.outputs.items())}
        self._all_outputs = tuple(self._outputs)
        self._input_aliases = tuple(alias for alias, _, _ in self._inputs)
        self._plans: dict[tuple[str, ...], Plan] = {}
        # Made now rather than with the first request. A signature that TensorFlow refuses is for those who ask it.
        with contextlib.suppress(statuses.StatusError):
            self.plan(self._all_outputs)

    def bind(self, inputs: Mapping[str, Any]) -> list[Any]:
        """Returns the arrays to feed, for ``{alias: TensorProto}``. Raises StatusError for what does not fit."""
        if len(inputs) > len(self._inputs) or (len(inputs) < len(self._inputs) and not self._defaults):
            raise statuses.input_size(inputs, self._aliases)
        values, used, mismatch = [], 0, None
        for index, (alias, feed, dtype) in enumerate(self._inputs):
            if alias in inputs:
                used += 1
                proto = inputs[alias]
                values.append(_decode(alias, proto))
                if proto.dtype != dtype and mismatch is None:
                    mismatch = (index, tensors.dtype_name(dtype), tensors.dtype_name(proto.dtype))
            elif alias in self._defaults:
                values.append(self._defaults[alias])
            else:
                raise statuses.input_not_found(alias, feed, inputs, self._defaults)
        if inputs and used != len(inputs):
            raise statuses.invalid_input_name(self._aliases & set(inputs), inputs)
        if mismatch is not None:
            raise statuses.wrong_dtype(*mismatch)
        return values

    def select(self, output_filter: Sequence[str]) -> tuple[str, ...]:
        """Returns the outputs to compute: all, or those named. Raises StatusError for unknown or repeated names."""
        if not output_filter:
            return self._all_outputs
        seen: dict[str, None] = {}
        for alias in output_filter:
            if alias not in self._outputs:
                raise statuses.output_not_found(alias, self._outputs)
            if alias in seen:
                raise statuses.duplicate_output(alias)
            seen[alias] = None
        # In one order, whatever the request's: the answer is a map.
        return tuple(sorted(seen))

    def encode(self, outputs: Sequence[str], arrays: Sequence[Any], response: Any, as_content: bool = False) -> None:
        """Writes arrays into ``response``, a map from alias to TensorProto."""
        for alias, value in zip(outputs, arrays, strict=True):
            tensors.encode(value, self._outputs[alias][1], response[alias], as_content)

    def output_dtype(self, alias: str) -> int:
        """The dtype that the signature declares for an output."""
        return int(self._outputs[alias][1])

    def order(self, arrays: Mapping[str, Any]) -> list[Any]:
        """Returns arrays by alias, and defaults for those that are not there, in the order of a run.

        Raises:
            StatusError: an input is missing.
        """
        values = []
        for alias, feed, _ in self._inputs:
            value = arrays.get(alias, self._defaults.get(alias))
            if value is None:
                raise statuses.input_not_found(alias, feed, arrays, self._defaults)
            values.append(value)
        return values

    @property
    def feed(self) -> str | None:
        """The name of the tensor that is fed, if there is only one."""
        return self._inputs[0][1] if len(self._inputs) == 1 else None

    @property
    def defaults(self) -> Mapping[str, Any]:
        """The arrays of inputs that a request may leave out."""
        return self._defaults

    def plan(self, outputs: tuple[str, ...]) -> Plan:
        """Returns what to run for these outputs, which must be known ones. Raises StatusError if they cannot be had."""
        plan = self._plans.get(outputs)
        if plan is None:
            for alias in outputs:
                if self._outputs[alias][1] in _NO_MESSAGES:
                    raise statuses.no_message(alias, tensors.dtype_name(self._outputs[alias][1]))
            plan = remember(self._plans, outputs, Plan(self._input_aliases, outputs, self.runner(outputs)))
        return plan

    def runner(self, outputs: Sequence[str], beside: Sequence[str] = ()) -> Runner:
        """Returns what computes outputs and, ``beside`` them, tensors of the graph, by name. Slow to make."""
        feeds = [feed for _, feed, _ in self._inputs]
        return self._make_runner(feeds, [*(self._outputs[alias][0] for alias in outputs), *beside])


def _decode(alias: str, proto: Any) -> Any:
    try:
        return tensors.decode(proto)
    except (ValueError, OverflowError) as error:
        raise statuses.tensor_parsing(alias) from error
