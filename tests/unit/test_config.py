"""Configuration models have the shape of tfx.v1.proto and refuse what does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from mlops_tfx import config
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
    ValidationSpec,
    Versioning,
)
from mlops_tfx.errors import ConfigError
from mlops_tfx.parameters import check_parameter
from mlops_tfx.protos import example_gen_pb2, infra_validator_pb2, pusher_pb2, trainer_pb2


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


BUILT = Output(split_config=SplitConfig(splits=[SplitConfig.Split(name="train", hash_buckets=3)]))


@pytest.mark.parametrize(
    "form",
    [
        {"split_config": {"splits": [{"name": "train", "hash_buckets": 3}]}},
        {"splitConfig": {"splits": [{"name": "train", "hashBuckets": 3}]}},
        '{"split_config": {"splits": [{"name": "train", "hash_buckets": 3}]}}',
        '{"splitConfig": {"splits": [{"name": "train", "hashBuckets": 3}]}}',
        example_gen_pb2.Output(split_config={"splits": [{"name": "train", "hash_buckets": 3}]}),
    ],
)
def test_other_forms_of_the_same(form):
    assert check_parameter(Output | None, form) == (BUILT, None)
    assert Output.model_validate(form) == BUILT


def test_what_a_message_has_not_set_takes_the_default():
    assert ValidationSpec.model_validate(infra_validator_pb2.ValidationSpec(num_tries=2)) == ValidationSpec(num_tries=2)
    assert ValidationSpec().max_loading_time_seconds == 300


def test_a_message_within_a_model():
    split = example_gen_pb2.SplitConfig.Split(name="train", hash_buckets=3)
    assert Output(split_config=SplitConfig(splits=[split])) == BUILT


def test_enums_by_number_and_by_name():
    message = pusher_pb2.PushDestination.Filesystem(base_directory="/srv", versioning=1)
    by_name = {"base_directory": "/srv", "versioning": "UNIX_TIMESTAMP"}
    for form in (message, by_name, {**by_name, "versioning": 1}):
        assert PushDestination.Filesystem.model_validate(form).versioning is Versioning.UNIX_TIMESTAMP
    assert check_parameter(PayloadFormat, 15) == (PayloadFormat.FORMAT_PARQUET, None)


@pytest.mark.parametrize(
    ("annotation", "form", "text"),
    [
        (TrainArgs, '{"num_step": 3}', "TrainArgs has no field 'num_step'; did you mean 'num_steps'"),
        (TrainArgs | None, '{"num_steps": ', "TrainArgs"),
        (TrainArgs, trainer_pb2.TrainArgs(num_steps=-1), "num_steps: Input should be greater than or equal to 0"),
        (TrainArgs, example_gen_pb2.SplitConfig(partition_feature_name="x"), "no field 'partition_feature_name'"),
        (Output, {"split_config": {"splits": [{"name": "a", "hash_bucket": 1}]}}, "did you mean 'hash_buckets'"),
        (PayloadFormat, 14, "expected PayloadFormat, received 14"),
        (Versioning, "LATEST", "expected Versioning, received 'LATEST'"),
        (TrainArgs, 5, "expected TrainArgs, received 5"),
    ],
)
def test_other_forms_that_are_wrong(annotation, form, text):
    _, problem = check_parameter(annotation, form)
    assert problem is not None
    assert text in problem


@given(names=st.lists(st.text(max_size=5), max_size=4), steps=st.integers(0, 2**31 - 1))
def test_a_message_and_its_json_say_the_same(names, steps):
    message = trainer_pb2.TrainArgs(splits=names, num_steps=steps)
    expected = TrainArgs(splits=names, num_steps=steps)
    assert TrainArgs.model_validate(message) == expected
    assert TrainArgs.model_validate(json_format.MessageToJson(message)) == expected


# Messages whose fields stand elsewhere: Kubernetes' settings are refused as a whole, RunState is no configuration.
WITHOUT_MODEL = {"Resources", "RunState", "RunState.StatusCodeValue"}


def messages(file, prefix=""):
    for message in file.get("message_type", file.get("nested_type", [])):
        if not message.get("options", {}).get("map_entry"):
            yield f"{prefix}{message['name']}", message
            yield from messages({"nested_type": message.get("nested_type", [])}, f"{prefix}{message['name']}.")


MESSAGES = {
    name: message
    for file in json.loads((Path(__file__).parents[1] / "golden" / "tfx_surface.json").read_text())["files"].values()
    for name, message in messages(file)
}


@pytest.mark.parametrize("name", MESSAGES)
def test_every_field_of_every_message_is_known(name):
    if name in WITHOUT_MODEL:
        assert not hasattr(config, name)
        return
    model = config
    for part in name.split("."):
        model = getattr(model, part)
    fields = {field["name"]: field for field in MESSAGES[name].get("field", [])}
    assert set(fields) <= set(model.model_fields)
    oneofs: dict[int, set[str]] = {}
    for field in fields.values():
        oneofs.setdefault(field.get("oneof_index", -1), set()).add(field["name"])
    for index, members in oneofs.items():
        if index >= 0 and len(members) > 1:
            assert any(members <= set(names) for names in model.ONEOFS), members
