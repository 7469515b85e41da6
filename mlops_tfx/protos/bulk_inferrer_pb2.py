"""The messages of ``tfx.proto.bulk_inferrer_pb2``, from ``bulk_inferrer.proto``."""

from mlops_tfx.protos.registry import publish

publish(globals(), "tfx/proto/bulk_inferrer.proto")
