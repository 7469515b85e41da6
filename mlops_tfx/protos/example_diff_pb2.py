"""The messages of ``tfx.proto.example_diff_pb2``, from ``example_diff.proto``."""

from mlops_tfx.protos.registry import publish

publish(globals(), "tfx/proto/example_diff.proto")
