"""Penguins with everything on S3: input, pipeline root and push destination. Counted at a proxy before the server."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path

import pytest

from mlops_tfx import filesystem
from mlops_tfx.artifacts import PushedModel
from mlops_tfx.connection import SqliteConnection
from mlops_tfx.metadata import MetadataStore
from mlops_tfx.serving.local import serve
from tests.end_to_end.conftest import Example, prepare
from tests.object_store.faulty_proxy import answers
from tests.object_store.server import ObjectStore

PROGRAM = """
import json, os, sys
from mlops_tfx.connection import SqliteConnection
from mlops_tfx.errors import PipelineFailedError
from mlops_tfx.execution import LocalRunner
from mlops_tfx.pipelines.tabular import tabular_pipeline
place, push_to, store = sys.argv[1:]
pipeline = tabular_pipeline(
    name="penguins", data=f"{place}/data", label="species", task="multiclass", pipeline_root=f"{place}/root",
    push_to=push_to, preprocessing_fn=os.path.abspath("preprocessing.py"), run_fn=os.path.abspath("model.py"),
    slices=["island"], threshold=0.8, metadata_connection_config=SqliteConnection(filename_uri=store),
)
try:
    result = LocalRunner().run(pipeline)
except PipelineFailedError as error:
    sys.exit(f"error: {error}")
print(json.dumps({report.node_id: report.state.name for report in result.reports}))
"""
PENGUIN = {"island": "Dream", "sex": "male", "bill_length_mm": 51.3, "bill_depth_mm": 19.2,
           "flipper_length_mm": 193, "body_mass_g": 3650}  # fmt: skip


def run(example: Example, place: str, push_to: str, fails: bool = False) -> dict[str, str] | str:
    store = str(example.runs / "metadata.sqlite")
    finished = example.execute([sys.executable, "-c", PROGRAM, place, push_to, store])
    assert (finished.returncode != 0) == fails, finished.stderr[-5000:]
    states: dict[str, str] = {} if fails else json.loads(finished.stdout.splitlines()[-1])
    return finished.stderr if fails else states


def write_penguins(example: Example, folder: str) -> None:
    finished = example.execute([sys.executable, "-c", f"import data; data.write({str(example.runs / 'data')!r})"])
    assert finished.returncode == 0, finished.stderr
    filesystem.copy_tree(example.runs / "data" / "penguins.csv", filesystem.join(folder, "penguins.csv"))


def versions(folder: str) -> list[str]:
    return [name for name in filesystem.listdir(folder) if name.isdecimal()]


def answer(models: str) -> bytes:
    with serve("penguins", models) as client:
        species: bytes = client.predict("penguins", [PENGUIN])["classes"][0]
    return species


@pytest.mark.slow
def test_the_whole_chain_on_s3(s3: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = prepare("penguins", tmp_path)
    write_penguins(example, f"{s3.uri}/data")
    serving, here = f"{s3.uri}/serving", str(tmp_path / "serving")

    # The run is stopped at Trainer's upload, and then continues.
    s3.proxy.fault = answers(403, "AccessDenied", matching="PUT /" + s3.bucket + "/root/Trainer")
    s3.proxy.fault = _both(
        s3.proxy.fault, answers(403, "AccessDenied", matching="POST /" + s3.bucket + "/root/Trainer")
    )
    said = run(example, s3.uri, serving, fails=True)
    assert isinstance(said, str) and "the store refused access" in said and f"{s3.uri}/root/Trainer" in said
    assert not any(name.startswith("root/Trainer") for name in s3.objects())
    assert not filesystem.exists(serving)
    s3.proxy.fault = None
    states = run(example, s3.uri, serving)
    assert isinstance(states, dict)
    assert {node for node, state in states.items() if state == "CACHED"} >= {
        "CsvExampleGen",
        "StatisticsGen",
        "Transform",
    }
    assert {states[node] for node in ("Trainer", "Evaluator", "Pusher")} == {"COMPLETE"}
    (version,) = versions(serving)
    assert filesystem.exists(f"{serving}/{version}/saved_model.pb")
    assert [name for name in filesystem.listdir(serving) if not name.isdecimal()] == []
    assert filesystem.listdir(f"{s3.uri}/root/Trainer") == ["model", "model_run"]

    # What was pushed answers, once it is where a server can read it.
    filesystem.copy_tree(serving, here)
    assert answer(here) == b"Chinstrap"

    # Nothing to do: not a byte of an object is read.
    s3.proxy.requests.clear()
    states = run(example, s3.uri, serving)
    assert isinstance(states, dict)
    assert set(states.values()) - {"CACHED"} == {"COMPLETE"} and states["latest_blessed_model"] == "COMPLETE"
    assert [node for node, state in states.items() if state == "COMPLETE"] == ["latest_blessed_model"]
    assert s3.proxy.bytes_read == 0
    assert {request.method for request in s3.proxy.requests} <= {"GET", "HEAD"}
    assert len(s3.proxy.requests) < 150

    # A pushed version that is gone is pushed again, from another machine's empty cache; and to a local folder.
    filesystem.remove_tree(f"{serving}/{version}")
    monkeypatch.setenv("MLOPS_TFX_CACHE", str(tmp_path / "another cache"))
    states = run(example, s3.uri, serving)
    assert isinstance(states, dict) and states["Pusher"] == "COMPLETE" and states["Trainer"] == "CACHED"
    (again,) = versions(serving)
    assert int(again) > int(version)
    states = run(example, s3.uri, str(tmp_path / "local serving"))
    assert isinstance(states, dict) and states["Pusher"] == "COMPLETE"
    assert answer(str(tmp_path / "local serving")) == b"Chinstrap"
    with MetadataStore(SqliteConnection(filename_uri=str(example.runs / "metadata.sqlite"))) as store:
        pushed = store.latest(PushedModel, pipeline_name="penguins", limit=None)
    assert all(artifact.uri.startswith(f"{s3.uri}/root/Pusher/pushed_model/") for artifact in pushed)

    # More rows: all that follows runs, and reads from there what it needs.
    with open(example.runs / "data" / "penguins.csv", newline="") as file:
        rows = list(csv.reader(file))
    with filesystem.open(f"{s3.uri}/data/penguins.csv", "w") as file:
        csv.writer(file).writerows([*rows, *rows[1:50]])
    states = run(example, s3.uri, serving)
    assert isinstance(states, dict) and set(states.values()) == {"COMPLETE"}
    assert os.path.isdir(tmp_path / "another cache" / "copies")


def _both(first, second):
    return lambda handler: first(handler) or second(handler)
