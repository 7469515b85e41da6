"""``tfx.v1.proto``: the messages that components are configured with; real protobuf messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tfx.v1.lazy import SUBMODULE, offer

if TYPE_CHECKING:
    from mlops_tfx.protos.bulk_inferrer_pb2 import (
        ClassifyOutput,
        DataSpec,
        ModelSpec,
        OutputColumnsSpec,
        OutputExampleSpec,
        PredictOutput,
        PredictOutputCol,
        RegressOutput,
    )
    from mlops_tfx.protos.distribution_validator_pb2 import DistributionValidatorConfig, FeatureComparator
    from mlops_tfx.protos.evaluator_pb2 import FeatureSlicingSpec, SingleSlicingSpec
    from mlops_tfx.protos.example_diff_pb2 import ExampleDiffConfig, PairedExampleSkew
    from mlops_tfx.protos.example_gen_pb2 import CustomConfig, Input, Output, PayloadFormat, SplitConfig
    from mlops_tfx.protos.infra_validator_pb2 import (
        EnvVar,
        EnvVarSource,
        KubernetesConfig,
        LocalDockerConfig,
        PodOverrides,
        RequestSpec,
        SecretKeySelector,
        ServingSpec,
        TensorFlowServing,
        TensorFlowServingRequestSpec,
        ValidationSpec,
    )
    from mlops_tfx.protos.pusher_pb2 import PushDestination, Versioning
    from mlops_tfx.protos.range_config_pb2 import RangeConfig, RollingRange, StaticRange
    from mlops_tfx.protos.trainer_pb2 import EvalArgs, TrainArgs
    from mlops_tfx.protos.transform_pb2 import SplitsConfig
    from mlops_tfx.protos.tuner_pb2 import TuneArgs
    from mlops_tfx.v1.proto import orchestration

    Filesystem = PushDestination.Filesystem

__all__ = [
    "ClassifyOutput",
    "CustomConfig",
    "DataSpec",
    "DistributionValidatorConfig",
    "EnvVar",
    "EnvVarSource",
    "EvalArgs",
    "ExampleDiffConfig",
    "FeatureComparator",
    "FeatureSlicingSpec",
    "Filesystem",
    "Input",
    "KubernetesConfig",
    "LocalDockerConfig",
    "ModelSpec",
    "Output",
    "OutputColumnsSpec",
    "OutputExampleSpec",
    "PairedExampleSkew",
    "PayloadFormat",
    "PodOverrides",
    "PredictOutput",
    "PredictOutputCol",
    "PushDestination",
    "RangeConfig",
    "RegressOutput",
    "RequestSpec",
    "RollingRange",
    "SecretKeySelector",
    "ServingSpec",
    "SingleSlicingSpec",
    "SplitConfig",
    "SplitsConfig",
    "StaticRange",
    "TensorFlowServing",
    "TensorFlowServingRequestSpec",
    "TrainArgs",
    "TuneArgs",
    "ValidationSpec",
    "Versioning",
    "orchestration",
]

_PROTOS = "mlops_tfx.protos"
_HOMES = {
    **dict.fromkeys(
        (
            "ClassifyOutput",
            "DataSpec",
            "ModelSpec",
            "OutputColumnsSpec",
            "OutputExampleSpec",
            "PredictOutput",
            "PredictOutputCol",
            "RegressOutput",
        ),
        f"{_PROTOS}.bulk_inferrer_pb2",
    ),
    **dict.fromkeys(("DistributionValidatorConfig", "FeatureComparator"), f"{_PROTOS}.distribution_validator_pb2"),
    **dict.fromkeys(("FeatureSlicingSpec", "SingleSlicingSpec"), f"{_PROTOS}.evaluator_pb2"),
    **dict.fromkeys(("ExampleDiffConfig", "PairedExampleSkew"), f"{_PROTOS}.example_diff_pb2"),
    **dict.fromkeys(("CustomConfig", "Input", "Output", "PayloadFormat", "SplitConfig"), f"{_PROTOS}.example_gen_pb2"),
    **dict.fromkeys(
        (
            "EnvVar",
            "EnvVarSource",
            "KubernetesConfig",
            "LocalDockerConfig",
            "PodOverrides",
            "RequestSpec",
            "SecretKeySelector",
            "ServingSpec",
            "TensorFlowServing",
            "TensorFlowServingRequestSpec",
            "ValidationSpec",
        ),
        f"{_PROTOS}.infra_validator_pb2",
    ),
    **dict.fromkeys(("PushDestination", "Versioning"), f"{_PROTOS}.pusher_pb2"),
    **dict.fromkeys(("RangeConfig", "RollingRange", "StaticRange"), f"{_PROTOS}.range_config_pb2"),
    **dict.fromkeys(("EvalArgs", "TrainArgs"), f"{_PROTOS}.trainer_pb2"),
    **dict.fromkeys(("SplitsConfig",), f"{_PROTOS}.transform_pb2"),
    **dict.fromkeys(("TuneArgs",), f"{_PROTOS}.tuner_pb2"),
    "Filesystem": f"{_PROTOS}.pusher_pb2:PushDestination.Filesystem",  # in TFX's __all__, but not there
    "orchestration": SUBMODULE,
}

__getattr__, __dir__ = offer(__name__, _HOMES)
