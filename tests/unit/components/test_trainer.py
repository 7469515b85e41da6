"""Trainer: what run_fn receives, and what is refused of what it leaves behind."""

from __future__ import annotations

import json
import pathlib
import sys
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from mlops_tfx import filesystem
from mlops_tfx.artifacts import (
    Artifact,
    Examples,
    ExampleStatistics,
    HyperParameters,
    Model,
    Schema,
    TransformGraph,
)  # fmt: skip
from mlops_tfx.channel import Channel
from mlops_tfx.components.trainer import Trainer, check_saved_model
from mlops_tfx.config import EvalArgs, TrainArgs
from mlops_tfx.errors import ArtifactError, ConfigError, UserCodeError
from mlops_tfx.execution.testing import run_component
from mlops_tfx.training import FnArgs

SAVES_A_MODEL = """
    import tensorflow as tf

    class Linear(tf.Module):
        def __init__(self, weights):
            self.weights = tf.Variable(weights, name="weights")

        @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32)])
        def serve(self, x):
            return {"score": tf.linalg.matvec(x, self.weights)}

    def save(weights, folder):
        model = Linear(weights)
        tf.saved_model.save(model, folder, signatures={"serving_default": model.serve})
"""


@pytest.fixture
def examples(tmp_path: pathlib.Path) -> Examples:
    """Examples of the splits train, eval and test, with four rows each."""
    import tensorflow as tf

    artifact = Examples(str(tmp_path / "examples"))
    artifact.splits = ["train", "eval", "test"]
    artifact.custom_properties.update(payload_format="FORMAT_TF_EXAMPLE", file_format="tfrecords_gzip")
    for split in artifact.splits:
        folder = pathlib.Path(artifact.path(split))
        folder.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(folder / "data_tfrecord-00000-of-00001.gz"), "GZIP") as writer:
            for row in range(4):
                feature = {"x": tf.train.Feature(float_list=tf.train.FloatList(value=[row]))}
                writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    return artifact


def module(tmp_path: pathlib.Path, text: str, name: str = "user_model.py") -> str:
    """Writes a user's module, and beside it ``saving.py``, which knows how to write a SavedModel."""
    folder = tmp_path / "user"
    folder.mkdir(exist_ok=True)
    (folder / "saving.py").write_text(textwrap.dedent(SAVES_A_MODEL))
    (folder / name).write_text(textwrap.dedent(text))
    return str(folder / name)


def train(tmp_path: pathlib.Path, inputs: Mapping[str, Artifact | list[Any]], **parameters: Any) -> dict[str, str]:
    channels = {k: Channel(type(v[0] if isinstance(v, list) else v)) for k, v in inputs.items()}
    outputs = run_component(Trainer(**channels, **parameters), inputs, tmp_path / "out")
    return {key: artifacts[0].uri for key, artifacts in outputs.items()}


def received(tmp_path: pathlib.Path, inputs: Mapping[str, Artifact | list[Any]], **parameters: Any) -> FnArgs:
    """Trains with a run_fn that only keeps what it was given and saves a model."""
    kept: list[FnArgs] = []
    sys.path.insert(0, str(pathlib.Path(module(tmp_path, "")).parent))
    try:
        import saving  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)

    def run_fn(fn_args: FnArgs) -> None:
        kept.append(fn_args)
        saving.save([1.0, 2.0], fn_args.serving_model_dir)

    train(tmp_path, inputs, run_fn=run_fn, **parameters)
    return kept[0]


def test_fn_args_of_the_smallest_trainer(tmp_path: pathlib.Path, examples: Examples) -> None:
    fn_args = received(tmp_path, {"examples": examples})
    model, model_run = tmp_path / "out/Trainer/model", tmp_path / "out/Trainer/model_run"
    assert fn_args.train_files == [f"{examples.uri}/Split-train/*"]
    assert fn_args.eval_files == [f"{examples.uri}/Split-eval/*"]
    assert (fn_args.train_steps, fn_args.eval_steps) == (None, None)
    assert fn_args.serving_model_dir == str(model / "Format-Serving")
    assert fn_args.eval_model_dir == str(model / "Format-TFMA")
    assert fn_args.model_run_dir == str(model_run)
    assert model_run.is_dir()
    assert (model / "Format-Serving/saved_model.pb").is_file()
    unset = ("working_dir", "schema_path", "schema_file", "transform_graph_path", "transform_output", "base_model",
             "hyperparameters", "custom_config", "num_examples")  # fmt: skip
    assert {name: getattr(fn_args, name) for name in unset} == dict.fromkeys(unset)


def test_fn_args_of_a_trainer_that_is_given_everything(tmp_path: pathlib.Path, examples: Examples) -> None:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    filesystem.write_bytes(tmp_path / "schema/schema.pbtxt", b"")
    config = {"space": [], "values": {"units": 8}}
    filesystem.write_bytes(tmp_path / "hyper/best_hyperparameters.txt", json.dumps(config).encode())
    statistics = ExampleStatistics(str(tmp_path / "statistics"))
    statistics.splits = ["train", "eval"]
    for split, rows in (("train", 40), ("eval", 7)):
        proto = statistics_pb2.DatasetFeatureStatisticsList()
        proto.datasets.add(num_examples=rows)
        filesystem.write_bytes(f"{statistics.path(split)}/FeatureStats.pb", proto.SerializeToString())
    fn_args = received(
        tmp_path,
        {
            "examples": examples,
            "transform_graph": TransformGraph(str(tmp_path / "graph")),
            "schema": Schema(str(tmp_path / "schema")),
            "base_model": Model(str(tmp_path / "base")),
            "hyperparameters": HyperParameters(str(tmp_path / "hyper")),
            "statistics": statistics,
        },
        train_args=TrainArgs(num_steps=100),
        eval_args=EvalArgs(splits=["eval", "test"], num_steps=5),
        custom_config={"learning_rate": 0.1, "layers": [8, 4]},
    )
    assert (fn_args.train_steps, fn_args.eval_steps) == (100, 5)
    assert fn_args.eval_files == [f"{examples.uri}/Split-eval/*", f"{examples.uri}/Split-test/*"]
    assert fn_args.schema_path == fn_args.schema_file == str(tmp_path / "schema/schema.pbtxt")
    assert fn_args.transform_graph_path == fn_args.transform_output == str(tmp_path / "graph")
    assert fn_args.base_model == str(tmp_path / "base/Format-Serving")
    assert fn_args.hyperparameters == config
    assert fn_args.custom_config == {"learning_rate": 0.1, "layers": [8, 4]}
    assert fn_args.num_examples == {"train": 40, "eval": 7}


def test_transformed_examples_are_an_older_name_of_examples(tmp_path: pathlib.Path, examples: Examples) -> None:
    assert received(tmp_path, {"transformed_examples": examples}).train_files == [f"{examples.uri}/Split-train/*"]


def test_several_artifacts_and_splits_give_a_pattern_each(tmp_path: pathlib.Path, examples: Examples) -> None:
    fn_args = received(
        tmp_path, {"examples": [examples, examples]}, train_args=TrainArgs(splits=["train", "test"], num_steps=0)
    )
    train_split, test_split = f"{examples.uri}/Split-train/*", f"{examples.uri}/Split-test/*"
    assert fn_args.train_files == [train_split, train_split, test_split, test_split]
    assert fn_args.train_steps is None


def test_the_model_says_what_it_was_trained_on(tmp_path: pathlib.Path, examples: Examples) -> None:
    from mlops_tfx.deployment.lineage import read_inputs

    examples.custom_properties["content_digest"] = "ab12"
    examples.span, examples.id = 3, 7
    filesystem.write_bytes(tmp_path / "schema/schema.pbtxt", b"")
    inputs: dict[str, Any] = {"examples": [examples, examples], "schema": Schema(str(tmp_path / "schema"), id=8)}
    channels = {"examples": Channel(Examples), "schema": Channel(Schema)}
    path = module(
        tmp_path,
        """
        import saving

        def run_fn(fn_args):
            saving.save([1.0, 2.0], fn_args.serving_model_dir)
        """,
    )
    (model,) = run_component(Trainer(**channels, module_file=path), inputs, tmp_path / "out")["model"]
    one = {"type": "Examples", "id": 7, "uri": examples.uri, "content_digest": "ab12", "span": 3}
    assert read_inputs(model) == {
        "examples": [one, one],
        "schema": [{"type": "Schema", "id": 8, "uri": str(tmp_path / "schema"), "content_digest": None}],
    }


def test_the_data_accessor_reads_the_rows_that_the_patterns_name(tmp_path: pathlib.Path, examples: Examples) -> None:
    from mlops_tfx.io.dataset import RecordBatchesOptions

    fn_args = received(tmp_path, {"examples": examples})
    assert fn_args.data_accessor is not None and fn_args.train_files is not None
    options = RecordBatchesOptions(4, num_epochs=1, shuffle=False)
    batches = list(fn_args.data_accessor.record_batch_factory(fn_args.train_files, options))
    values = [value for batch in batches for value in batch.column(batch.schema.get_field_index("x")).to_pylist()]
    assert values == [[0.0], [1.0], [2.0], [3.0]]


def test_a_module_file_may_import_its_neighbours(tmp_path: pathlib.Path, examples: Examples) -> None:
    import tensorflow as tf

    file = module(
        tmp_path,
        """
        from saving import save
        def run_fn(fn_args):
            save([3.0, 4.0], fn_args.serving_model_dir)
    """,
    )
    model = tf.saved_model.load(train(tmp_path, {"examples": examples}, module_file=file)["model"] + "/Format-Serving")
    score = model.signatures["serving_default"](x=tf.constant([[1.0, 10.0]]))["score"]
    assert score.numpy().tolist() == [43.0]


def test_a_run_fn_given_by_dotted_path(
    tmp_path: pathlib.Path, examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = module(tmp_path, """
        from saving import save
        def train_it(fn_args):
            save([1.0, 1.0], fn_args.serving_model_dir)
    """, "dotted_model.py")  # fmt: skip
    monkeypatch.syspath_prepend(str(pathlib.Path(file).parent))
    outputs = train(tmp_path, {"examples": examples}, run_fn="dotted_model.train_it")
    assert (pathlib.Path(outputs["model"]) / "Format-Serving/saved_model.pb").is_file()


DRAWS_WEIGHTS = {
    "keras": "import keras\nweights = lambda: keras.layers.Dense(3)",
    "keras, imported late": "def weights():\n    import keras\n    return keras.layers.Dense(3)",
    "tf_keras": "import tf_keras\nweights = lambda: tf_keras.layers.Dense(3)",
}


# tf_keras draws its seeds as random.randint(1, 1e9), with a float.
@pytest.mark.filterwarnings("ignore:non-integer arguments to randrange:DeprecationWarning")
@pytest.mark.parametrize("source", DRAWS_WEIGHTS.values(), ids=DRAWS_WEIGHTS)
def test_two_runs_draw_the_same_weights(tmp_path: pathlib.Path, examples: Examples, source: str) -> None:
    import tensorflow as tf

    scope: dict[str, Any] = {}
    exec(source, scope)
    drawn: list[list[float]] = []

    def run_fn(fn_args: FnArgs) -> None:
        import random

        layer = scope["weights"]()
        layer.build((None, 2))
        others = [random.random(), np.random.rand(), tf.random.normal([]).numpy()]
        drawn.append([*np.ravel(layer.get_weights()[0]), *others])
        model = tf.Module()
        model.serve = tf.function(lambda x: x, input_signature=[tf.TensorSpec([None], tf.float32)])
        tf.saved_model.save(model, fn_args.serving_model_dir, signatures=model.serve)

    before = np.random.get_state()[1].copy()
    train(tmp_path / "1", {"examples": examples}, run_fn=run_fn)
    train(tmp_path / "2", {"examples": examples}, run_fn=run_fn)
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == len(drawn[0])
    assert (np.random.get_state()[1] == before).all()


def test_an_exception_in_run_fn_names_the_users_line(tmp_path: pathlib.Path, examples: Examples) -> None:
    file = module(tmp_path, """
        def run_fn(fn_args):
            layers = fn_args.custom_config["layers"]
            raise ZeroDivisionError(f"no layers in {layers}")
    """, "broken_model.py")  # fmt: skip
    with pytest.raises(UserCodeError, match=r"ZeroDivisionError: no layers in \[\].*broken_model.py:4") as caught:
        train(tmp_path, {"examples": examples}, module_file=file, custom_config={"layers": []})
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_run_fn_that_writes_no_model_is_an_error(tmp_path: pathlib.Path, examples: Examples) -> None:
    with pytest.raises(UserCodeError, match=r"without writing a model.*Format-Serving.*export_model"):
        train(tmp_path, {"examples": examples}, run_fn=lambda fn_args: None)


def test_a_model_that_is_no_saved_model_is_taken_with_a_warning(
    tmp_path: pathlib.Path, examples: Examples, caplog: pytest.LogCaptureFixture
) -> None:
    def run_fn(fn_args: FnArgs) -> None:
        filesystem.write_bytes(f"{fn_args.serving_model_dir}/model.pkl", b"weights")

    train(tmp_path, {"examples": examples}, run_fn=run_fn)
    assert "run_fn wrote no SavedModel (found model.pkl in" in caplog.text


def test_a_loss_of_nan_is_found_in_the_weights(tmp_path: pathlib.Path, examples: Examples) -> None:
    file = module(tmp_path, """
        import keras
        import numpy as np
        def run_fn(fn_args):
            model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, activation="sigmoid", name="score")])
            model.compile("sgd", "binary_crossentropy")
            model.fit(np.array([[np.nan], [1.0]]), np.array([0.0, 1.0]), verbose=0)
            model.export(fn_args.serving_model_dir, verbose=False)
    """, "nan_model.py")  # fmt: skip
    with pytest.raises(UserCodeError, match=r"of shape \(1, 1\) has 1 values that are NaN.*TerminateOnNaN"):
        train(tmp_path, {"examples": examples}, module_file=file)


@pytest.mark.parametrize(
    ("weights", "sound"),
    [([1.0, 2.0], True), ([1.0, np.nan], False), ([np.inf, 1.0], False), (np.inf, True), (np.nan, False)],
)
def test_a_model_is_sound_if_its_weights_are_numbers(tmp_path: pathlib.Path, weights: Any, sound: bool) -> None:
    import tensorflow as tf

    model = tf.Module()
    model.weights, model.step, model.name_of_it = tf.Variable(weights), tf.Variable(3), tf.Variable("text")
    tf.saved_model.save(model, str(tmp_path / "model"))
    if sound:
        check_saved_model(str(tmp_path / "model"))
        return
    with pytest.raises(UserCodeError, match=r"variable 'weights'"):
        check_saved_model(str(tmp_path / "model"))


def test_an_unknown_split_is_an_error_that_shows_the_near_ones(tmp_path: pathlib.Path, examples: Examples) -> None:
    with pytest.raises(ConfigError, match=r"train_args.*no split 'trian'; did you mean 'train'"):
        received(tmp_path, {"examples": examples}, train_args=TrainArgs(splits=["trian"]))
    examples.splits = ["train", "test"]
    with pytest.raises(ConfigError, match=r"eval_args.*no split 'eval'; known names: test, train"):
        received(tmp_path, {"examples": examples})


def test_a_run_fn_that_is_misspelt_is_an_error_that_shows_the_near_name(
    tmp_path: pathlib.Path, examples: Examples
) -> None:
    file = module(tmp_path, "def run_fun(fn_args):\n    pass\n", "misspelt_model.py")
    with pytest.raises(UserCodeError, match=r"no function 'run_fn'; did you mean 'run_fun'"):
        train(tmp_path, {"examples": examples}, module_file=file)


def test_a_module_file_that_is_missing_is_an_error(tmp_path: pathlib.Path, examples: Examples) -> None:
    with pytest.raises(UserCodeError, match=r"nowhere.py.* does not exist"):
        train(tmp_path, {"examples": examples}, module_file=str(tmp_path / "nowhere.py"))


@pytest.mark.parametrize("text", [b"{not json", b"[1, 2]"])
def test_hyperparameters_that_are_not_a_json_object_are_an_error(
    tmp_path: pathlib.Path, examples: Examples, text: bytes
) -> None:
    filesystem.write_bytes(tmp_path / "hyper/best_hyperparameters.txt", text)
    with pytest.raises(ArtifactError, match=r"expected .*JSON.* in '.*best_hyperparameters.txt'"):
        received(tmp_path, {"examples": examples, "hyperparameters": HyperParameters(str(tmp_path / "hyper"))})


def test_a_schema_artifact_without_its_file_is_an_error(tmp_path: pathlib.Path, examples: Examples) -> None:
    with pytest.raises(ArtifactError, match=r"schema.pbtxt.*run the node that makes it again"):
        received(tmp_path, {"examples": examples, "schema": Schema(str(tmp_path))})


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"module_file": "m.py", "custom_config": ["not", "a", "dict"]}, "'custom_config': expected dict"),
        ({"module_file": "m.py", "train_args": 500}, "'train_args': expected .*TrainArgs.*received 500"),
        ({"module_file": "m.py", "train_args": {"steps": 5}}, "'train_args': expected .*TrainArgs.*steps"),
        ({"module_file": "m.py", "train_args": {"num_steps": -5}}, "'train_args': expected .*TrainArgs.*-5"),
        ({"module_file": "m.py", "run_fn": "m.run_fn"}, "exactly one of module_file .* and run_fn"),
        ({}, "exactly one of module_file .* and run_fn"),
        ({"module_file": "m.py", "custom_executor_spec": object()}, "expected an ExecutorClassSpec, received"),
        ({"module_flie": "m.py", "run_fn": "m.f"}, "unknown argument 'module_flie'; did you mean 'module_file'"),
    ],
)
def test_wrong_parameters_are_wiring_problems(parameters: dict[str, Any], problem: str) -> None:
    (found,) = Trainer(examples=Channel(Examples), **parameters).problems
    assert __import__("re").search(problem, found), found


def test_wiring_needs_one_kind_of_examples() -> None:
    (neither,) = Trainer(module_file="m.py").problems
    both = Trainer(Channel(Examples), Channel(Examples), module_file="m.py").problems
    assert neither == "input 'examples': expected it or 'transformed_examples', received neither"
    assert both == ["input 'examples': expected it or 'transformed_examples', received both"]


def test_train_args_with_a_negative_number_of_steps_are_refused() -> None:
    with pytest.raises(ConfigError, match="num_steps"):
        TrainArgs(num_steps=-1)
