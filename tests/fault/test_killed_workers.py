"""A worker process of Beam that is killed in the middle of a shard ends the run with an error that says so.

The shard is a named pipe: the test feeds it half of the rows, and so knows that whoever reads it is in the middle.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from mlops_tfx.io.examples import list_shards
from tests.unit.components.transform.cases import examples_of, flights_frame, write_schema

PROGRAM = """
import sys, warnings
from mlops_tfx.artifacts import Examples, Model, Schema
from mlops_tfx.components import Evaluator, StatisticsGen, Transform
from mlops_tfx.execution.testing import run_component
kind, folder = sys.argv[1:]
examples = Examples(folder + "/examples")
examples.splits = ["all"]
examples.custom_properties.update(payload_format="FORMAT_TF_EXAMPLE", file_format="tfrecords_gzip")
inputs = {"examples": examples}
if kind == "Transform":
    component = Transform(module_file=folder + "/transform.py", disable_analyzer_cache=True,
                          splits_config={"analyze": ["all"], "transform": ["all"]})
    inputs["schema"] = Schema(folder + "/schema")
else:
    component = Evaluator(example_splits=["all"], eval_config={
        "model_specs": [{"label_key": "month", "prediction_key": "distance"}],
        "metrics_specs": [{"metrics": [{"class_name": "ExampleCount"}, {"class_name": "MeanSquaredError"}]}],
        "options": {"compute_confidence_intervals": {"value": True}},
    })
flags = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
run_component(component.with_beam_pipeline_args(flags), inputs, folder + "/run")
"""
PREPROCESSING = """
import tensorflow as tf
import tensorflow_transform as tft

def preprocessing_fn(inputs):
    return {"distance": tft.scale_to_z_score(tf.cast(inputs["distance"], tf.float32))}
"""


def readers(path: str, but: Sequence[int]) -> list[int]:
    """The processes that have a file open."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) not in but and _has_open(entry, path):
            found.append(int(entry.name))
    return found


def _has_open(process: Path, path: str) -> bool:
    try:
        return any(os.path.realpath(link) == path for link in (process / "fd").iterdir())
    except OSError:  # it has ended meanwhile, or belongs to somebody else
        return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the test finds the worker by its open files, in /proc")
@pytest.mark.parametrize("kind", ["Evaluator", "Transform"])
def test_killed_in_the_middle_of_a_shard(kind: str, tmp_path: Path, project_root: Path) -> None:
    frame = flights_frame(2_000)
    examples = examples_of(tmp_path / "examples", all=[frame[start : start + 500] for start in range(0, 2_000, 500)])
    write_schema(tmp_path / "schema")
    (tmp_path / "transform.py").write_text(PREPROCESSING)
    last = os.path.realpath(list_shards(examples, "all")[-1].uri)
    content = Path(last).read_bytes()
    os.remove(last)
    os.mkfifo(last)
    killed: list[int] = []

    def feed() -> None:
        while not killed:
            with open(last, "wb", buffering=0) as pipe:  # waits until somebody reads
                workers = readers(last, but=[os.getpid(), program.pid])
                pipe.write(content[: len(content) // 2])
                for process in workers:
                    os.kill(process, signal.SIGKILL)
                    killed.append(process)
                if not killed:  # the program itself only takes a digest
                    pipe.write(content[len(content) // 2 :])
            while not killed and readers(last, but=[os.getpid()]):
                pass  # until it has seen the end

    environment = {**os.environ, "PYTHONPATH": str(project_root)}
    command = [sys.executable, "-c", PROGRAM, kind, str(tmp_path)]
    program = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    try:
        _, said = program.communicate(timeout=240)
    finally:
        program.kill()
    thread.join(timeout=10)
    assert killed, said[-3000:]
    assert program.pid not in killed
    assert program.returncode == 1, said[-3000:]
    assert "a worker process of Beam was lost before its work was done" in said
