"""The messages of ``tfx.proto.range_config_pb2``, from ``range_config.proto``."""

from mlops_tfx.protos.registry import publish

publish(globals(), "tfx/proto/range_config.proto")
