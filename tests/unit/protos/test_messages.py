"""The messages behave as protobuf's do, and say which field may have been meant."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import pytest
from google.protobuf import json_format, message, text_format

from mlops_tfx.errors import ConfigError
from mlops_tfx.protos import (
    distribution_validator_pb2,
    example_gen_pb2,
    infra_validator_pb2,
    pusher_pb2,
    range_config_pb2,
    registry,
    trainer_pb2,
)

Input, Output, SplitConfig = example_gen_pb2.Input, example_gen_pb2.Output, example_gen_pb2.SplitConfig
PushDestination = pusher_pb2.PushDestination


def test_built_by_keyword_with_nested_classes():
    built = Input(splits=[Input.Split(name="train", pattern="train/*"), {"name": "eval", "pattern": "eval/*"}])
    assert isinstance(built, message.Message)
    assert [(split.name, split.pattern) for split in built.splits] == [("train", "train/*"), ("eval", "eval/*")]


def test_repeated_fields_append_extend_and_add():
    built = SplitConfig()
    built.splits.add(name="a", hash_buckets=1)
    built.splits.append(SplitConfig.Split(name="b", hash_buckets=2))
    built.splits.extend([SplitConfig.Split(name="c", hash_buckets=3)])
    assert [(split.name, split.hash_buckets) for split in built.splits] == [("a", 1), ("b", 2), ("c", 3)]


def test_messages_within_are_changed_in_place():
    destination = PushDestination()
    assert not destination.HasField("filesystem")
    destination.filesystem.base_directory = "/srv"
    destination.filesystem.versioning = pusher_pb2.Versioning.UNIX_TIMESTAMP
    assert destination.WhichOneof("destination") == "filesystem"
    other = PushDestination()
    other.CopyFrom(destination)
    other.MergeFrom(PushDestination(filesystem=PushDestination.Filesystem(base_directory="/other")))
    assert (other.filesystem.base_directory, other.filesystem.versioning) == ("/other", 1)
    other.ClearField("filesystem")
    assert other == PushDestination()


def test_a_oneof_keeps_the_last_that_was_set():
    chosen = range_config_pb2.RangeConfig(static_range={"start_span_number": 1, "end_span_number": 2})
    chosen.rolling_range.num_spans = 3
    assert chosen.WhichOneof("range") == "rolling_range"
    assert not chosen.HasField("static_range")


def test_bytes_text_and_json_in_and_out():
    built = Output(split_config={"splits": [{"name": "train", "hash_buckets": 3}], "partition_feature_name": "id"})
    assert Output.FromString(built.SerializeToString()) == built
    assert text_format.Parse(text_format.MessageToString(built), Output()) == built
    assert json_format.Parse(json_format.MessageToJson(built), Output()) == built
    built.split_config.ClearField("partition_feature_name")
    spelled = {"splitConfig": {"splits": [{"name": "train", "hashBuckets": 3}]}}
    assert json_format.ParseDict(spelled, Output()) == built


def test_pickled_and_copied():
    built = Input(splits=[{"name": "train"}])
    for original in (built, built.splits[0]):
        assert pickle.loads(pickle.dumps(original)) == original
        assert copy.deepcopy(original) == original


def test_enums_have_names_and_numbers():
    formats = example_gen_pb2.PayloadFormat
    assert formats.FORMAT_PARQUET == 15 == example_gen_pb2.FORMAT_PARQUET
    assert (formats.Name(15), formats.Value("FORMAT_PROTO")) == ("FORMAT_PARQUET", 11)
    assert dict(pusher_pb2.Versioning.items()) == {"AUTO": 0, "UNIX_TIMESTAMP": 1}


def test_messages_of_other_packages_fit_in():
    from google.protobuf import any_pb2
    from tensorflow_metadata.proto.v0 import path_pb2

    packed = any_pb2.Any()
    packed.Pack(trainer_pb2.TrainArgs(num_steps=7))
    unpacked = trainer_pb2.TrainArgs()
    assert example_gen_pb2.CustomConfig(custom_config=packed).custom_config.Unpack(unpacked)
    assert unpacked.num_steps == 7
    compared = distribution_validator_pb2.FeatureComparator(path=path_pb2.Path(step=["fare"]))
    assert list(compared.path.step) == ["fare"]


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Input(split=[]), ConfigError, "Input has no field 'split'; did you mean 'splits'"),
        (lambda: Input(splits=[{"patern": ""}]), ConfigError, "Input.Split has no field 'patern'; .* 'pattern'"),
        (lambda: Output(split_config={"splits": [{"nme": ""}]}), ConfigError, "SplitConfig.Split has no field 'nme'"),
        (
            lambda: infra_validator_pb2.ServingSpec(local_docker={"client_base": ""}),
            ConfigError,
            "LocalDockerConfig has no field 'client_base'; did you mean 'client_base_url'",
        ),
        (lambda: setattr(Input(), "splitz", 1), AttributeError, "Input has no field 'splitz'; did you mean 'splits'"),
        (lambda: Input().splitz, AttributeError, "Input has no field 'splitz'; did you mean 'splits'"),
        (lambda: SplitConfig.Split(hash_buckets=-1), ConfigError, "SplitConfig.Split.hash_buckets: .*hash_buckets=-1"),
        (lambda: trainer_pb2.TrainArgs(num_steps="1"), TypeError, "TrainArgs.num_steps: .*, received num_steps='1'"),
        (lambda: setattr(trainer_pb2.TrainArgs(), "num_steps", "1"), TypeError, "str"),
    ],
)
def test_wrong_fields_and_values(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_a_file_that_is_registered_already_is_taken_as_it_is():
    again: dict[str, object] = {"__name__": "elsewhere"}
    registry.publish(again, "tfx/proto/trainer.proto")
    assert again["DESCRIPTOR"] == trainer_pb2.DESCRIPTOR
    assert again["TrainArgs"](num_steps=1) == trainer_pb2.TrainArgs(num_steps=1)  # type: ignore[operator]
    registry.publish(vars(trainer_pb2), "tfx/proto/trainer.proto")


def test_tensorflow_metadata_is_only_imported_for_what_needs_it():
    code = "import sys, mlops_tfx.protos.example_gen_pb2; sys.exit('tensorflow_metadata' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
