"""The messages of ``tfx.proto.evaluator_pb2``, from ``evaluator.proto``."""

from mlops_tfx.protos.registry import publish

publish(globals(), "tfx/proto/evaluator.proto")
