"""``tfx.v1.proto.orchestration``: the state of a run, as a message."""

from __future__ import annotations

from mlops_tfx.protos.run_state_pb2 import RunState

__all__ = ["RunState"]
