"""The definition of a node as plain data, for display and export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlops_tfx.channel import BaseChannel, LoopVarChannel
from mlops_tfx.control_flow import ForEach
from mlops_tfx.node import Node
from mlops_tfx.node_options import NodeExecutionOptions
from mlops_tfx.parameters import to_json
from mlops_tfx.scope import Scope


class Definitions:
    """Writes the nodes of a pipeline; the loops in it have numbers, from 1 in the order of the nodes."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        loops = dict.fromkeys(scope for node in nodes for scope in node.scopes if isinstance(scope, ForEach))
        self._numbers: dict[Scope, int] = {loop: number for number, loop in enumerate(loops, start=1)}

    def of_node(self, node: Node) -> dict[str, Any]:
        """Returns what a node is and takes."""
        from_inputs = {producer for channel in node.inputs.values() for producer in channel.producers()}
        return {
            "id": node.id,
            "type": node.type_name,
            "inputs": {key: self.of_sources(channel) for key, channel in node.inputs.items()},
            "outputs": {key: channel.type_name for key, channel in node.outputs.items()},
            "parameters": {key: to_json(value) for key, value in node.exec_properties.items()},
            "after": [upstream.id for upstream in node.upstream_nodes() if upstream not in from_inputs],
            "beam_pipeline_args": [to_json(flag) for flag in node.beam_pipeline_args],
            **({"scopes": [self._scope(scope) for scope in node.scopes]} if node.scopes else {}),
            **_execution_options(node),
        }

    def of_sources(self, channel: BaseChannel[Any]) -> list[dict[str, Any]]:
        """Returns what each of the channels is that a channel draws from."""
        found = [dict(self._channel(source)) for source in channel.sources()]
        for definition in found:
            if channel.is_optional:
                definition["optional"] = True
            if channel.input_trigger is not None:
                definition["trigger_by_property"] = list(channel.input_trigger)
        return found

    def _scope(self, scope: Scope) -> Any:
        if not isinstance(scope, ForEach):
            return repr(scope)
        over = self.of_sources(scope.loopable) if isinstance(scope.loopable, BaseChannel) else repr(scope.loopable)
        return {"loop": self._numbers[scope], "for_each": over}

    def _channel(self, channel: BaseChannel[Any]) -> Mapping[str, Any]:
        if isinstance(channel, LoopVarChannel) and channel.loop in self._numbers:
            return {"element_of_loop": self._numbers[channel.loop], **({"key": channel.key} if channel.key else {})}
        return channel.to_dict()


def _execution_options(node: Node) -> dict[str, Any]:
    """What differs from the defaults: whether the node may be cached, and how it is run."""
    usual = vars(NodeExecutionOptions())
    given = {**vars(node.node_execution_options), "trigger_strategy": node.node_execution_options.strategy}
    options = {name: to_json(value) for name, value in given.items() if value != usual[name]}
    cache = {} if node.enable_cache is None else {"enable_cache": node.enable_cache}
    return {**cache, **({"execution_options": options} if options else {})}
