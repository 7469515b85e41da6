"""A pipeline on the penguins that has every standard component in it."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import fastavro
import pandas as pd
import pyarrow as pa

from mlops_tfx import config, filesystem
from mlops_tfx.components import (
    AvroExampleGen,
    BigQueryExampleGen,
    DataViewBinder,
    FileBasedExampleGen,
    ImportExampleGen,
    ImportSchemaGen,
    JsonLinesExampleGen,
    MergeStatistics,
    QueryBasedExampleGen,
    StatisticsGen,
    TfGraphDataViewProvider,
    Trainer,
    Tuner,
)
from mlops_tfx.io.inputs import InputSplit
from mlops_tfx.node import Node
from mlops_tfx.pipelines.tabular import tabular_pipeline
from tests.conformance.comparing_nodes import comparing_nodes
from tests.conformance.inferring_nodes import inferring_nodes

SCHEMA = """
feature {
  name: "body_mass_g"
  type: FLOAT
}
"""


def nodes(folder: Path) -> list[Node]:
    """Returns fresh nodes that read data below ``folder``, which are written if they are not there."""
    if not (folder / "csv").exists():
        write_inputs(folder)
    chain = tabular_pipeline(
        name="chain",
        data=folder / "csv",
        label="species",
        task="multiclass",
        pipeline_root=folder / "root",
        push_to=folder / "serving",
        custom_config={"epochs": 1},
    )
    (statistics,) = (node for node in chain.nodes if isinstance(node, StatisticsGen))
    merged = MergeStatistics(statistics.outputs["statistics"])
    records = ImportExampleGen(input_base=str(folder / "records"))
    lines = FileBasedExampleGen(input_base=str(folder / "csv"), custom_executor_spec=read_lines)
    formats = [AvroExampleGen(input_base=str(folder / "avro")), JsonLinesExampleGen(input_base=str(folder / "json"))]
    query = config.Input(splits=[config.Input.Split(name="all", pattern="select * from penguins")])
    queried = [
        QueryBasedExampleGen(input_config=query, custom_executor_spec=run_query),
        BigQueryExampleGen(query="select * from penguins", custom_executor_spec=run_query),
    ]
    schema = ImportSchemaGen(schema_file=str(folder / "schema.pbtxt"))
    validators = comparing_nodes(
        statistics.inputs["examples"], statistics.outputs["statistics"], merged.outputs["statistics"]
    )
    (trainer,) = (node for node in chain.nodes if isinstance(node, Trainer))
    tuner = Tuner(examples=trainer.inputs["examples"], tuner_fn="tests.conformance.tuning.tuner_fn")
    inferring = inferring_nodes(statistics.inputs["examples"], trainer)
    view = TfGraphDataViewProvider("tests.golden.data_view.decoder.create_decoder")
    views = [view, DataViewBinder(statistics.inputs["examples"], view.outputs["data_view"])]
    return [*chain.nodes, *validators, *inferring, tuner, merged, records, lines, *formats, *queried, schema, *views]


def run_query(query: str) -> Iterator[pa.RecordBatch]:
    """What a data base would return."""
    yield pa.RecordBatch.from_arrays([pa.array([len(query), 0])], ["n"])


def read_lines(split: InputSplit) -> Iterator[pa.RecordBatch]:
    """Reads the lines of text files."""
    for path in split.files:
        lines = filesystem.read_bytes(path).splitlines()
        yield pa.RecordBatch.from_arrays([pa.array(lines)], ["line"])


def write_inputs(folder: Path) -> None:
    """Writes the penguins as CSV, one column of theirs as TFRecord, and a schema."""
    import tensorflow as tf

    (folder / "schema.pbtxt").write_text(SCHEMA)
    table = pd.read_csv(_penguins())
    (folder / "csv").mkdir()
    table.to_csv(folder / "csv" / "penguins.csv", index=False)
    (folder / "json").mkdir()
    table.to_json(folder / "json" / "penguins.jsonl", orient="records", lines=True)
    (folder / "avro").mkdir()
    fields = [{"name": "body_mass_g", "type": "double"}]
    with (folder / "avro" / "penguins.avro").open("wb") as file:
        rows = table[["body_mass_g"]].dropna().to_dict("records")
        fastavro.writer(file, {"type": "record", "name": "Penguin", "fields": fields}, rows)
    (folder / "records").mkdir()
    with tf.io.TFRecordWriter(str(folder / "records" / "penguins.tfrecord")) as writer:
        for mass in table["body_mass_g"].dropna():
            values = tf.train.Feature(float_list=tf.train.FloatList(value=[mass]))
            example = tf.train.Example(features=tf.train.Features(feature={"body_mass_g": values}))
            writer.write(example.SerializeToString())


def _penguins() -> str:
    spec = importlib.util.find_spec("palmerpenguins")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return os.path.join(next(iter(spec.submodule_search_locations)), "data", "penguins.csv")
