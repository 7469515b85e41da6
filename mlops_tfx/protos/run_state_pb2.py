"""The messages of ``tfx.proto.orchestration.run_state_pb2``, from ``run_state.proto``."""

from mlops_tfx.protos.registry import publish

publish(globals(), "tfx/proto/orchestration/run_state.proto")
