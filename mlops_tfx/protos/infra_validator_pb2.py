"""The messages of ``tfx.proto.infra_validator_pb2``, from ``infra_validator.proto``."""

from mlops_tfx.protos.registry import publish

publish(globals(), "tfx/proto/infra_validator.proto")
