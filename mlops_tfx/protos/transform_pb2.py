"""The messages of ``tfx.proto.transform_pb2``, from ``transform.proto``."""

from mlops_tfx.protos.registry import publish

publish(globals(), "tfx/proto/transform.proto")
