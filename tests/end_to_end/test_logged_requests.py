"""Pipeline, push, serve, query, log, and a pipeline over the log: the schema holds, and a planted hour 77 is named."""

from __future__ import annotations

import http.client
import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from mlops_tfx import config, filesystem
from mlops_tfx.components import ExampleValidator, ImportExampleGen, ImportSchemaGen, StatisticsGen
from mlops_tfx.deployment.lineage import read_card
from mlops_tfx.execution import LocalRunner, Observer
from mlops_tfx.io.protos import read_schema
from mlops_tfx.pipeline import Pipeline
from mlops_tfx.serving.local import serve
from tests.end_to_end.conftest import Example, prepare

ROWS, ASKED = 3000, 240
# The example's own module and data, held against a schema that somebody has looked at.
RUN = """
import os, sys
from mlops_tfx.execution import LocalRunner
from mlops_tfx.pipelines.tabular import tabular_pipeline
runs, schema_file = sys.argv[1:]
LocalRunner().run(tabular_pipeline(
    name="flights", data=f"{runs}/data", label="late", task="binary", pipeline_root=f"{runs}/pipeline",
    push_to=f"{runs}/serving", preprocessing_fn=os.path.abspath("preprocessing.py"), run_fn=os.path.abspath("model.py"),
    threshold=0.5, schema_file=schema_file,
))
"""
# Another process, without TensorFlow: rows as tf.Examples over gRPC, 30 at once and one by one, and over REST.
QUERY = """
import csv, http.client, json, sys
from mlops_tfx.serving.client import Client
address, rest_port, file, plant = sys.argv[1:]

def value(text):
    for kind in (int, float, str):
        try:
            return kind(text)
        except ValueError:
            pass

with open(file) as opened:
    rows = [{k: value(v) for k, v in row.items() if v and k != "late"} for row in csv.DictReader(opened)]
model = "planted" if plant else "clean"
if plant:
    rows[45]["hour"] = 77
with Client(address) as client:
    many, few = rows[:-10], rows[-10:]
    for begin in range(0, len(many), 30):
        client.predict(model, many[begin : begin + 30])
    for row in few:
        client.predict(model, [row])
connection = http.client.HTTPConnection("localhost", int(rest_port))
row = {**rows[0], "hour": 77} if plant else rows[0]
body = json.dumps({"signature_name": "serving_raw", "instances": [row]})
connection.request("POST", f"/v1/models/{model}:predict", body)
response = connection.getresponse()
assert response.status == 200, response.read()
assert "tensorflow" not in sys.modules
print(json.dumps(response.getheader("schema-guard")))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, flights_sample: tuple[Example, str]) -> Example:
    """The example of the flights with 3,000 rows and the schema that the larger run inferred, hours from 0 to 23."""
    source, _ = flights_sample
    example = prepare("flights", tmp_path_factory.mktemp("logged"))
    lines = filesystem.read_bytes(source.runs / "data" / "flights.csv").splitlines(keepends=True)
    filesystem.write_bytes(example.runs / "data" / "flights.csv", b"".join(lines[: ROWS + 1]))
    schema = read_schema(str(source.output("SchemaGen", "schema") / "schema.pbtxt"))
    for feature in schema.feature:
        if feature.name == "hour":
            feature.int_domain.min, feature.int_domain.max = 0, 23
    curated = example.runs / "curated.pbtxt"
    filesystem.write_bytes(curated, text_format.MessageToString(schema).encode())
    finished = example.execute([sys.executable, "-c", RUN, str(example.runs), str(curated)])
    assert finished.returncode == 0, finished.stderr[-5000:]
    return example


def write_configs(folder: Path, pushed: Path) -> list[str]:
    """Two names for the model, so that each has a log of its own; returns the flags."""
    names = ("clean", "planted")
    entries = "".join(f'config {{ name: "{n}" base_path: "{pushed}" model_platform: "tensorflow" }} ' for n in names)
    files = {
        "model_config_file": f"model_config_list {{ {entries} }}",
        "logging_config_file": f'log_collector_config {{ filename_prefix: "{folder}/logs" }} '
        "sampling_config { sampling_rate: 1 }",
        "monitoring_config_file": "prometheus_config { enable: true }",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    return [f"--{name}={folder / name}" for name in files]


def ask(example: Example, address: str, rest_port: int, file: Path, plant: str) -> str | None:
    finished = example.execute([sys.executable, "-c", QUERY, address, str(rest_port), str(file), plant])
    assert finished.returncode == 0, finished.stderr[-3000:]
    said: str | None = json.loads(finished.stdout)
    return said


def findings(rest_port: int) -> dict[str, int]:
    """What the guard has counted, from the server's metrics."""
    connection = http.client.HTTPConnection("localhost", rest_port, timeout=60)
    connection.request("GET", "/monitoring/prometheus/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    prefix = ":tensorflow:serving:schema_guard_findings"
    found = (line.removeprefix(prefix).split(" ") for line in lines if line.startswith(prefix))
    return {labels: int(value) for labels, value in found}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port: int = free.getsockname()[1]
    return port


def validate(folder: Path, name: str, schema_file: Path) -> tuple[dict[str, Any], int]:
    """A pipeline over what was logged; returns the anomalies, and how many rows there were."""
    pattern = config.Input(splits=[config.Input.Split(name="logged", pattern="span-{SPAN}/*")])
    whole = config.SplitConfig(splits=[config.SplitConfig.Split(name="logged", hash_buckets=1)])
    examples = ImportExampleGen(
        str(folder / "logs" / name / "examples"), input_config=pattern, output_config=config.Output(split_config=whole)
    )
    statistics = StatisticsGen(examples.outputs["examples"])
    schema = ImportSchemaGen(schema_file=str(schema_file))
    validator = ExampleValidator(statistics.outputs["statistics"], schema.outputs["schema"], environment="SERVING")
    pipeline = Pipeline(f"log-{name}", folder / "root", components=[examples, statistics, schema, validator])
    result = LocalRunner(observer=Observer()).run(pipeline)
    (anomalies,) = result.outputs["ExampleValidator"]["anomalies"]
    (split,) = anomalies.splits
    found: dict[str, Any] = json.loads(filesystem.read_bytes(f"{anomalies.path(split)}/anomalies.json"))
    rows = {report.node_id: report.rows for report in result.reports}
    return found, rows["ImportExampleGen"]


@pytest.mark.slow
def test_the_schema_holds_over_the_log_and_a_planted_hour_is_named_by_the_guard_and_over_the_log(
    trained: Example, tmp_path: Path
) -> None:
    (version,) = [path for path in trained.pushed.iterdir() if path.name.isdecimal()]
    schema_file = version / "assets.extra" / "schema.pbtxt"
    lines = (trained.runs / "data" / "flights.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "asked.csv").write_text("".join(lines[: ASKED + 1]))
    flags, rest_port = write_configs(tmp_path, trained.pushed), free_port()
    with serve("clean", trained.pushed, flags=[*flags, f"--rest_api_port={rest_port}"]) as client:
        client.wait_until_available("planted", timeout=60)
        assert ask(trained, client.address, rest_port, tmp_path / "asked.csv", "") is None
        assert findings(rest_port) == {}
        said = ask(trained, client.address, rest_port, tmp_path / "asked.csv", "plant")
        assert said == "hour: expected an integer from 0 to 23, received 77 in row 0"
        assert findings(rest_port) == {'{model_name="planted",feature="hour",reason="outside_domain"}': 2}
    clean, rows = validate(tmp_path, "clean", schema_file)
    assert (clean["anomalies"], rows) == ([], ASKED + 1)
    planted, rows = validate(tmp_path, "planted", schema_file)
    assert rows == ASKED + 1
    (anomaly,) = planted["anomalies"]
    assert (anomaly["feature"], anomaly["types"]) == ("hour", ["INT_TYPE_BIG_INT"])
    assert "77" in anomaly["description"]


@pytest.mark.slow
def test_the_model_card_says_what_the_model_was_trained_on(trained: Example) -> None:
    (version,) = [path for path in trained.pushed.iterdir() if path.name.isdecimal()]
    card = read_card(str(version))
    assert card is not None
    places = {
        "examples": trained.output("Transform", "transformed_examples"),
        "schema": trained.output("ImportSchemaGen", "schema"),
        "transform_graph": trained.output("Transform", "transform_graph"),
    }
    assert set(card["trained_on"]) == set(places)
    for name, place in places.items():
        (described,) = card["trained_on"][name]
        assert (described["uri"], described["content_digest"]) == (str(place), filesystem.digest(place))
    model = trained.output("Trainer", "model")
    assert (card["model"]["uri"], card["model"]["content_digest"]) == (str(model), filesystem.digest(model))
