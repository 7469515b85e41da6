"""A user's module file, and the module beside it, in Beam's worker processes: the same results as in one process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.components.transform.cases import examples_of, flights_frame, write_schema

PROGRAM = """
import sys
from mlops_tfx.artifacts import Examples, Schema
from mlops_tfx.components import Transform
from mlops_tfx.execution.testing import run_component
folder, out, *flags = sys.argv[1:]
examples = Examples(folder + "/examples")
examples.splits = ["all"]
examples.custom_properties.update(payload_format="FORMAT_TF_EXAMPLE", file_format="tfrecords_gzip")
component = Transform(module_file=folder + "/project/features.py", disable_statistics=True,
                      splits_config={"analyze": ["all"], "transform": ["all"]})
inputs = {"examples": examples, "schema": Schema(folder + "/schema")}
run_component(component.with_beam_pipeline_args(flags), inputs, out)
"""
FEATURES = """
import tensorflow as tf
import tensorflow_transform as tft
from scaling import scaled

def preprocessing_fn(inputs):
    return {"distance": scaled(inputs["distance"])}
"""
SCALING = """
import tensorflow as tf
import tensorflow_transform as tft

def scaled(values):
    return tft.scale_to_z_score(tf.cast(values, tf.float32))
"""


@pytest.mark.slow
def test_transform_gives_the_same_with_worker_processes(tmp_path: Path, project_root: Path) -> None:
    frame = flights_frame(600)
    examples_of(tmp_path / "examples", all=[frame[:300], frame[300:]])
    write_schema(tmp_path / "schema")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "features.py").write_text(FEATURES)
    (tmp_path / "project" / "scaling.py").write_text(SCALING)
    modes = {"one": [], "two": ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]}
    values = {}
    for name, flags in modes.items():
        command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(tmp_path / name), *flags]
        environment = {**os.environ, "PYTHONPATH": str(project_root)}
        done = subprocess.run(
            command, env=environment, cwd=project_root, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        values[name] = transformed(tmp_path / name)
    assert len(values["one"]) == 600
    assert values["two"] == pytest.approx(values["one"], rel=1e-6, abs=1e-7)


def transformed(folder: Path) -> list[float]:
    import tensorflow as tf

    files = sorted(str(path) for path in folder.rglob("transformed_examples-*"))
    records = tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()
    return sorted(
        tf.train.Example.FromString(record).features.feature["distance"].float_list.value[0] for record in records
    )
