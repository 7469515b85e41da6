"""Rows that get lost between two nodes, or in a reader, are noticed by every component in every mode."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops_tfx.artifacts import Examples, Model, Schema
from mlops_tfx.components import CsvExampleGen, Evaluator, ImportExampleGen, StatisticsGen, Transform
from mlops_tfx.errors import DataError
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io.examples import ExamplesWriter, list_shards, read_batches
from mlops_tfx.io.row_counts import ROWS_BY_SPLIT, recorded_rows
from tests.unit.components.statistics_gen.cases import FN_API
from tests.unit.components.transform.cases import flights_frame, write_schema

ROWS = 3_000
LOST = 7
PREPROCESSING = """
import tensorflow as tf
import tensorflow_transform as tft

def preprocessing_fn(inputs):
    return {"distance": tft.scale_to_z_score(tf.cast(inputs["distance"], tf.float32))}
"""


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Any]:
    """Examples that CsvExampleGen wrote, a schema, and a model that says 0.5."""
    (tmp_path / "csv").mkdir()
    (tmp_path / "transform.py").write_text(PREPROCESSING)
    frame = flights_frame(ROWS)
    frame["late"] = (frame["distance"] > 900).astype(int)
    frame.to_csv(tmp_path / "csv" / "flights.csv", index=False)
    (examples,) = run_component(CsvExampleGen(input_base=str(tmp_path / "csv")), {}, tmp_path)["examples"]
    assert isinstance(examples, Examples)
    counts = [recorded_rows([examples], split) for split in ("train", "eval")]
    assert None not in counts and sum(rows or 0 for rows in counts) == ROWS
    return {"examples": examples, "schema": write_schema(tmp_path / "schema")}


def save_model(folder: Path) -> Model:
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples: Any) -> Any:
        return {"probability": tf.fill([tf.size(examples), 1], 0.5)}

    module = tf.Module()
    module.serve = serve
    tf.saved_model.save(module, str(folder / "model" / "Format-Serving"), signatures={"serving_default": serve})
    return Model(str(folder / "model"))


def run(name: str, inputs: dict[str, Any], folder: Path) -> Any:
    """Runs the component that a case names, in its mode."""
    kind, _, mode = name.partition(" ")
    args = {"beam": [FN_API], "processes": ["--direct_num_workers=2"]}.get(mode, [])
    if kind == "StatisticsGen":
        component: Any = StatisticsGen()
        inputs = {"examples": inputs["examples"]}
    elif kind == "Transform":
        component = Transform(module_file=str(folder / "transform.py"))
    else:
        options = {"compute_confidence_intervals": {"value": True}} if mode == "tfma" else {}
        component = Evaluator(
            eval_config={
                "model_specs": [{"label_key": "late"}],
                "metrics_specs": [{"metrics": [{"class_name": "ExampleCount"}, {"class_name": "BinaryAccuracy"}]}],
                "options": options,
            }
        )
        inputs = {"examples": inputs["examples"], "model": save_model(folder)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of TFMA's code and Beam's about themselves
        return run_component(component.with_beam_pipeline_args(args) if args else component, inputs, folder / "run")


def rewrite(examples: Examples, split: str, lost: int) -> None:
    """Replaces the shard of a split by one that lacks the last rows."""
    (shard,) = list_shards(examples, split)
    batches = list(read_batches(examples, split))
    rows = sum(batch.num_rows for batch in batches) - lost
    folder = os.path.join(os.path.dirname(shard.uri), "..", "shorter")
    with ExamplesWriter(folder) as writer:
        for batch in batches:
            writer.write(batch.slice(0, rows - writer.rows))
    os.replace(writer.paths[0], shard.uri)


@pytest.mark.parametrize(
    ("name", "split", "done"),
    [
        ("StatisticsGen here", "eval", "read"),
        ("StatisticsGen processes", "eval", "read"),
        ("StatisticsGen beam", "train", "read"),
        ("Transform here", "train", "analyzed"),
        ("Transform here", "eval", "transformed"),
        ("Transform beam", "eval", "transformed"),
        ("Evaluator arrays", "eval", "evaluated"),
        ("Evaluator tfma", "eval", "evaluated"),
    ],
)
def test_a_shard_replaced_by_a_shorter_one(
    name: str, split: str, done: str, inputs: dict[str, Any], tmp_path: Path
) -> None:
    examples = inputs["examples"]
    rows = recorded_rows([examples], split) or 0
    rewrite(examples, split, LOST)
    message = rf"split '{split}' of Examples at .* has {rows} rows, but {rows - LOST} were {done}"
    with pytest.raises(DataError, match=message):
        run(name, inputs, tmp_path)


def dropping(read: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """A reader that loses the last rows of what it reads."""

    def lossy(*args: Any, **kwargs: Any) -> Iterator[Any]:
        for item in read(*args, **kwargs):
            yield item.slice(0, item.num_rows - LOST) if item.num_rows > LOST else item

    return lossy


@pytest.mark.parametrize(
    ("name", "reader", "message"),
    [
        ("StatisticsGen here", "mlops_tfx.io.examples.read_shard", "were read"),
        ("StatisticsGen beam", "mlops_tfx.io.examples.read_shard", "were read"),
        ("Transform here", "mlops_tfx.components.transform.reading.read_shard", "were analyzed"),
        ("Transform beam", "mlops_tfx.transformation.saved_graph.read_shard", "were transformed"),
        ("Transform here", "mlops_tfx.transformation.saved_graph.read_shard", "were transformed"),
        ("Evaluator arrays", "mlops_tfx.io.examples.read_shard", "were evaluated"),
        ("Evaluator tfma", "mlops_tfx.io.examples.read_shard", "were evaluated"),
    ],
)
def test_a_reader_that_loses_rows(
    name: str, reader: str, message: str, inputs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    module, _, attribute = reader.rpartition(".")
    monkeypatch.setattr(reader, dropping(getattr(importlib.import_module(module), attribute)))
    # TFX writes no counts: then the files are counted.
    del inputs["examples"].custom_properties[ROWS_BY_SPLIT]
    # StatisticsGen in this process counts no file twice, so it needs the recorded rows.
    if name == "StatisticsGen here":
        inputs["examples"].custom_properties[ROWS_BY_SPLIT] = '{"eval": 1000, "train": 2000}'
    with pytest.raises(DataError, match=message):
        run(name, inputs, tmp_path)


def test_csv_and_tfrecord_readers_that_lose_a_batch(
    inputs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlops_tfx.io import csv_files, import_files

    def losing(read: Any) -> Any:
        return lambda *args, **kwargs: list(read(*args, **kwargs))[:-1]

    monkeypatch.setattr(csv_files, "read_csv", losing(csv_files.read_csv))
    with pytest.raises(DataError, match=rf"expected to write the {ROWS} rows of the input, wrote 0"):
        run_component(CsvExampleGen(input_base=str(tmp_path / "csv")), {}, tmp_path / "again")
    monkeypatch.setattr(import_files, "read_tfrecords", losing(import_files.read_tfrecords))
    (tmp_path / "records").mkdir()
    (shard,) = list_shards(inputs["examples"], "train")
    os.rename(shard.uri, tmp_path / "records" / "data.gz")
    with pytest.raises(DataError, match="rows of the input, wrote 0"):
        run_component(ImportExampleGen(input_base=str(tmp_path / "records")), {}, tmp_path / "import")


def test_what_is_recorded_when_nothing_is_lost(inputs: dict[str, Any], tmp_path: Path) -> None:
    import json

    (transformed,) = run("Transform here", inputs, tmp_path)["transformed_examples"]
    counts = json.loads(transformed.custom_properties[ROWS_BY_SPLIT])
    assert counts == json.loads(inputs["examples"].custom_properties[ROWS_BY_SPLIT])
    two = [inputs["examples"], transformed]
    assert recorded_rows(two, "eval") == 2 * counts["eval"]
    assert recorded_rows([*two, Schema("x")], "eval") is None  # type: ignore[list-item]
