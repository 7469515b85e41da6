"""The messages of ``tfx.proto.pusher_pb2``, from ``pusher.proto``."""

from mlops_tfx.protos.registry import publish

publish(globals(), "tfx/proto/pusher.proto")
