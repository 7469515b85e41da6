"""Configuration models have the shape of tfx.v1.proto and refuse what does not fit."""

from __future__ import annotations

import pytest

from mlops_tfx.config import (
    FileFormat,
    Input,
    Output,
    PayloadFormat,
    PushDestination,
    RangeConfig,
    RollingRange,
    SplitConfig,
    StaticRange,
    TrainArgs,
    Versioning,
)
from mlops_tfx.errors import ConfigError


def test_nested_construction_and_equality():
    config = Input(splits=[Input.Split(name="train", pattern="train/*"), {"name": "eval", "pattern": "eval/*"}])
    assert config == Input.model_validate(config.model_dump())
    assert [split.name for split in config.splits] == ["train", "eval"]


def test_enum_numbers_are_those_of_the_protos():
    assert (PayloadFormat.FORMAT_TF_EXAMPLE, PayloadFormat.FORMAT_PROTO, PayloadFormat.FORMAT_PARQUET) == (6, 11, 15)
    assert (FileFormat.FORMAT_TFRECORDS_GZIP, FileFormat.FILE_FORMAT_PARQUET) == (5, 16)
    assert (Versioning.AUTO, Versioning.UNIX_TIMESTAMP) == (0, 1)


def test_defaults():
    assert TrainArgs().num_steps == 0
    assert Output().split_config is None
    assert RollingRange().num_spans == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Input(split=[]), "Input has no field 'split'; did you mean 'splits'"),
        (lambda: TrainArgs(num_steps=-1), "TrainArgs.num_steps: .*greater than or equal to 0, received -1"),
        (lambda: TrainArgs(num_steps="many"), "TrainArgs.num_steps: .*received 'many'"),
        (lambda: SplitConfig.Split(name="a", hash_buckets=-1), "SplitConfig.Split.hash_buckets"),
        (lambda: PushDestination.Filesystem(base_directory=""), "base_directory"),
        (lambda: RangeConfig(static_range=StaticRange(), rolling_range=RollingRange()), "at most one of static_range"),
    ],
)
def test_wrong_values(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_assignment_is_checked():
    args = TrainArgs(num_steps=1)
    args.num_steps = 5
    assert args.num_steps == 5
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        args.num_steps = -5
