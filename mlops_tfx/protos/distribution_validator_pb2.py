"""The messages of ``tfx.proto.distribution_validator_pb2``, from ``distribution_validator.proto``."""

from mlops_tfx.protos.registry import publish

publish(globals(), "tfx/proto/distribution_validator.proto")
