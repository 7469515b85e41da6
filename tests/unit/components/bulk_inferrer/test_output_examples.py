"""Rows with predictions as further columns: what is kept, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlops_tfx.artifacts import Examples, Model, ModelBlessing
from mlops_tfx.channel import Channel
from mlops_tfx.components import BulkInferrer
from mlops_tfx.config import (
    ClassifyOutput,
    DataSpec,
    ModelSpec,
    OutputColumnsSpec,
    OutputExampleSpec,
    PredictOutput,
    PredictOutputCol,
    RegressOutput,
)
from mlops_tfx.errors import ArtifactError, ConfigError, DataError, WiringError
from mlops_tfx.io.examples import ExamplesWriter, read_batches
from mlops_tfx.pipeline import Pipeline
from tests.unit.components.bulk_inferrer.cases import LABELS, infer, logs_of, predicted, table_of, write_examples, xs


def predict(columns: dict[str, str], signature: str = "") -> OutputColumnsSpec:
    pairs = [PredictOutputCol(output_key=key, output_column=column) for key, column in columns.items()]
    return OutputColumnsSpec(signature_name=signature, predict_output=PredictOutput(output_columns=pairs))


def spec(*entries: OutputColumnsSpec) -> OutputExampleSpec:
    return OutputExampleSpec(output_columns_spec=list(entries))


EVERY = spec(predict({"y": "y", "column": "c", "pair": "p", "length": "n", "text": "t", "large": "l", "positive": "b"}))


@pytest.mark.parametrize("file_format", ["tfrecords_gzip", "parquet"])
def test_every_kind_of_output_becomes_a_column(tmp_path: Path, model: Model, file_format: str) -> None:
    examples = write_examples(tmp_path / "e", {"train": xs(40), "eval": xs(7, 50)}, file_format)
    result = infer(tmp_path, model, examples, output_example_spec=EVERY)
    assert isinstance(result, Examples)
    assert result.splits == ["train", "eval"]
    assert result.span == 3
    suffix = ".gz" if file_format == "tfrecords_gzip" else ".parquet"
    assert os.listdir(f"{result.uri}/Split-eval") == [f"examples-00000-of-00001{suffix}"]
    for split, x in (("train", xs(40)), ("eval", xs(7, 50))):
        table, before = table_of(result, split), table_of(examples, split)
        assert {name: table[name] for name in before} == before, "the rows themselves are as they were, in order"
        y = predicted(x).tolist()
        assert table["y"] == table["c"] == [[value] for value in y]
        assert table["p"] == [[a, b] for a, b in zip(x.tolist(), y, strict=True)]
        assert table["t"] == [[b"%f" % value] for value in y]
        assert table["b"] == [[int(value > 0)] for value in x]
        assert np.ravel(table["l"]).tolist() == (x.astype(np.float64) * 1e-3).astype(np.float32).tolist()
        assert all(length[0] > 20 for length in table["n"])


@pytest.mark.parametrize(
    ("keep", "names"),
    [(None, {"x", "id", "extra", "y"}), (["id"], {"id", "y"}), (["extra", "x"], {"extra", "x", "y"}), ([], {"y"})],
)
@pytest.mark.parametrize("beam", [False, True])
def test_keep_features_chooses_what_stays(
    tmp_path: Path, model: Model, keep: list[str] | None, names: set[str], beam: bool
) -> None:
    examples = write_examples(tmp_path / "e", {"all": xs(25)})
    columns = spec(predict({"y": "y"}))
    result = infer(tmp_path, model, examples, beam=beam, output_example_spec=columns, keep_features=keep)
    table, before = table_of(result, "all"), table_of(examples, "all")
    assert set(table) == names
    assert table["y"] == [[value] for value in predicted(xs(25)).tolist()]
    assert all(table[name] == before[name] for name in names - {"y"})


def test_several_signatures_in_one_pass(tmp_path: Path, model: Model) -> None:
    examples = write_examples(tmp_path / "e", {"all": xs(11)})
    columns = spec(
        OutputColumnsSpec(signature_name="regress", regress_output=RegressOutput(value_column="value")),
        OutputColumnsSpec(
            signature_name="classify", classify_output=ClassifyOutput(label_column="label", score_column="score")
        ),
        predict({"size": "size"}, "sizes"),
        predict({"y": "plus_one"}, "named"),
    )
    signatures = ModelSpec(model_signature_name=["regress", "classify", "sizes", "named"])
    result = infer(tmp_path, model, examples, output_example_spec=columns, model_spec=signatures)
    table = table_of(result, "all")
    x, y = xs(11).tolist(), predicted(xs(11)).tolist()
    assert table["value"] == [[value] for value in y]
    assert table["label"] == [list(LABELS)] * 11
    assert table["score"] == [[a, b] for a, b in zip(x, y, strict=True)]
    assert table["size"] == [[11]] * 11
    assert table["plus_one"] == [[value + 1] for value in x]


def test_a_split_of_several_artifacts_is_read_from_all(tmp_path: Path, model: Model) -> None:
    first = write_examples(tmp_path / "a", {"train": xs(10), "eval": xs(3)})
    second = write_examples(tmp_path / "b", {"train": xs(5, 100)})
    result = infer(tmp_path, model, [first, second], output_example_spec=spec(predict({"y": "y"})))
    x = np.concatenate([xs(10), xs(5, 100)])
    assert table_of(result, "train")["y"] == [[value] for value in predicted(x).tolist()]
    assert table_of(result, "eval")["y"] == [[value] for value in predicted(xs(3)).tolist()]
    assert result.custom_properties["rows"] == 18


@pytest.mark.parametrize("file_format", ["tfrecords_gzip", "parquet"])
def test_an_input_with_a_features_name_is_given_the_feature(tmp_path: Path, model: Model, file_format: str) -> None:
    """One input of texts: it may take records, but not if it is called as a feature is."""
    examples = write_examples(tmp_path / "e", {"all": xs(5)}, file_format)
    signature = ModelSpec(model_signature_name=["one_text"])
    columns = spec(predict({"again": "again"}, "one_text"))
    result = infer(tmp_path, model, examples, output_example_spec=columns, model_spec=signature)
    table = table_of(result, "all")
    assert table["again"] == table["id"] == [[b"row %d" % row] for row in range(5)]


@pytest.mark.parametrize("file_format", ["tfrecords_gzip", "parquet"])
def test_an_empty_split_stays_one(tmp_path: Path, model: Model, file_format: str) -> None:
    examples = write_examples(tmp_path / "e", {"train": xs(4), "eval": xs(0)}, file_format)
    result = infer(tmp_path, model, examples, output_example_spec=spec(predict({"y": "y"})))
    assert result.splits == ["train", "eval"]
    assert [sum(batch.num_rows for batch in read_batches(result, split)) for split in result.splits] == [4, 0]
    again = infer(tmp_path / "again", model, result, output_example_spec=spec(predict({"y": "again"})))
    assert again.custom_properties["rows"] == 4
    logs = infer(tmp_path / "logs", model, write_examples(tmp_path / "none", {"all": xs(0)}, file_format))
    assert logs_of(logs) == []


@pytest.mark.parametrize("properties", [{"blessed": 0}, {}])
@pytest.mark.parametrize("columns", [None, spec(predict({"y": "y"}))])
def test_without_a_blessing_nothing_is_inferred(
    tmp_path: Path, model: Model, properties: dict[str, int], columns: OutputExampleSpec | None
) -> None:
    blessing = ModelBlessing("verdict", custom_properties=properties)
    examples = write_examples(tmp_path / "e", {"all": xs(3)})
    result = infer(tmp_path, model, examples, blessing=blessing, output_example_spec=columns)
    assert os.listdir(result.uri) == []
    assert "verdict does not bless" in str(result.custom_properties["not_inferred_because"])


def test_with_a_blessing_it_is(tmp_path: Path, model: Model) -> None:
    blessing = ModelBlessing("verdict", custom_properties={"blessed": 1})
    assert infer(
        tmp_path, model, write_examples(tmp_path / "e", {"all": xs(3)}), blessing=blessing
    ).custom_properties == {"rows": 3}


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"output_example_spec": spec(predict({"y": "a"}), predict({"pair": "b"}))}, "one entry per signature"),
        ({"output_example_spec": spec(predict({"y": "a", "pair": "a"}))}, "'a' several times"),
        ({"output_example_spec": spec(predict({"y": "a"})), "keep_features": ["a"]}, "also in keep_features"),
        ({"output_example_spec": spec(predict({"y": "a"}, "regres"))}, "names signature 'regres'"),
        ({"output_example_spec": spec(OutputColumnsSpec())}, "expected columns for the outputs"),
        ({"output_example_spec": spec(OutputColumnsSpec(classify_output=ClassifyOutput()))}, "expected columns"),
        (
            {
                "output_example_spec": spec(predict({"y": "a"})),
                "model_spec": ModelSpec(model_signature_name=["serving_default", "sizes"]),
            },
            "no entry for signature 'sizes'",
        ),
        ({"model_spec": ModelSpec(model_signature_name=["a", "a"])}, "each signature once"),
        (
            {"output_example_spec": spec(predict({"y": "a"})), "keep_features": ["id", "x", "id"]},
            "each feature once, received keep_features=['id', 'x', 'id']",
        ),
        ({"keep_features": ["id"]}, "keep_features is for output_example_spec"),
        ({"batch_rows": 0}, "received batch_rows=0"),
        ({"batch_bytes": -1}, "received batch_bytes=-1"),
        ({"batch_rows": "many"}, "batch_rows"),
        ({"data_spec": ["train"]}, "data_spec"),
        ({"model_spec": "serving_default"}, "model_spec"),
        ({"output_example_spec": {"y": "y"}}, "output_example_spec"),
        ({"keep_feature": []}, "did you mean 'keep_features'"),
    ],
)
def test_wrong_parameters_are_wiring_errors(tmp_path: Path, parameters: dict[str, Any], problem: str) -> None:
    node = BulkInferrer(examples=Channel(Examples), model=Channel(Model), **parameters)
    with pytest.raises(WiringError) as caught:
        Pipeline("p", str(tmp_path), components=[node])
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (
            lambda: OutputColumnsSpec(classify_output=ClassifyOutput(), regress_output=RegressOutput(value_column="v")),
            "at most one of",
        ),
        (lambda: PredictOutput(output_columns=[]), "output_columns"),
        (lambda: PredictOutputCol(output_key="y"), "output_column"),
        (lambda: RegressOutput(), "value_column"),
        (lambda: ModelSpec(signature_name=["a"]), "did you mean 'model_signature_name'"),
        (lambda: DataSpec(example_splits="train"), "example_splits"),
        (lambda: OutputExampleSpec(output_columns_spec=[]), "output_columns_spec"),
    ],
)  # fmt: skip
def test_wrong_configurations_are_refused(make: Any, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        make()


@pytest.mark.parametrize(
    ("parameters", "error", "problem"),
    [
        ({"output_example_spec": spec(predict({"y": "x"}))}, DataError, "have a feature 'x' already"),
        ({"output_example_spec": spec(predict({"why": "y"}))}, ConfigError, "has no output 'why'"),
        ({"output_example_spec": spec(predict({"table": "y"}))}, ConfigError, "'table' of signature 'serving_default'"),
        (
            {"output_example_spec": spec(OutputColumnsSpec(regress_output=RegressOutput(value_column="v")))},
            ConfigError,
            "has no output 'outputs' to regress",
        ),
        (
            {"model_spec": ModelSpec(model_signature_name=["serving_defualt"])},
            ConfigError,
            "did you mean 'serving_default'",
        ),
        ({"model_spec": ModelSpec(tag=["train"])}, ArtifactError, "tags \\['train'\\]"),
        (
            {"model_spec": ModelSpec(model_signature_name=["short"])},
            DataError,
            "'y' of signature 'short' to have 12 rows",
        ),
        ({"model_spec": ModelSpec(model_signature_name=["checks"])}, DataError, "rows 0 to 11.*no log of zero"),
        ({"data_spec": DataSpec(example_splits=["al"])}, ConfigError, "no split 'al'; did you mean 'all'"),
        (
            {"output_example_spec": spec(predict({"y": "y"})), "keep_features": ["ids"]},
            ConfigError,
            "no row has a feature 'ids'; did you mean 'id'",
        ),
    ],
)
def test_what_only_shows_at_work_fails_clearly_and_leaves_nothing(
    tmp_path: Path, model: Model, parameters: dict[str, Any], error: type[Exception], problem: str
) -> None:
    with pytest.raises(error, match=problem):
        infer(tmp_path, model, write_examples(tmp_path / "e", {"all": xs(12)}), **parameters)


def test_a_keras_3_model_that_no_session_can_run_says_what_to_do(tmp_path: Path) -> None:
    import keras
    import tensorflow as tf

    layers = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve(examples: Any) -> dict[str, Any]:
        return {"y": layers(tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"])}

    tf.saved_model.save(layers, str(tmp_path / "model" / "Format-Serving"), signatures={"serving_default": serve})
    with pytest.raises(DataError, match=r"Could not find variable.*Keras 3 .*model\.export\(\)"):
        infer(tmp_path, Model(str(tmp_path / "model")), write_examples(tmp_path / "rows", {"train": xs(3)}))


def test_named_inputs_need_their_features(tmp_path: Path, model: Model) -> None:
    named = ModelSpec(model_signature_name=["named"])
    columns = {
        "absent": {"id": [[b"a"]]},
        "twice": {"id": [[b"a"], [b"a"]], "x": [[1.0], [1.0, 2.0]]},
        "missing": {"id": [[b"a"], [b"a"]], "x": [[1.0], None]},
        "text": {"id": [[b"a"]], "x": [[b"one"]]},
    }
    problems = {
        "absent": "expected a feature of this name", "twice": "received 2 in row 1", "missing": "received 0 in row 1",
        "text": "expected values for float32",
    }  # fmt: skip
    for name, values in columns.items():
        examples = Examples(str(tmp_path / name))
        examples.splits = ["all"]
        with ExamplesWriter(f"{examples.uri}/Split-all") as writer:
            writer.write(_batch(values))
        with pytest.raises(DataError, match=f"input 'x' of signature 'named': .*{problems[name]}"):
            infer(tmp_path / f"{name}-out", model, examples, model_spec=named)


def _batch(values: dict[str, list[Any]]) -> Any:
    def column(rows: list[Any]) -> pa.Array:
        kind = pa.float32() if isinstance(rows[0][0], float) else pa.large_binary()
        return pa.array(rows, pa.large_list(kind))

    return pa.RecordBatch.from_arrays([column(rows) for rows in values.values()], list(values))


def test_records_that_are_no_examples_need_a_choice(tmp_path: Path, model: Model) -> None:
    examples = write_examples(tmp_path / "e", {"all": xs(4)}, payload="FORMAT_PROTO")
    columns = spec(predict({"y": "y"}))
    with pytest.raises(DataError, match="keep_features"):
        infer(tmp_path, model, examples, output_example_spec=columns)
    result = infer(tmp_path / "b", model, examples, output_example_spec=columns, keep_features=[])
    assert table_of(result, "all") == {"y": [[value] for value in predicted(xs(4)).tolist()]}
