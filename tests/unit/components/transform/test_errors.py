"""Transform: what it says about wrong input; nothing of it needs a whole run unless it must."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops_tfx.artifacts import Examples, Schema
from mlops_tfx.components.csv_example_gen import CsvExampleGen
from mlops_tfx.components.import_schema_gen import ImportSchemaGen
from mlops_tfx.components.transform import Transform
from mlops_tfx.config import SplitsConfig
from mlops_tfx.errors import ConfigError, DataError, MlopsTfxError, UserCodeError
from tests.golden.statistics.real_data import write_examples
from tests.unit.components.transform.cases import (
    REQUIRED,
    examples_of,
    files_below,
    flights_frame,
    run_transform,
    write_schema,
)

LEAN = {"disable_statistics": True, "disable_analyzer_cache": True}


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    frame = flights_frame(200)
    return examples_of(tmp_path_factory.mktemp("data"), train=frame[:150], eval=frame[150:])


@pytest.fixture
def schema(tmp_path: Path) -> Schema:
    return write_schema(tmp_path / "schema")


def fails(expected: type[MlopsTfxError], examples: Any, schema: Schema, root: Path, **parameters: Any) -> str:
    """Runs Transform, expects an error, and returns its text; no examples may have become visible."""
    with pytest.raises(expected) as caught:
        run_transform(examples, schema, root / "out", **{**LEAN, **parameters})
    visible = [path for path in files_below(str(root / "out")) if "/." not in path and "transformed_examples-" in path]
    assert not visible
    return str(caught.value)


def wiring_problems(**parameters: Any) -> list[str]:
    inputs = {"examples": CsvExampleGen("data").outputs["examples"], "schema": ImportSchemaGen("s").outputs["schema"]}
    return Transform(**inputs, **parameters).problems


# Wiring ----------------------------------------------------------------------------------------------------------


def test_both_or_neither_of_the_two_ways_to_give_the_function() -> None:
    assert wiring_problems() == ["expected exactly one of module_file and preprocessing_fn, received neither"]
    both = wiring_problems(module_file="m.py", preprocessing_fn="m.preprocessing_fn")
    assert both == [
        "expected exactly one of module_file and preprocessing_fn, received module_file and preprocessing_fn"
    ]


def test_an_updater_beside_a_module_file() -> None:
    (problem,) = wiring_problems(module_file="m.py", stats_options_updater_fn="m.updater")
    assert "stats_options_updater_fn cannot be given together with module_file" in problem


def test_no_split_to_analyze() -> None:
    (problem,) = wiring_problems(module_file="m.py", splits_config=SplitsConfig(analyze=[], transform=["eval"]))
    assert "splits_config.analyze: expected at least one split" in problem


def test_a_wrong_type_of_a_parameter() -> None:
    (problem,) = wiring_problems(module_file="m.py", materialize="yes")
    assert "'materialize'" in problem and "received 'yes'" in problem


def test_a_cache_given_and_turned_off() -> None:
    cached = Transform(module_file="m.py").outputs["updated_analyzer_cache"]
    (problem,) = wiring_problems(module_file="m.py", analyzer_cache=cached, disable_analyzer_cache=True)
    assert "analyzer_cache is given although disable_analyzer_cache=True" in problem


# Splits and formats ----------------------------------------------------------------------------------------------


def test_an_unknown_split(examples: Examples, schema: Schema, tmp_path: Path) -> None:
    config = SplitsConfig(analyze=["trian"], transform=["train", "test"])
    text = fails(ConfigError, examples, schema, tmp_path, preprocessing_fn=dict, splits_config=config)
    assert "splits_config.analyze: the examples have no split 'trian'; did you mean 'train'?" in text
    assert "splits_config.transform: the examples have no split 'test'" in text


def test_artifacts_with_different_splits(examples: Examples, schema: Schema, tmp_path: Path) -> None:
    other = examples_of(tmp_path / "other", train=flights_frame(10))
    text = fails(ConfigError, [examples, other], schema, tmp_path, preprocessing_fn=dict)
    assert "expected the same splits in all artifacts" in text and other.uri in text


def test_artifacts_in_different_formats(examples: Examples, schema: Schema, tmp_path: Path) -> None:
    frame = flights_frame(10)
    other = write_examples(tmp_path / "other", {"train": frame, "eval": frame}, "parquet")
    text = fails(DataError, [examples, other], schema, tmp_path, preprocessing_fn=dict)
    assert "expected Examples in one format" in text and other.uri in text


# User code -------------------------------------------------------------------------------------------------------


def test_a_misspelt_function(examples: Examples, schema: Schema, tmp_path: Path) -> None:
    module = tmp_path / "misspelt_module.py"
    module.write_text("def preprocesing_fn(inputs):\n    return inputs\n")
    text = fails(UserCodeError, examples, schema, tmp_path, module_file=str(module))
    assert str(module) in text and "did you mean 'preprocesing_fn'?" in text


def test_a_missing_module_file(examples: Examples, schema: Schema, tmp_path: Path) -> None:
    text = fails(UserCodeError, examples, schema, tmp_path, module_file=str(tmp_path / "nowhere.py"))
    assert "nowhere.py" in text and "does not exist" in text


def test_a_function_that_raises(examples: Examples, schema: Schema, tmp_path: Path) -> None:
    module = tmp_path / "raising_module.py"
    module.write_text("def preprocessing_fn(inputs):\n    limit = {}['missing key']\n    return inputs\n")
    with pytest.raises(UserCodeError, match=r"KeyError: 'missing key' .*raising_module\.py:2") as caught:
        run_transform(examples, schema, tmp_path / "out", module_file=str(module), **LEAN)
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_feature_that_the_schema_has_not(examples: Examples, schema: Schema, tmp_path: Path) -> None:
    def preprocessing_fn(inputs: Any) -> Any:
        return {"x": inputs["distanc"]}

    text = fails(UserCodeError, examples, schema, tmp_path, preprocessing_fn=preprocessing_fn)
    assert text == "preprocessing_fn asks for feature 'distanc', which the schema has not; did you mean 'distance'?"


def a_list(inputs: Any) -> Any:
    return [inputs["month"]]


def nothing(inputs: Any) -> Any:
    return {}


def a_number(inputs: Any) -> Any:
    return {"x": 5}


def a_numbered_feature(inputs: Any) -> Any:
    return {3: inputs["month"]}


def a_scalar(inputs: Any) -> Any:
    import tensorflow as tf

    return {"total": tf.reduce_sum(inputs["month"])}


def always_three_rows(inputs: Any) -> Any:
    import tensorflow as tf

    return {"three": tf.constant([1, 2, 3], tf.int64)}


def an_int32(inputs: Any) -> Any:
    import tensorflow as tf

    return {"small": tf.cast(inputs["month"], tf.int32)}


def an_unknown_width(inputs: Any) -> Any:
    import tensorflow as tf

    return {"wide": tf.sparse.to_dense(inputs["temp"])}


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (a_list, "expected a dict of feature name to tensor, received list"),
        (nothing, "expected at least one feature, received an empty dict"),
        (a_number, "feature 'x': expected a Tensor, SparseTensor or RaggedTensor, received int"),
        (a_numbered_feature, "expected feature names of type str, received 3 of type int"),
        (a_scalar, "feature 'total': expected one row per input row, received a scalar"),
        (
            always_three_rows,
            "feature 'three': expected one row per input row, received a tensor that always has 3 rows",
        ),
        (
            an_int32,
            "feature 'small': expected dtype float32, int64 or string, which tf.Examples can hold, "
            "received dtype=int32",
        ),
        (an_unknown_width, "feature 'wide': expected known dimensions after the first, received shape=(None, None)"),
    ],
)
def test_what_the_function_returns(
    function: Callable[[Any], Any], expected: str, examples: Examples, schema: Schema, tmp_path: Path
) -> None:
    text = fails(UserCodeError, examples, schema, tmp_path, preprocessing_fn=function)
    assert expected in text
    assert f"{Path(__file__).name}:{function.__code__.co_firstlineno}" in text


def test_a_batch_size_that_only_the_data_shows_to_be_wrong(examples: Examples, schema: Schema, tmp_path: Path) -> None:
    def preprocessing_fn(inputs: Any) -> Any:
        return {"month": inputs["month"], "shorter": inputs["distance"][:-2]}

    text = fails(UserCodeError, examples, schema, tmp_path, preprocessing_fn=preprocessing_fn)
    assert "returns feature 'shorter' with 148 rows for a batch of 150 rows" in text
    assert examples.path("train") in text


def test_an_assertion_in_the_graph(examples: Examples, schema: Schema, tmp_path: Path) -> None:
    def preprocessing_fn(inputs: Any) -> Any:
        import tensorflow as tf
        import tensorflow_transform as tft

        with tf.control_dependencies([tf.debugging.assert_less(inputs["month"], tf.constant(0, tf.int64), "too late")]):
            return {"z": tft.scale_to_z_score(tf.cast(tf.identity(inputs["month"]), tf.float32))}

    text = fails(UserCodeError, examples, schema, tmp_path, preprocessing_fn=preprocessing_fn)
    assert "the graph of preprocessing_fn failed" in text and "too late" in text
    assert len(text) < 3000  # not the whole batch


def not_options(kind: Any, options: Any) -> Any:
    return None


def test_an_updater_that_returns_no_options(examples: Examples, schema: Schema, tmp_path: Path) -> None:
    text = fails(
        UserCodeError, examples, schema, tmp_path, preprocessing_fn=lambda inputs: {"x": inputs["month"]},
        stats_options_updater_fn=not_options, disable_statistics=False,
    )  # fmt: skip
    assert "StatsType.PRE_TRANSFORM): expected tfdv.StatsOptions, received NoneType" in text


# Data ------------------------------------------------------------------------------------------------------------


def test_a_required_feature_that_the_data_has_not(examples: Examples, tmp_path: Path) -> None:
    schema = write_schema(tmp_path / "schema", required={**REQUIRED, "gate": "BYTES"})
    text = fails(DataError, examples, schema, tmp_path, preprocessing_fn=lambda inputs: {"x": inputs["gate"]})
    assert "feature 'gate': the schema requires 1 value(s) in every row, but the data has no such feature" in text
    assert examples.path("train") in text


def test_a_required_feature_that_is_missing_in_some_rows(tmp_path: Path, schema: Schema) -> None:
    frame = flights_frame(100)
    frame["distance"] = frame["distance"].astype("Int64").where(frame.index != 17)
    examples = examples_of(tmp_path / "data", train=frame)
    text = fails(DataError, examples, schema, tmp_path, preprocessing_fn=lambda inputs: {"x": inputs["distance"]})
    assert "feature 'distance'" in text and "1 of 100 rows of a batch have another number (row 17: 0)" in text


def test_a_split_without_rows(tmp_path: Path, schema: Schema) -> None:
    import tensorflow as tf
    import tensorflow_transform as tft

    frame = flights_frame(10)
    examples = examples_of(tmp_path / "data", train=frame[:0], eval=frame)
    text = fails(
        DataError, examples, schema, tmp_path,
        preprocessing_fn=lambda inputs: {"x": tft.scale_to_z_score(tf.cast(inputs["distance"], tf.float32))},
    )  # fmt: skip
    assert "expected rows to analyze, received none in" in text and examples.path("train") in text


def test_a_schema_that_does_not_parse(examples: Examples, tmp_path: Path) -> None:
    schema = write_schema(tmp_path / "schema", extra='feature { nmae: "x" }')
    text = fails(DataError, examples, schema, tmp_path, preprocessing_fn=dict)
    assert "schema.pbtxt, line 7" in text and "'name'" in text


def test_a_column_of_another_type_than_the_schema_says(tmp_path: Path, schema: Schema) -> None:
    frame = flights_frame(20)
    frame["distance"] = frame["distance"].astype(float)
    examples = examples_of(tmp_path / "data", train=frame)
    text = fails(DataError, examples, schema, tmp_path, preprocessing_fn=lambda inputs: {"x": inputs["distance"]})
    assert "distance" in text and "data_tfrecord-00000-of-00001.gz" in text


def test_a_payload_without_features_by_name(examples: Examples, schema: Schema, tmp_path: Path) -> None:
    payload = "FORMAT_PROTO"
    other = Examples(examples.uri, custom_properties={"payload_format": payload, "file_format": "tfrecords_gzip"})
    other.splits = ["train", "eval"]
    with pytest.raises(DataError, match=f"received payload_format='{payload}'; bind a view to them"):
        run_transform(other, schema, tmp_path, preprocessing_fn=lambda inputs: inputs)
