"""What cannot be compared is refused, and says why; what is wrong with the wiring is said before anything runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mlops_tfx.artifacts import Examples, Model
from mlops_tfx.channel import Channel
from mlops_tfx.components import SkewValidator
from mlops_tfx.errors import ArtifactError, ConfigError, DataError
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io.examples import read_batches
from tests.unit.skew.world import (
    Rewrite,
    World,
    export,
    feature_spec,
    save_rewritten,
    trained_model,
    validate,
    write_examples,
)


@pytest.fixture(scope="module")
def correct(world: World) -> str:
    return save_rewritten(world, Rewrite(), "correct for refusals")


WRONG = {
    "no path 'grcp'; did you mean 'grpc'": {"paths": ("grcp",)},
    "expected at least one of in_process": {"paths": ()},
    "expected each name once": {"signatures": ("a", "a")},
    "expected at least one split": {"example_splits": ()},
    "num_rows=0": {"num_rows": 0},
    "one_by_one=-1": {"one_by_one": -1},
    "feature_ulps=-1": {"feature_ulps": -1},
    "prediction_absolute=nan": {"prediction_absolute": float("nan")},
}


@pytest.mark.parametrize("message", WRONG)
def test_wiring_errors(message: str) -> None:
    ports = SkewValidator.INPUTS
    wired = {name: Channel(port.artifact_type) for name, port in ports.items()}
    assert message in "\n".join(SkewValidator(**wired, **WRONG[message]).problems)


UNKNOWN = {
    "label_key: the rows have no feature 'laet'; did you mean 'late'": {"label_key": "laet"},
    "signatures: the model has no signature 'serve'": {"signatures": ("serve",)},
    "example_splits: the examples have no split 'evl'; did you mean 'eval'": {"example_splits": ("evl",)},
    "training_signature: the model has no signature 'x'": {"training_signature": "x"},
    "training_signature: expected a signature of transformed features": {"training_signature": "serving_default"},
}


@pytest.mark.parametrize("message", UNKNOWN)
def test_unknown_names(world: World, correct: str, tmp_path: Path, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        validate(world, correct, tmp_path, **UNKNOWN[message])


def test_no_model(world: World, tmp_path: Path) -> None:
    (tmp_path / "empty" / "Format-Serving").mkdir(parents=True)
    with pytest.raises(ArtifactError, match="found nothing; train it again"):
        run_component(SkewValidator(), world.inputs(str(tmp_path / "empty" / "Format-Serving")), tmp_path)
    (tmp_path / "empty" / "Format-Serving" / "saved_model.pb").write_bytes(b"no model")
    with pytest.raises(ArtifactError, match="expected a SavedModel"):
        run_component(SkewValidator(), world.inputs(str(tmp_path / "empty" / "Format-Serving")), tmp_path)


def test_sequence_examples_are_refused(world: World, correct: str, tmp_path: Path) -> None:
    examples = Examples(world.examples.uri)
    examples.splits = ["train"]
    examples.custom_properties["payload_format"] = "FORMAT_PROTO"
    with pytest.raises(DataError, match="expected tf.Examples or Parquet"):
        run_component(SkewValidator(), world.inputs(correct, examples=examples), tmp_path)


def test_model_that_cannot_be_asked_without_preprocessing(world: World, tmp_path: Path) -> None:
    import tensorflow as tf

    model = trained_model(world.weights)
    holder = tf.Module()
    holder.model = model

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples: Any) -> dict[str, Any]:
        return {"probability": tf.zeros([tf.size(examples), 1])}

    folder = str(tmp_path / "model" / "Format-Serving")
    tf.saved_model.save(holder, folder, signatures={"serving_default": serve})
    blessing, report = validate(world, folder, tmp_path)
    assert blessing.custom_properties["blessed"] == 0
    assert any("no function of the transformed features; export it with export_model" in text
               for text in report["reasons"])  # fmt: skip


def test_answer_that_training_does_not_have(world: World, tmp_path: Path) -> None:
    import tensorflow as tf

    model = trained_model(world.weights)
    spec = {name: value for name, value in feature_spec().items() if name != "late"}
    rewrite = Rewrite()
    model.tables = rewrite.tables(world.graph)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples: Any) -> dict[str, Any]:
        answer = model(rewrite(tf.io.parse_example(examples, spec), model.tables, world.graph))
        return {**answer, "extra": answer["probability"] * 2}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="strange")])
    def odd(strange: Any) -> dict[str, Any]:
        return {"probability": strange}

    folder = str(tmp_path / "model" / "Format-Serving")
    tf.saved_model.save(model, folder, signatures={"serving_default": serve, "odd": odd})
    _, report = validate(world, folder, tmp_path)
    reasons = "\n".join(report["reasons"])
    assert "output 'extra' of signature 'serving_default' is neither an output of what was trained" in reasons
    assert "signature 'odd' takes neither serialized rows nor the raw features by name" in reasons
    assert len(report["reasons"]) == 2
    blessing, report = validate(
        world, folder, tmp_path / "again", ignored_outputs=("extra",), signatures=("serving_default",)
    )
    assert blessing.custom_properties["blessed"] == 1
    assert "output 'extra' of 'serving_default' is ignored, as asked for" in report["not_compared_by_design"]


def save_opaque(world: World, rewrite: Rewrite, folder: str) -> str:
    """The model is not what was traced for training: it turns rows around twice, so nothing is found in it."""
    import tensorflow as tf

    model = trained_model(world.weights)
    spec = {name: value for name, value in feature_spec().items() if name != "late"}
    model.tables = rewrite.tables(world.graph)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples: Any) -> dict[str, Any]:
        features = rewrite(tf.io.parse_example(examples, spec), model.tables, world.graph)
        joined = model.join(features)
        first = tf.tanh(tf.reverse(tf.reverse(joined, [0]), [0]) @ model.hidden + model.bias)
        return {"probability": tf.sigmoid(first @ model.out)}

    tf.saved_model.save(model, folder, signatures={"serving_default": serve})
    return folder


def test_graph_into_which_one_cannot_look(world: World, tmp_path: Path) -> None:
    folder = save_opaque(world, Rewrite(), str(tmp_path / "model" / "Format-Serving"))
    _, report = validate(world, folder, tmp_path)
    (reason,) = report["reasons"]
    assert "the features inside its graph cannot be observed: the signature does not have the operations" in reason
    blessing, report = validate(world, folder, tmp_path / "again", require_observed=False)
    assert report["reasons"] == []
    assert "cannot be observed" in report["notes"][0]
    assert blessing.custom_properties["blessed"] == 1


@pytest.mark.parametrize(
    ("rewrite", "raw"), [(Rewrite(words=("blue", "red", "green")), "word"), (Rewrite(reduction=0.0), "reduction")]
)
def test_raw_feature_is_found_by_replacing_it(world: World, tmp_path: Path, rewrite: Rewrite, raw: str) -> None:
    folder = save_opaque(world, rewrite, str(tmp_path / "model" / "Format-Serving"))
    blessing, report = validate(world, folder, tmp_path, require_observed=False)
    assert blessing.custom_properties["blessed"] == 0
    first = report["suspects"][0]
    assert (first["feature"], first["raw"]) == (raw, True)
    assert "replacing it removes the difference in all" in first["text"]
    assert report["skewed_features"] == {}


def test_transformed_examples_of_other_rows(world: World, correct: str, tmp_path: Path) -> None:
    batches = {split: next(read_batches(world.transformed, split)) for split in world.transformed.splits}
    short = write_examples(tmp_path / "short", batches)  # the first batch of each split only
    outputs = run_component(
        SkewValidator(label_key="late", paths=("in_process",)),
        world.inputs(correct, transformed_examples=short),
        tmp_path,
    )
    assert "their rows cannot be paired" in str(outputs["blessing"][0].custom_properties["not_blessed_reason"])


def test_transformed_examples_that_another_graph_made(world: World, correct: str, tmp_path: Path) -> None:
    batches = {}
    for split in world.transformed.splits:
        whole = pa.Table.from_batches(read_batches(world.transformed, split)).combine_chunks()
        prices = pa.LargeListArray.from_arrays(
            pa.array(range(whole.num_rows + 1), pa.int64()), pa.array([0.5] * whole.num_rows, pa.float32())
        )
        place = whole.column_names.index("price_xf")
        batches[split] = whole.set_column(place, "price_xf", prices).to_batches()[0]
    other = write_examples(tmp_path / "other", batches)
    outputs = run_component(
        SkewValidator(label_key="late", paths=("in_process",)),
        world.inputs(correct, transformed_examples=other),
        tmp_path,
    )
    properties = outputs["blessing"][0].custom_properties
    assert properties["skewed_features"] == '["price_xf"]'
    assert "what training read: feature 'price_xf' differs in 64 of 64 elements" in str(
        properties["not_blessed_reason"]
    )


def test_row_that_only_training_refuses(world: World, tmp_path: Path) -> None:
    import tensorflow as tf

    model = trained_model(world.weights)
    rewrite = Rewrite()
    spec = {name: value for name, value in feature_spec().items() if name != "late"}
    spec["price"] = tf.io.FixedLenFeature([], tf.float32, default_value=0.0)  # too kind
    model.tables = rewrite.tables(world.graph)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples: Any) -> dict[str, Any]:
        return dict(model(rewrite(tf.io.parse_example(examples, spec), model.tables, world.graph)))

    folder = str(tmp_path / "model" / "Format-Serving")
    tf.saved_model.save(model, folder, signatures={"serving_default": serve})
    _, report = validate(world, folder, tmp_path)
    refused = {row["row"]: row["accepted_by"] for row in report["rows"]["refused_by_training"]}
    accepted = {name for name, paths in refused.items() if paths}
    # TensorFlow's parser takes the default for a feature that is not there, not for one without values.
    assert accepted == {"price: missing"}
    (reason,) = report["reasons"]
    assert reason.startswith("price: missing: training's path refuses this row (")
    assert reason.endswith("but in_process, signature 'serving_default', answers")


def test_same_rows_for_the_same_seed(world: World, correct: str, tmp_path: Path) -> None:
    reports = [validate(world, correct, tmp_path / str(index), num_rows=8, seed=seed, without_transformed=True)[1]
               for index, seed in enumerate((1, 1, 2))]  # fmt: skip
    assert reports[0] == reports[1]
    assert reports[0]["digests"]["model"] == reports[2]["digests"]["model"]
    assert reports[0]["rows"]["of_each_split"] == {"train": 48, "eval": 16}
    assert "transformed_examples are not given" in reports[0]["not_compared_by_design"][0]


def test_pusher_takes_the_verdict(world: World, tmp_path: Path) -> None:
    from mlops_tfx.components import Pusher
    from mlops_tfx.config import PushDestination

    model = export(world, world.stale, "stale to push")
    blessing, _ = validate(world, model, tmp_path)
    destination = PushDestination(filesystem=PushDestination.Filesystem(base_directory=str(tmp_path / "serving")))
    artifact = Model(os.path.dirname(model))
    pusher = Pusher(model=Channel(Model), push_destination=destination)
    outputs = run_component(pusher, {"model": artifact, "skew_blessing": blessing}, tmp_path)
    properties = outputs["pushed_model"][0].custom_properties
    assert properties["pushed"] == 0
    assert "skew_blessing" in str(properties["not_pushed_because"])
    assert not (tmp_path / "serving").exists()
