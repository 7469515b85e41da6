"""Transform: what its parameters change."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlops_tfx.artifacts import Examples, Schema, TransformCache
from mlops_tfx.components.transform import StatsType, Transform
from mlops_tfx.config import SplitsConfig
from mlops_tfx.io.protos import read_schema, read_statistics
from tests.golden.statistics.real_data import write_examples
from tests.unit.components.transform.cases import (
    examples_of,
    files_below,
    flights_frame,
    read_frame,
    run_transform,
    write_schema,
)

LEAN = {"disable_statistics": True, "disable_analyzer_cache": True}
STATISTICS = {"pre_transform_schema", "pre_transform_stats", "post_transform_schema", "post_transform_stats",
              "post_transform_anomalies"}  # fmt: skip
FRAME = flights_frame(400)
TRAIN, EVAL = FRAME[:250].reset_index(drop=True), FRAME[250:].reset_index(drop=True)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    return examples_of(tmp_path_factory.mktemp("data"), train=TRAIN, eval=EVAL)


@pytest.fixture
def schema(tmp_path: Path) -> Schema:
    return write_schema(tmp_path / "schema")


def centred(inputs: Any, custom_config: Any = None) -> Any:
    import tensorflow as tf
    import tensorflow_transform as tft

    distance = tf.cast(inputs["distance"], tf.float32)
    return {
        "centred": distance - tft.mean(distance) + float((custom_config or {}).get("plus", 0)),
        "n": inputs["month"],
    }


def doubled(inputs: Any) -> Any:
    return {"doubled": inputs["distance"] * 2, "carrier": inputs["carrier"]}


def test_outputs_follow_the_parameters() -> None:
    everything = set(Transform(module_file="m.py").output_keys())
    assert everything == {"transform_graph", "transformed_examples", "updated_analyzer_cache", *STATISTICS}
    assert set(Transform(module_file="m.py", disable_statistics=True).output_keys()) == everything - STATISTICS
    assert set(Transform(module_file="m.py", materialize=False).output_keys()) == everything - {"transformed_examples"}
    lean = Transform(module_file="m.py", disable_analyzer_cache=True)
    assert set(lean.output_keys()) == everything - {"updated_analyzer_cache"}


def test_the_constructor_has_tfx_s_arguments_in_tfx_s_order() -> None:
    assert Transform._FIELDS == (
        "examples", "schema", "module_file", "preprocessing_fn", "splits_config", "analyzer_cache", "materialize",
        "disable_analyzer_cache", "force_tf_compat_v1", "custom_config", "disable_statistics",
        "stats_options_updater_fn",
    )  # fmt: skip


def test_custom_config_reaches_the_function(examples: Examples, schema: Schema, tmp_path: Path) -> None:
    outputs = run_transform(examples, schema, tmp_path, preprocessing_fn=centred, custom_config={"plus": 7}, **LEAN)
    expected = TRAIN["distance"] - TRAIN["distance"].mean() + 7
    np.testing.assert_allclose(
        read_frame(outputs["transformed_examples"], "train")["centred"], expected, rtol=1e-4, atol=1e-3
    )


def test_splits_config(examples: Examples, schema: Schema, tmp_path: Path) -> None:
    config = SplitsConfig(analyze=["eval"], transform=["train"])
    outputs = run_transform(examples, schema, tmp_path, preprocessing_fn=centred, splits_config=config, **LEAN)
    got = outputs["transformed_examples"]
    assert isinstance(got, Examples) and got.splits == ["train"] and os.listdir(got.uri) == ["Split-train"]
    expected = TRAIN["distance"] - EVAL["distance"].mean()
    np.testing.assert_allclose(read_frame(got, "train")["centred"], expected, rtol=1e-4, atol=1e-3)


def test_parquet_in_gives_parquet_out(schema: Schema, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    examples = write_examples(tmp_path / "data", {"train": TRAIN, "eval": EVAL}, "parquet")
    outputs = run_transform(examples, schema, tmp_path, preprocessing_fn=doubled, **LEAN)
    got = outputs["transformed_examples"]
    assert isinstance(got, Examples)
    assert got.custom_properties["payload_format"] == "FORMAT_PARQUET"
    assert got.custom_properties["file_format"] == "parquet"
    assert os.listdir(got.path("eval")) == ["transformed_examples-00000-of-00001.parquet"]
    table = pq.read_table(os.path.join(got.path("eval"), "transformed_examples-00000-of-00001.parquet")).to_pydict()
    assert table == {"carrier": EVAL["carrier"].tolist(), "doubled": (EVAL["distance"] * 2).tolist()}


def test_without_materialisation_only_the_graph_is_written(examples: Examples, schema: Schema, tmp_path: Path) -> None:
    outputs = run_transform(examples, schema, tmp_path, preprocessing_fn=centred, materialize=False, **LEAN)
    assert set(outputs) == {"transform_graph"}
    assert "transform_fn/saved_model.pb" in files_below(outputs["transform_graph"].uri)


def test_without_analyzers_no_data_is_read(schema: Schema, tmp_path: Path) -> None:
    examples = examples_of(tmp_path / "data", train=TRAIN)
    for path in files_below(examples.uri):
        Path(examples.uri, path).write_bytes(b"not a TFRecord")
    outputs = run_transform(examples, schema, tmp_path, preprocessing_fn=doubled, materialize=False, **LEAN)
    assert "transform_fn/saved_model.pb" in files_below(outputs["transform_graph"].uri)


def updater(kind: StatsType, options: Any, custom_config: Any) -> Any:
    assert options.schema is not None
    if kind is StatsType.POST_TRANSFORM:
        assert set(options.vocab_paths) == {"carriers"} and os.path.isfile(options.vocab_paths["carriers"])
    options.num_top_values = custom_config["top"]
    options.schema.feature[0].annotation.tag.append(kind.name)
    return options


def with_vocabulary(inputs: Any) -> Any:
    import tensorflow_transform as tft

    tft.vocabulary(inputs["carrier"], vocab_filename="carriers")
    return {"carrier": inputs["carrier"]}


def test_the_updater_changes_both_kinds_of_statistics(examples: Examples, schema: Schema, tmp_path: Path) -> None:
    outputs = run_transform(
        examples, schema, tmp_path, preprocessing_fn=with_vocabulary, custom_config={"top": 2},
        stats_options_updater_fn=updater, disable_analyzer_cache=True, materialize=False,
    )  # fmt: skip
    for kind, prefix in ((StatsType.PRE_TRANSFORM, "pre"), (StatsType.POST_TRANSFORM, "post")):
        (dataset,) = read_statistics(os.path.join(outputs[f"{prefix}_transform_stats"].uri, "FeatureStats.pb")).datasets
        (carrier,) = [feature for feature in dataset.features if feature.path.step[0] == "carrier"]
        assert len(carrier.string_stats.top_values) == 2
        written = read_schema(os.path.join(outputs[f"{prefix}_transform_schema"].uri, "schema.pbtxt"))
        assert list(written.feature[0].annotation.tag) == [kind.name]


def test_a_cached_dataset_is_not_analyzed_again(examples: Examples, schema: Schema, tmp_path: Path) -> None:
    options = {"preprocessing_fn": centred, "disable_statistics": True, "materialize": False}
    first = run_transform(examples, schema, tmp_path / "1", **options)["updated_analyzer_cache"]
    assert isinstance(first, TransformCache)
    # Put another dataset's results under this dataset's key: if they are used, the cache is.
    other = examples_of(tmp_path / "other", train=EVAL, eval=EVAL)
    second = run_transform(other, schema, tmp_path / "2", **options)["updated_analyzer_cache"]
    (key,), (other_key,) = os.listdir(first.uri), os.listdir(second.uri)
    os.rename(os.path.join(second.uri, other_key), os.path.join(second.uri, key))
    again = run_transform(
        examples, schema, tmp_path / "3", inputs={"analyzer_cache": second}, **{**options, "materialize": True}
    )
    expected = TRAIN["distance"] - EVAL["distance"].mean()
    np.testing.assert_allclose(
        read_frame(again["transformed_examples"], "train")["centred"], expected, rtol=1e-4, atol=1e-3
    )
    assert os.listdir(again["updated_analyzer_cache"].uri) == [key]


def test_a_tf_1_graph(examples: Examples, schema: Schema, tmp_path: Path) -> None:
    outputs = run_transform(examples, schema, tmp_path, preprocessing_fn=centred, force_tf_compat_v1=True, **LEAN)
    expected = EVAL["distance"] - TRAIN["distance"].mean()
    np.testing.assert_allclose(
        read_frame(outputs["transformed_examples"], "eval")["centred"], expected, rtol=1e-4, atol=1e-3
    )


def test_the_key_names_the_user_s_files(tmp_path: Path) -> None:
    (tmp_path / "shared_maths.py").write_text("ONE = 1\n")
    module = tmp_path / "my_preprocessing.py"
    module.write_text("from shared_maths import ONE\n\ndef preprocessing_fn(inputs):\n    return inputs\n")
    before = Transform(module_file=str(module)).cache_ingredients()
    assert {os.path.basename(name) for name in before} == {"my_preprocessing.py", "shared_maths.py"}
    (tmp_path / "shared_maths.py").write_text("ONE = 2\n")
    after = Transform(module_file=str(module)).cache_ingredients()
    assert [os.path.basename(name) for name in before if before[name] != after[name]] == ["shared_maths.py"]


def test_equal_input_gives_equal_bytes(examples: Examples, schema: Schema, tmp_path: Path) -> None:
    runs = [run_transform(examples, schema, tmp_path / str(i), preprocessing_fn=centred) for i in range(2)]
    for key in runs[0]:
        assert contents(runs[0][key].uri) == contents(runs[1][key].uri), key


def contents(folder: str) -> dict[str, bytes]:
    # TensorFlow numbers functions by how many the process has made, and names tables after temporary files.
    by_process = {"transform_fn/saved_model.pb", "transform_fn/fingerprint.pb"}
    return {path: Path(folder, path).read_bytes() for path in files_below(folder) if path not in by_process}
