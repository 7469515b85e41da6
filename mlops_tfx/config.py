"""Configuration models, named and shaped as the messages of ``tfx.v1.proto`` (TFX 1.16).

They are built by keyword (``Input(splits=[Input.Split(name="train", pattern="train/*")])``), compare by value, and
refuse unknown fields with the nearest name. Fields of a ``oneof`` exclude each other. Wherever one is expected, a
protobuf message with the same field names (``tfx.v1.proto``'s, or TFX's own), a dict or JSON text will do.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mlops_tfx.errors import ConfigError, did_you_mean
from mlops_tfx.placeholders import contains_placeholder
from mlops_tfx.protos.forms import plain_fields


class Config(BaseModel):
    """Base of all configuration models. Wrong values raise ConfigError."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)
    ONEOFS: ClassVar[tuple[tuple[str, ...], ...]] = ()

    def __init__(self, **fields: Any) -> None:
        if contains_placeholder(fields) and set(fields) <= set(type(self).model_fields):
            self._take_unchecked(fields)
            return
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise ConfigError(_explain(type(self), error)) from error

    def _take_unchecked(self, fields: dict[str, Any]) -> None:
        # Values follow when the node runs; the model is then made anew, and checked.
        template = type(self).model_construct(**fields)
        object.__setattr__(self, "__dict__", template.__dict__)
        object.__setattr__(self, "__pydantic_fields_set__", template.__pydantic_fields_set__)
        object.__setattr__(self, "__pydantic_extra__", None)
        object.__setattr__(self, "__pydantic_private__", None)

    @model_validator(mode="before")
    @classmethod
    def _from_other_forms(cls, value: Any) -> Any:
        fields = plain_fields(value, cls.model_fields)
        for name in fields if isinstance(fields, Mapping) else ():
            if name not in cls.model_fields:
                hint = did_you_mean(str(name), cls.model_fields)
                raise ValueError(f"{cls.__qualname__} has no field {name!r}{hint}")
        return fields

    @model_validator(mode="after")
    def _one_of_each(self) -> Config:
        for names in self.ONEOFS:
            given = [name for name in names if getattr(self, name) is not None]
            if len(given) > 1:
                raise ValueError(f"at most one of {', '.join(names)} may be set, received {', '.join(given)}")
        return self


def _explain(cls: type[Config], error: ValidationError) -> str:
    lines = []
    for item in error.errors():
        place = ".".join(str(step) for step in item["loc"])
        if item["type"] == "value_error" and not place:
            lines.append(str(item["ctx"]["error"]))
        else:
            where = f"{cls.__qualname__}.{place}" if place else cls.__qualname__
            lines.append(f"{where}: {item['msg']}, received {item['input']!r}")
    return "; ".join(lines)


class NamedNumber(enum.IntEnum):
    """An enum of the protos; a member may also be given by number or, as in JSON, by name."""

    @classmethod
    def _missing_(cls, value: object) -> NamedNumber | None:
        return cls.__members__.get(value) if isinstance(value, str) else None


class PayloadFormat(NamedNumber):
    """What a record of an Examples artifact holds (``example_gen.proto``)."""

    FORMAT_UNSPECIFIED = 0
    FORMAT_TF_EXAMPLE = 6
    FORMAT_TF_SEQUENCE_EXAMPLE = 7
    FORMAT_PROTO = 11
    FORMAT_PARQUET = 15


class FileFormat(NamedNumber):
    """How an Examples artifact is stored (``example_gen.proto``)."""

    FILE_FORMAT_UNSPECIFIED = 0
    FORMAT_TFRECORDS_GZIP = 5
    FILE_FORMAT_PARQUET = 16


class Input(Config):
    """Input splits of an ExampleGen, each a name and a file pattern below ``input_base``."""

    class Split(Config):
        """One input split."""

        name: str
        pattern: str

    splits: list[Split] = Field(default_factory=list)


class SplitConfig(Config):
    """How rows are divided: by hash into buckets; optionally of one feature instead of the whole record.

    Beyond TFX: with ``order_by``, the rows with the lowest values of a feature (the oldest, if it is a time) are the
    first split and those with the highest the last, in the ratio of the buckets.
    """

    ONEOFS = (("partition_feature_name", "order_by"),)

    class Split(Config):
        """One output split and its share of the buckets."""

        name: str
        hash_buckets: int = Field(ge=0, le=2**32 - 1)

    splits: list[Split] = Field(default_factory=list)
    partition_feature_name: str | None = None
    order_by: str | None = None


class Output(Config):
    """Output of an ExampleGen."""

    split_config: SplitConfig | None = None


class StaticRange(Config):
    """Spans from start to end, both included."""

    start_span_number: int = 0
    end_span_number: int = 0


class RollingRange(Config):
    """The latest ``num_spans`` spans, from ``start_span_number`` on."""

    start_span_number: int = 0
    num_spans: int = 1


class RangeConfig(Config):
    """Which spans to take."""

    ONEOFS = (("static_range", "rolling_range"),)
    static_range: StaticRange | None = None
    rolling_range: RollingRange | None = None


class CustomConfig(Config):
    """Free configuration for a custom ExampleGen."""

    custom_config: dict[str, Any] | None = None


class SplitsConfig(Config):
    """Which splits Transform analyzes and which it transforms. Empty ``transform``: all."""

    analyze: list[str] = Field(default_factory=list)
    transform: list[str] = Field(default_factory=list)


class TrainArgs(Config):
    """Splits and number of steps for training. 0 steps: run_fn decides."""

    splits: list[str] = Field(default_factory=list)
    num_steps: int = Field(default=0, ge=0)


class EvalArgs(Config):
    """Splits and number of steps for evaluation while training. 0 steps: run_fn decides."""

    splits: list[str] = Field(default_factory=list)
    num_steps: int = Field(default=0, ge=0)


class TuneArgs(Config):
    """Number of trials a Tuner runs side by side."""

    num_parallel_trials: int = Field(default=0, ge=0)


class Versioning(NamedNumber):
    """How a pushed version is numbered."""

    AUTO = 0
    UNIX_TIMESTAMP = 1


class PushDestination(Config):
    """Where Pusher delivers a model."""

    class Filesystem(Config):
        """A folder that holds one folder per version."""

        base_directory: str = Field(min_length=1)
        versioning: Versioning = Versioning.AUTO

    filesystem: Filesystem | None = None


class SingleSlicingSpec(Config):
    """Columns whose values, together, make one slice each."""

    column_for_slicing: list[str] = Field(default_factory=list)


class FeatureSlicingSpec(Config):
    """Slices of an Evaluator (deprecated in TFX in favour of EvalConfig)."""

    specs: list[SingleSlicingSpec] = Field(default_factory=list)


class InfinityNorm(Config):
    """Largest difference in the share of any one value; for categorical features."""

    threshold: float = Field(ge=0)


class JensenShannonDivergence(Config):
    """Divergence in bits, from 0 to 1; for numeric and categorical features. ``source``: HistogramSelection."""

    threshold: float = Field(ge=0)
    source: dict[str, Any] | None = None


class NormalizedAbsoluteDifference(Config):
    """Largest difference in the count of any one value, as a share of all values; for categorical features."""

    threshold: float = Field(ge=0)


class DistributionComparator(Config):
    """``tensorflow_metadata``'s FeatureComparator: the distances above which two distributions differ."""

    infinity_norm: InfinityNorm | None = None
    jensen_shannon_divergence: JensenShannonDivergence | None = None
    normalized_abs_difference: NormalizedAbsoluteDifference | None = None


class NumericValueComparator(Config):
    """By which factor a number may fall (below 1) or grow (above 1)."""

    min_fraction_threshold: float | None = Field(default=None, ge=0)
    max_fraction_threshold: float | None = Field(default=None, ge=0)


class Path(Config):
    """The path of a feature; a feature of a tf.Example has one step, its name."""

    step: list[str] = Field(min_length=1)


class FeatureComparator(Config):
    """A feature and how its distributions are compared."""

    path: Path
    distribution_comparator: DistributionComparator = Field(default_factory=DistributionComparator)


class DistributionValidatorConfig(Config):
    """What DistributionValidator compares, and from where on a difference is an anomaly."""

    class DatasetConfig(Config):
        """Comparators for one dataset."""

        feature: list[FeatureComparator] = Field(default_factory=list)
        num_examples_comparator: NumericValueComparator | None = None

    default_slice_config: DatasetConfig = Field(default_factory=DatasetConfig)


class PairedExampleSkew(Config):
    """Pairs rows by the features that identify them, and compares all others.

    Attributes:
        identifier_features: features that together identify a row.
        skew_sample_size: differing pairs to keep as a sample.
        ignore_features: features not to compare.
        float_round_ndigits: digits after the decimal point to round floats to, at most 12 (a tf.Example holds 7
            significant ones); None compares them as they are. TFX cannot tell None from 0, and rounds to integers.
        allow_duplicate_identifiers: whether rows whose identifiers occur several times are compared, each with each;
            otherwise they are left out.
        confusion_config: features whose pairs of values are counted.
    """

    class ConfusionConfig(Config):
        """A feature of at most one text or bytes value, whose pairs of values are counted."""

        feature_name: str

    identifier_features: list[str] = Field(min_length=1)
    skew_sample_size: int = Field(default=0, ge=0, le=2**32 - 1)
    ignore_features: list[str] = Field(default_factory=list)
    float_round_ndigits: int | None = Field(default=None, ge=0, le=12)
    allow_duplicate_identifiers: bool = False
    confusion_config: list[ConfusionConfig] = Field(default_factory=list)


class ExampleDiffConfig(Config):
    """What ExampleDiff compares."""

    paired_example_skew: PairedExampleSkew | None = None


class ModelSpec(Config):
    """Which part of a SavedModel BulkInferrer runs: signatures (default ``serving_default``) of the graph with tags."""

    model_signature_name: list[str] = Field(default_factory=list)
    tag: list[str] = Field(default_factory=list)


class DataSpec(Config):
    """Which splits BulkInferrer reads; none for all."""

    example_splits: list[str] = Field(default_factory=list)


class ClassifyOutput(Config):
    """Columns for the labels and the scores of all classes; an empty name leaves one out."""

    label_column: str = ""
    score_column: str = ""


class RegressOutput(Config):
    """The column for a regression's value."""

    value_column: str = Field(min_length=1)


class PredictOutputCol(Config):
    """An output of a signature, and the column for it."""

    output_key: str = Field(min_length=1)
    output_column: str = Field(min_length=1)


class PredictOutput(Config):
    """Columns for outputs of a signature."""

    output_columns: list[PredictOutputCol] = Field(min_length=1)


class OutputColumnsSpec(Config):
    """The columns for the outputs of one signature; an empty name means ``serving_default``."""

    ONEOFS = (("classify_output", "regress_output", "predict_output"),)

    signature_name: str = ""
    classify_output: ClassifyOutput | None = None
    regress_output: RegressOutput | None = None
    predict_output: PredictOutput | None = None


class OutputExampleSpec(Config):
    """Which predictions BulkInferrer adds to the rows it read, one entry per signature."""

    output_columns_spec: list[OutputColumnsSpec] = Field(min_length=1)


class TensorFlowServing(Config):
    """The versions of TensorFlow Serving's Docker image to try, by tag or digest."""

    tags: list[str] = Field(default_factory=list)
    digests: list[str] = Field(default_factory=list)
    image_name: str = "tensorflow/serving"


class LocalDockerConfig(Config):
    """Docker on this machine; every field has Docker's own default."""

    client_base_url: str = ""
    client_api_version: str = ""
    client_timeout_seconds: int = Field(default=0, ge=0)
    host_ip_address: str = ""


class SecretKeySelector(Config):
    """A key of a Kubernetes secret."""

    name: str
    key: str


class EnvVarSource(Config):
    """Where the value of an environment variable comes from."""

    secret_key_ref: SecretKeySelector | None = None


class EnvVar(Config):
    """An environment variable of a pod."""

    ONEOFS = (("value", "value_from"),)

    name: str
    value: str | None = None
    value_from: EnvVarSource | None = None


class PodOverrides(Config):
    """What a pod has beside the server."""

    annotations: dict[str, str] = Field(default_factory=dict)
    env: list[EnvVar] = Field(default_factory=list)
    resources: dict[str, Any] | None = None


class KubernetesConfig(Config):
    """A cluster to run the server in. InfraValidator refuses it."""

    service_account_name: str = ""
    active_deadline_seconds: int = Field(default=86_400, ge=0)
    serving_pod_overrides: PodOverrides | None = None


class ServingSpec(Config):
    """Which server InfraValidator tries a model with, and under which name."""

    ONEOFS = (("local_docker", "kubernetes"),)

    tensorflow_serving: TensorFlowServing | None = None
    local_docker: LocalDockerConfig | None = None
    kubernetes: KubernetesConfig | None = None
    model_name: str = Field(default="infra-validation-model", min_length=1, pattern="^[^/]+$")


class ValidationSpec(Config):
    """How long loading may take, and how often starting a server is tried."""

    max_loading_time_seconds: int = Field(default=300, ge=1)
    num_tries: int = Field(default=5, ge=1)


class TensorFlowServingRequestSpec(Config):
    """Tags of the graph (default ``serve``) and signatures (default ``serving_default``) to ask."""

    tag_set: list[str] = Field(default_factory=list)
    signature_names: list[str] = Field(default_factory=list)


class RequestSpec(Config):
    """Which requests InfraValidator sends: rows of a split (default: the first), and whether to keep them as warmup."""

    tensorflow_serving: TensorFlowServingRequestSpec | None = None
    split_name: str = ""
    num_examples: int = Field(default=1, ge=1, le=1000)
    make_warmup: bool = False
