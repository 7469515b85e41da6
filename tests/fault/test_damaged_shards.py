"""A shard that is cut off between two nodes, and a disk that fills while Transform writes."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_tfx.artifacts import Examples
from mlops_tfx.components import Evaluator, StatisticsGen, Transform
from mlops_tfx.errors import DataError
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io.examples import list_shards
from tests.golden.statistics.real_data import write_examples
from tests.unit.components.transform.cases import examples_of, flights_frame, write_schema

EVALUATION = {
    "model_specs": [{"label_key": "month", "prediction_key": "distance"}],
    "metrics_specs": [{"metrics": [{"class_name": "ExampleCount"}, {"class_name": "MeanSquaredError"}]}],
}


def preprocessing_fn(inputs):  # type: ignore[no-untyped-def]
    import tensorflow as tf
    import tensorflow_transform as tft

    scaled = tft.scale_to_z_score(tf.cast(inputs["distance"], tf.float32))
    return {"distance": scaled, "carrier": inputs["carrier"], "month": inputs["month"]}


def cut_last_shard(examples: Examples) -> str:
    path = list_shards(examples, "train")[-1].uri
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: len(content) // 2])
    return os.path.basename(path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["StatisticsGen", "Transform", "Evaluator"])
def test_a_truncated_shard_is_named(kind: str, tmp_path: Path) -> None:
    examples = examples_of(tmp_path / "examples", train=flights_frame(2_000))
    name = cut_last_shard(examples)
    inputs = {"examples": examples}
    if kind == "Transform":
        component: StatisticsGen | Transform | Evaluator = Transform(preprocessing_fn=preprocessing_fn)
        inputs["schema"] = write_schema(tmp_path / "schema")  # type: ignore[assignment]
    elif kind == "Evaluator":
        component = Evaluator(example_splits=["train"], eval_config=EVALUATION)
    else:
        component = StatisticsGen()
    with pytest.raises((DataError, RuntimeError), match=name):
        run_component(component, inputs, tmp_path / "run")


PROGRAM = """
import sys
from pathlib import Path
from mlops_tfx.artifacts import Examples, Schema
from mlops_tfx.components import Transform
from mlops_tfx.execution.testing import run_component
from tests.fault.test_damaged_shards import preprocessing_fn
folder = Path(sys.argv[1])
examples = Examples(str(folder / "examples"))
examples.splits = ["train"]
examples.custom_properties.update(payload_format="FORMAT_TF_EXAMPLE", file_format="tfrecords_gzip")
component = Transform(preprocessing_fn=preprocessing_fn, disable_statistics=True, disable_analyzer_cache=True)
run_component(component, {"examples": examples, "schema": Schema(str(folder / "schema"))}, folder / "run")
"""


@pytest.mark.slow
def test_a_full_disk_while_transform_writes(tmp_path: Path, project_root: Path) -> None:
    write_examples(tmp_path / "examples", {"train": flights_frame(60_000)}, max_shard_bytes=1 << 30)
    write_schema(tmp_path / "schema")

    def limit() -> None:
        # As a full disk, but for one process: the graph stays below it, the transformed rows do not.
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    environment = {**os.environ, "PYTHONPATH": str(project_root)}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(
        command, env=environment, stderr=subprocess.PIPE, text=True, timeout=240, check=False, preexec_fn=limit
    )
    assert done.returncode == 1
    assert "File too large" in done.stderr
    # What was written is in no folder that a reader would look into.
    assert not list((tmp_path / "run").rglob("Split-*/transformed_examples-*"))
