"""Configuration models, named and shaped as the messages of ``tfx.v1.proto`` (TFX 1.16).

They are built by keyword (``Input(splits=[Input.Split(name="train", pattern="train/*")])``), compare by value, and
refuse unknown fields with the nearest name. Fields of a ``oneof`` exclude each other.
"""

from __future__ import annotations

import enum
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mlops_tfx.errors import ConfigError, did_you_mean


class Config(BaseModel):
    """Base of all configuration models. Wrong values raise ConfigError."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)
    ONEOFS: ClassVar[tuple[tuple[str, ...], ...]] = ()

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise ConfigError(_explain(type(self), error)) from error

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
        if item["type"] == "extra_forbidden" and len(item["loc"]) == 1:
            lines.append(f"{cls.__qualname__} has no field {place!r}{did_you_mean(place, cls.model_fields)}")
        else:
            where = f"{cls.__qualname__}.{place}" if place else cls.__qualname__
            lines.append(f"{where}: {item['msg']}, received {item['input']!r}")
    return "; ".join(lines)


class PayloadFormat(enum.IntEnum):
    """What a record of an Examples artifact holds (``example_gen.proto``)."""

    FORMAT_UNSPECIFIED = 0
    FORMAT_TF_EXAMPLE = 6
    FORMAT_TF_SEQUENCE_EXAMPLE = 7
    FORMAT_PROTO = 11
    FORMAT_PARQUET = 15


class FileFormat(enum.IntEnum):
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
    """How rows are divided: by hash into buckets; optionally of one feature instead of the whole record."""

    class Split(Config):
        """One output split and its share of the buckets."""

        name: str
        hash_buckets: int = Field(ge=0, le=2**32 - 1)

    splits: list[Split] = Field(default_factory=list)
    partition_feature_name: str | None = None


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


class Versioning(enum.IntEnum):
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
