"""The messages of ``tfx.proto.trainer_pb2``, from ``trainer.proto``."""

from mlops_tfx.protos.registry import publish

publish(globals(), "tfx/proto/trainer.proto")
