"""Executors and specs of the standard components, and what else executors import."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import struct_pb2

from mlops_tfx import config
from mlops_tfx.artifacts import (
    Examples,
    ExampleStatistics,
    InfraBlessing,
    Model,
    ModelBlessing,
    ModelRun,
    PushedModel,
    Schema,
)  # fmt: skip
from mlops_tfx.channel import Channel
from mlops_tfx.compat import (
    artifact_lists,
    channels,
    example_formats,
    files,
    json_values,
    labelled_values,
    messages,
    model_paths,
    standard_specs,
    test_cases,
    user_functions,
)
from mlops_tfx.compat.class_component import BaseComponent
from mlops_tfx.compat.component_spec import ComponentSpec
from mlops_tfx.compat.executor_specs import ExecutorClassSpec
from mlops_tfx.compat.standard_executors import GenericExecutor, PusherExecutor, SchemaGenExecutor
from mlops_tfx.components import Pusher, Trainer
from mlops_tfx.errors import UserCodeError
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io import protos
from mlops_tfx.protos import example_gen_pb2, pusher_pb2


class DeliveringExecutor(PusherExecutor):
    """Delivers a model its own way, as executors derived from TFX's Pusher do."""

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: Any) -> None:
        (pushed,) = output_dict["pushed_model"]
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            return
        settings = json.loads(exec_properties["custom_config"])
        files.copy_dir(self.GetModelPath(input_dict), settings["place"])
        self._MarkPushed(pushed, pushed_destination=settings["place"], pushed_version="1")


def make_model(folder: Path) -> Model:
    (folder / "Format-Serving").mkdir(parents=True)
    (folder / "Format-Serving" / "saved_model.pb").write_bytes(b"model")
    return Model(str(folder))


def blessing(blessed: int) -> ModelBlessing:
    return ModelBlessing("/nowhere", custom_properties={"blessed": blessed})


@pytest.mark.parametrize("blessed", [1, 0])
def test_a_pusher_with_an_executor_of_its_own(tmp_path: Path, blessed: int) -> None:
    place = tmp_path / "place"
    node = Pusher(custom_config={"place": str(place)}, custom_executor_spec=ExecutorClassSpec(DeliveringExecutor))
    inputs = {"model": make_model(tmp_path / "model"), "model_blessing": blessing(blessed)}
    problems = [problem for problem in node.problems if "input 'model'" not in problem]
    assert problems == []
    node.problems.clear()
    (pushed,) = run_component(node, inputs, tmp_path)["pushed_model"]
    assert pushed.custom_properties["pushed"] == blessed
    assert (place / "saved_model.pb").is_file() is bool(blessed)


def test_a_component_class_with_the_spec_of_a_standard_component(tmp_path: Path) -> None:
    class Delivery(BaseComponent):
        SPEC_CLASS = standard_specs.PusherSpec
        EXECUTOR_SPEC = ExecutorClassSpec(DeliveringExecutor)

        def __init__(self, model: Any, place: str) -> None:
            spec = self.SPEC_CLASS(model=model, custom_config={"place": place}, pushed_model=Channel(PushedModel))
            super().__init__(spec)

    node = Delivery(Channel(Model), str(tmp_path / "place"))
    node.spec.exec_properties["custom_config"] = json.dumps({"place": str(tmp_path / "place")})
    node._parameters.update(node.spec.exec_properties)
    (pushed,) = run_component(node, {"model": make_model(tmp_path / "model")}, tmp_path)["pushed_model"]
    assert pushed.custom_properties["pushed_version"] == "1"


def test_the_executor_of_the_pusher_itself_pushes(tmp_path: Path) -> None:
    base = str(tmp_path / "serving")
    destination = config.PushDestination(filesystem=config.PushDestination.Filesystem(base_directory=base))
    node = Pusher(push_destination=destination, custom_executor_spec=ExecutorClassSpec(PusherExecutor))
    node.problems.clear()
    (pushed,) = run_component(node, {"model": make_model(tmp_path / "model")}, tmp_path)["pushed_model"]
    assert Path(pushed.custom_properties["pushed_destination"]).parent == tmp_path / "serving"


def test_models_in_blessings_of_infrastructure(tmp_path: Path) -> None:
    executor = PusherExecutor()
    with_model = InfraBlessing(str(tmp_path), custom_properties={"blessed": 1, "has_model": 1})
    assert executor.GetModelPath({"infra_blessing": [with_model]}) == str(tmp_path / "stamped_model")
    with pytest.raises(RuntimeError, match="holds no model"):
        executor.GetModelPath({"infra_blessing": [InfraBlessing(str(tmp_path))]})
    with pytest.raises(RuntimeError, match="no model to push"):
        executor.GetModelPath({})


def test_wrong_executor_specs_are_found_while_wiring() -> None:
    for node in (Pusher(model=Channel(Model), custom_executor_spec=3), Trainer(custom_executor_spec="x")):
        assert any("expected an ExecutorClassSpec, received custom_executor_spec=" in text for text in node.problems)


def test_the_executor_of_a_trainer_calls_run_fn(tmp_path: Path) -> None:
    (tmp_path / "training.py").write_text(
        "import os\n"
        "def run_fn(fn_args):\n"
        "    os.makedirs(fn_args.serving_model_dir)\n"
        "    with open(os.path.join(fn_args.serving_model_dir, 'any_model'), 'w') as file:\n"
        "        file.write(str(fn_args.train_steps))\n"
    )
    examples = Examples(str(tmp_path / "examples"))
    examples.splits = ["train", "eval"]
    for split in examples.splits:
        (tmp_path / "examples" / f"Split-{split}").mkdir(parents=True)
        (tmp_path / "examples" / f"Split-{split}" / "data_tfrecord-00000-of-00001.gz").write_bytes(b"")
    node = Trainer(
        examples=Channel(Examples),
        module_file=str(tmp_path / "training.py"),
        train_args=config.TrainArgs(num_steps=7),
        custom_executor_spec=ExecutorClassSpec(GenericExecutor),
    )
    assert node.problems == []
    (model,) = run_component(node, {"examples": examples}, tmp_path)["model"]
    assert (Path(model.uri) / "Format-Serving" / "any_model").read_text() == "7"
    outputs = {"model": [Model(str(tmp_path))], "model_run": [ModelRun(str(tmp_path))]}
    properties = {"module_file": str(tmp_path / "training.py"), "train_args": '{"num_steps": 3}'}
    fn_args = GenericExecutor()._GetFnArgs({"examples": [examples]}, outputs, properties)
    assert (fn_args.train_steps, fn_args.train_files) == (3, [str(tmp_path / "examples" / "Split-train" / "*")])


def test_json_of_lists_reaches_our_parameters(tmp_path: Path) -> None:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    statistics = ExampleStatistics(str(tmp_path / "statistics"))
    statistics.splits = ["train", "bad"]
    found = statistics_pb2.DatasetFeatureStatisticsList()
    dataset = found.datasets.add(num_examples=1)
    feature = dataset.features.add(name="x", type=statistics_pb2.FeatureNameStatistics.INT)
    feature.num_stats.common_stats.CopyFrom(
        statistics_pb2.CommonStatistics(num_non_missing=1, min_num_values=1, max_num_values=1, tot_num_values=1)
    )
    protos.write_statistics(str(tmp_path / "statistics" / "Split-train" / "FeatureStats.pb"), found)
    schema = Schema(str(tmp_path / "schema"))
    (tmp_path / "schema").mkdir()
    SchemaGenExecutor().Do({"statistics": [statistics]}, {"schema": [schema]}, {"exclude_splits": '["bad"]'})
    read = files.SchemaReader().read(str(tmp_path / "schema" / "schema.pbtxt"))
    assert [feature.name for feature in read.feature] == ["x"]


def test_names_and_specs_of_standard_components() -> None:
    assert (standard_specs.MODEL_KEY, standard_specs.INPUT_CONFIG_KEY) == ("model", "input_config")
    trainer = standard_specs.TrainerSpec
    assert issubclass(trainer, ComponentSpec)
    assert trainer is standard_specs.TrainerSpec
    assert trainer.is_optional_input("transform_graph")
    assert trainer.PARAMETERS["train_args"].type is config.TrainArgs
    spec = trainer(examples=Channel(Examples), module_file="m.py", train_args={"num_steps": 3})
    assert json.loads(spec.exec_properties["train_args"]) == {"num_steps": 3}
    with pytest.raises(AttributeError, match="no attribute 'model_key'"):
        _ = standard_specs.model_key


def test_lists_of_artifacts(tmp_path: Path) -> None:
    one, two = Examples(str(tmp_path / "1")), Examples(str(tmp_path / "2"))
    one.splits, two.splits = ["train", "eval"], ["train"]
    assert artifact_lists.get_single_instance([one]) is one
    assert artifact_lists.get_single_uri([one]) == one.uri
    assert artifact_lists.get_split_uri([one], "eval") == f"{one.uri}/Split-eval"
    assert artifact_lists.get_split_uris([one, two], "train") == [f"{one.uri}/Split-train", f"{two.uri}/Split-train"]
    for call, said in (
        (lambda: artifact_lists.get_single_instance([one, two]), "expected one artifact, received 2"),
        (lambda: artifact_lists.get_split_uri([one, two], "train"), "expected one artifact with split 'train'"),
        (lambda: artifact_lists.get_split_uris([one, two], "eval"), "has no split 'eval'"),
        (lambda: artifact_lists.encode_split_names(["a b"]), "received 'a b'"),
    ):
        with pytest.raises(ValueError, match=said):
            call()
    assert artifact_lists.decode_split_names(artifact_lists.encode_split_names(["a", "b-1"])) == ["a", "b-1"]
    assert artifact_lists.decode_split_names("") == []
    with pytest.raises(RuntimeError, match="nothing at its uri"):
        artifact_lists.verify_artifacts({"examples": [one]})
    with pytest.raises(RuntimeError, match="has no uri"):
        artifact_lists.verify_artifacts(Examples())
    copies = artifact_lists.replicate_artifacts(one, 2)
    assert [copy.uri for copy in copies] == [f"{one.uri}/0", f"{one.uri}/1"]
    copies[0].splits = ["other"]
    assert one.splits == ["train", "eval"]


def test_channels_of_artifacts() -> None:
    artifact = Examples("/somewhere")
    channel = channels.as_channel([artifact])
    assert (channel.type, list(channel.get())) == (Examples, [artifact])
    assert channels.unwrap_channel_dict({"examples": channel}) == {"examples": [artifact]}
    assert channels.get_individual_channels(channel) == [channel]
    with pytest.raises(ValueError, match="of one type"):
        channels.as_channel([])


def test_files_and_folders(tmp_path: Path) -> None:
    source = tmp_path / "source"
    files.write_string_file(str(source / "a" / "text.txt"), "größer")
    files.write_bytes_file(str(source / "b.bin"), b"\x00")
    assert files.read_string_file(str(source / "a" / "text.txt")) == "größer"
    assert files.read_bytes_file(str(source / "b.bin")) == b"\x00"
    files.copy_dir(str(source), str(tmp_path / "all"))
    files.copy_dir(str(source), str(tmp_path / "some"), deny_regex_patterns=[r"\.bin$"])
    files.copy_dir(str(source), str(tmp_path / "bins"), allow_regex_patterns=[r"\.bin$"])
    found = {name: sorted(path.name for path in (tmp_path / name).rglob("*.*")) for name in ("all", "some", "bins")}
    assert found == {"all": ["b.bin", "text.txt"], "some": ["text.txt"], "bins": ["b.bin"]}
    with pytest.raises(FileExistsError):
        files.copy_file(str(source / "b.bin"), str(tmp_path / "all" / "b.bin"))
    files.copy_file(str(source / "a" / "text.txt"), str(tmp_path / "all" / "b.bin"), overwrite=True)
    assert (tmp_path / "all" / "b.bin").read_text() == "größer"
    assert files.get_only_uri_in_dir(str(tmp_path / "bins")) == str(tmp_path / "bins" / "b.bin")
    with pytest.raises(RuntimeError, match="expected one entry"):
        files.get_only_uri_in_dir(str(source))
    files.delete_dir(str(source))
    assert not source.exists()
    with pytest.raises(FileNotFoundError):
        files.read_string_file(str(source / "b.bin"))
    assert files.ensure_local(str(tmp_path)) == str(tmp_path)
    files.write_string_file(str(tmp_path / "head.csv"), "a,b\n1,2\n")
    assert files.load_csv_column_names(str(tmp_path / "head.csv")) == ["a", "b"]
    assert files.generate_fingerprint("s", str(tmp_path / "*.csv")).startswith("split:s,num_files:1,total_bytes:8,")


def test_messages_in_files_and_as_json(tmp_path: Path) -> None:
    message = example_gen_pb2.Input(splits=[{"name": "a", "pattern": "*"}])
    files.write_pbtxt_file(str(tmp_path / "m.pbtxt"), message)
    assert files.parse_pbtxt_file(str(tmp_path / "m.pbtxt"), example_gen_pb2.Input()) == message
    files.write_string_file(str(tmp_path / "m.json"), messages.proto_to_json(message))
    assert files.parse_json_file(str(tmp_path / "m.json"), example_gen_pb2.Input()) == message
    assert messages.json_to_proto('{"splits": [], "gone": 1}', example_gen_pb2.Input()) == example_gen_pb2.Input()
    model = config.Input.model_validate({"splits": [{"name": "a", "pattern": "*"}]})
    split = example_gen_pb2.Input.Split(name="a", pattern="*")
    assert messages.json_to_proto(model, example_gen_pb2.Input()) == example_gen_pb2.Input(splits=[split])
    assert messages.proto_to_dict(message) == {"splits": [{"name": "a", "pattern": "*"}]}
    assert messages.dict_to_proto({"num_steps": 3, "gone": 1}, config.TrainArgs()).num_steps == 3
    destination = pusher_pb2.PushDestination(filesystem={"base_directory": "/m"})
    assert json.loads(messages.as_text(destination)) == {"filesystem": {"base_directory": "/m"}}
    assert [messages.as_text(value) for value in ([1], "a", 2, make_model)] == ["[1]", "a", 2, f"{__name__}.make_model"]


def test_tfrecord_files(tmp_path: Path) -> None:
    import tensorflow as tf

    files.write_tfrecord_file(str(tmp_path / "r" / "records"), struct_pb2.Value(number_value=1.5))
    (record,) = tf.data.TFRecordDataset(str(tmp_path / "r" / "records")).as_numpy_iterator()
    assert struct_pb2.Value.FromString(record).number_value == 1.5


class Stateful(json_values.Jsonable):
    def __init__(self, state: int) -> None:
        self.state = state


def test_json_with_classes_messages_and_objects() -> None:
    value = {"class": Examples, "message": struct_pb2.Value(bool_value=True), "object": Stateful(3), "list": [1, None]}
    read = json_values.loads(json_values.dumps(value))
    assert read.pop("object").state == 3
    assert read == {"class": Examples, "message": struct_pb2.Value(bool_value=True), "list": [1, None]}
    with pytest.raises(TypeError, match="Object of type set is not JSON serializable"):
        json_values.dumps({1})
    fake = json.dumps({"__tfx_object_type__": "jsonable", "__module__": "builtins", "__class__": "dict"})
    with pytest.raises(ValueError, match="derived from Jsonable"):
        json_values.loads(fake)


def test_places_of_models(tmp_path: Path) -> None:
    serving = make_model(tmp_path / "model").uri + "/Format-Serving"
    assert model_paths.serving_model_path(str(tmp_path / "model")) == serving
    assert model_paths.eval_model_path(str(tmp_path / "model")) == serving
    (tmp_path / "model" / "Format-TFMA").mkdir()
    (tmp_path / "model" / "Format-TFMA" / "saved_model.pb").write_bytes(b"")
    assert model_paths.eval_model_path(str(tmp_path / "model")) == f"{tmp_path}/model/Format-TFMA"
    assert model_paths.get_model_dir_by_type("/m", model_paths.TFMA_EVAL) == "/m/Format-TFMA"
    assert model_paths.get_model_dir_by_type("/m", "other") == "/m/Format-Serving"
    assert model_paths.serving_model_dir("/m", is_old_artifact=True) == "/m/serving_model_dir"
    (tmp_path / "old" / "Format-Serving" / "export" / "name" / "123").mkdir(parents=True)
    assert model_paths.serving_model_path(str(tmp_path / "old")).endswith("export/name/123")
    assert model_paths.warmup_file_path("/m") == "/m/assets.extra/tf_serving_warmup_requests"


def test_users_functions(tmp_path: Path) -> None:
    (tmp_path / "own_functions.py").write_text("def run_fn(): return 1\ndef other(): return 2\n")
    path = str(tmp_path / "own_functions.py")
    assert user_functions.get_fn({"module_file": path}, "run_fn")() == 1
    assert user_functions.get_fn({"module_file": path, "run_fn": "other"}, "run_fn")() == 2
    assert user_functions.get_fn({"run_fn": "os.path.join"}, "run_fn")("a", "b") == "a/b"
    assert user_functions.import_func_from_source(path, "other")() == 2
    assert user_functions.import_func_from_module("os.path", "join")("a", "b") == "a/b"
    assert user_functions.resolve_full_name(user_functions.get_full_name(Examples)) is Examples
    assert user_functions.try_get_fn({"module_file": path}, "gone") is None
    assert user_functions.try_get_fn({}, "run_fn") is None
    with pytest.raises(UserCodeError, match="defines no function 'rum_fn'; did you mean 'run_fn'"):
        user_functions.get_fn({"module_file": path}, "rum_fn")
    with pytest.raises(ValueError, match="expected module_file or run_fn"):
        user_functions.get_fn({}, "run_fn")


def test_values_by_label() -> None:
    assert labelled_values.GetValues({"a": [1], "b": 2}, "b") == [2]
    assert labelled_values.GetSoleValue({"a": [1]}, "a") == 1
    assert labelled_values.GetSoleValue({}, "a", strict=False) is None
    assert labelled_values.FunctionHasArg(make_model, "folder")
    with pytest.raises(ValueError, match="label 'a': expected one value, received 2"):
        labelled_values.GetSoleValue({"a": [1, 2]}, "a")


def test_formats_of_examples() -> None:
    examples = Examples("/e")
    examples.splits = ["train"]
    assert example_formats.get_payload_format(examples) == example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE
    assert example_formats.get_file_format(examples) == "tfrecords_gzip"
    example_formats.set_payload_format(examples, example_gen_pb2.PayloadFormat.FORMAT_PARQUET)
    example_formats.set_file_format(examples, "parquet")
    assert examples.custom_properties == {"payload_format": "FORMAT_PARQUET", "file_format": "parquet"}
    assert example_formats.get_split_file_patterns([examples], "train") == ["/e/Split-train/*"]
    key, value = example_formats.get_custom_split_patterns_key_and_property({"train": "t/*.gz"})
    examples.set_string_custom_property(key, value)
    assert example_formats.get_split_file_patterns([examples], "train") == ["/e/t/*.gz"]
    with pytest.raises(ValueError, match="expected a pattern for split 'eval'"):
        example_formats.get_split_file_patterns([examples], "eval")
    assert callable(example_formats.get_tf_dataset_factory_from_artifact([examples]))
    assert callable(example_formats.get_record_batch_factory_from_artifact([examples]))


def test_users_test_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(test_cases.TfxTest):
        def test_own(self) -> None:
            assert Path(self.tmp_dir).is_dir()

    assert Own("test_own").run().wasSuccessful()
    with test_cases.override_env_var("A_VARIABLE_OF_MINE", "1"), test_cases.change_working_dir(str(tmp_path)) as before:
        assert Path.cwd() == tmp_path
    assert Path.cwd() == Path(before)


@pytest.mark.usefixtures("as_tfx")
def test_executions_have_the_names_that_tfx_gives_them() -> None:
    """What ``store.get_executions_by_type("tfx.components.trainer.component.Trainer")`` finds."""
    from mlops_tfx import components, resolvers

    classes = [getattr(components, name) for name in components.__all__ if name[0].isupper()]
    classes += [resolvers.Importer, resolvers.Resolver]
    named = [cls for cls in classes if vars(cls).get("EXECUTION_TYPE")]
    assert len(named) == 21  # the others are our own
    for cls in named:
        module, _, name = cls.EXECUTION_TYPE.rpartition(".")
        served = getattr(importlib.import_module(module), name)
        assert issubclass(served, cls), cls
        assert vars(served)["EXECUTION_TYPE"] == cls.EXECUTION_TYPE


def test_a_class_derived_from_a_standard_one_has_a_name_of_its_own() -> None:
    from mlops_tfx.components import ImportSchemaGen

    class Mine(ImportSchemaGen):
        """Another one."""

    assert ImportSchemaGen(schema_file="s").type_name.startswith("tfx.components.schema_gen.")
    assert Mine(schema_file="s").type_name == f"{__name__}.{Mine.__qualname__}"
