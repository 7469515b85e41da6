"""One signature of a loaded model: checks a request against it, and runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlops_tfx.serving.server import statuses, tensors

Runner = Callable[[Sequence[Any]], Sequence[Any]]
MakeRunner = Callable[[Sequence[str], Sequence[str]], Runner]


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
        self._runners: dict[tuple[str, ...], Runner] = {}
        self._runner(self._all_outputs)

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
        return tuple(seen)

    def run(self, values: Sequence[Any], outputs: tuple[str, ...], response: Mapping[str, Any]) -> None:
        """Runs the signature and writes the outputs into ``response``, a map from alias to TensorProto."""
        for alias, value in zip(outputs, self._runner(outputs)(values), strict=True):
            tensors.encode(value, self._outputs[alias][1], response[alias])

    def _runner(self, outputs: tuple[str, ...]) -> Runner:
        runner = self._runners.get(outputs)
        if runner is None:
            feeds = [feed for _, feed, _ in self._inputs]
            runner = self._make_runner(feeds, [self._outputs[alias][0] for alias in outputs])
            self._runners[outputs] = runner
        return runner


def _decode(alias: str, proto: Any) -> Any:
    try:
        return tensors.decode(proto)
    except (ValueError, OverflowError) as error:
        raise statuses.tensor_parsing(alias) from error
