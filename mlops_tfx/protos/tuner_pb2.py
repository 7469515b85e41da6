"""The messages of ``tfx.proto.tuner_pb2``, from ``tuner.proto``."""

from mlops_tfx.protos.registry import publish

publish(globals(), "tfx/proto/tuner.proto")
