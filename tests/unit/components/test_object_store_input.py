"""Ingestion from an object store writes the same bytes as from a local folder."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_tfx import config, filesystem
from mlops_tfx.component import Component
from mlops_tfx.components import CsvExampleGen, ImportExampleGen, ImportSchemaGen, JsonLinesExampleGen
from mlops_tfx.errors import DataError
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io import inputs
from tests.object_store.server import ObjectStore

ROWS = [{"id": n, "x": n / 7, "name": f"row {n} é"} for n in range(3000)]


def csv(folder: Path) -> Callable[[str], Component]:
    text = "id,x,name\n" + "".join(f"{row['id']},{row['x']},{row['name']}\n" for row in ROWS)
    (folder / "a.csv").write_text(text)
    (folder / "b.csv").write_text("id,x,name\n1,2.5,last\n")
    return lambda base: CsvExampleGen(input_base=base)


def json_lines(folder: Path) -> Callable[[str], Component]:
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    return lambda base: JsonLinesExampleGen(input_base=base)


def parquet(folder: Path) -> Callable[[str], Component]:
    pq.write_table(pa.Table.from_pylist(ROWS), folder / "a.parquet", row_group_size=1000)
    return lambda base: ImportExampleGen(input_base=base, payload_format=config.PayloadFormat.FORMAT_PARQUET)


def spans(folder: Path) -> Callable[[str], Component]:
    for span in (1, 2):
        (folder / f"span-{span}").mkdir()
        (folder / f"span-{span}" / "a.csv").write_text(f"id\n{span}\n")
    pattern = config.Input(splits=[config.Input.Split(name="all", pattern="span-{SPAN}/*.csv")])
    return lambda base: CsvExampleGen(input_base=base, input_config=pattern)


@pytest.mark.parametrize("make", [csv, json_lines, parquet, spans], ids=lambda make: make.__name__)
def test_the_same_bytes_as_from_a_local_folder(s3: ObjectStore, tmp_path: Path, make) -> None:
    data = tmp_path / "data"
    data.mkdir()
    component = make(data)
    filesystem.copy_tree(data, f"{s3.uri}/data")
    (here,) = run_component(component(str(data)), {}, tmp_path / "here")["examples"]
    (there,) = run_component(component(f"{s3.uri}/data"), {}, tmp_path / "there")["examples"]
    assert filesystem.digest(there.uri) == filesystem.digest(here.uri)
    assert there.properties == here.properties
    assert there.custom_properties.keys() == here.custom_properties.keys()
    assert there.custom_properties["span"] == here.custom_properties["span"]


def test_what_the_input_is_costs_no_reading(s3: ObjectStore) -> None:
    filesystem.write_bytes(f"{s3.uri}/data/a.csv", b"id\n1\n")
    s3.proxy.requests.clear()
    found = inputs.find_input(f"{s3.uri}/data", None)
    before = inputs.ingredients(found)
    assert list(before) == [f"file {s3.uri}/data/a.csv"]
    assert f"num_files:1,total_bytes:{len('id 1 ')}," in inputs.fingerprint(found)
    assert s3.proxy.bytes_read == 0
    filesystem.write_bytes(f"{s3.uri}/data/a.csv", b"id\n2\n")
    assert inputs.ingredients(inputs.find_input(f"{s3.uri}/data", None)) != before


def test_a_schema_from_an_object_store(s3: ObjectStore, tmp_path: Path) -> None:
    filesystem.write_bytes(f"{s3.uri}/schema.pbtxt", b'feature { name: "x" }')
    gen = ImportSchemaGen(schema_file=f"{s3.uri}/schema.pbtxt")
    (schema,) = run_component(gen, {}, tmp_path)["schema"]
    assert filesystem.read_bytes(f"{schema.uri}/schema.pbtxt") == b'feature { name: "x" }'


def test_an_input_that_is_not_there_is_named(s3: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"input_base='{s3.uri}/nothing'"):
        run_component(CsvExampleGen(input_base=f"{s3.uri}/nothing"), {}, tmp_path)
    filesystem.write_bytes(f"{s3.uri}/data/a.csv", b"id\n1\n")
    with pytest.raises(DataError, match=f"pass '{s3.uri}/data' and .*'a.csv'"):
        run_component(CsvExampleGen(input_base=f"{s3.uri}/data/a.csv"), {}, tmp_path)
