"""The messages of ``tfx.proto.example_gen_pb2``, from ``example_gen.proto``."""

from mlops_tfx.protos.registry import publish

publish(globals(), "tfx/proto/example_gen.proto")
