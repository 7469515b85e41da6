"""The standard chain under mlops_tfx and under TFX 1.16: seconds per component, whole process, peak memory, in one run.

Both sides run the same user's module (``chain_module.py``) and the same evaluation (``chain_eval_config.json``) on the
same CSV file of flights, each in a process of its own, one after the other. The seconds of a component are those of its
whole node: metadata, imports it is the first to need, work, publishing. mlops_tfx runs independent nodes together and
imports libraries meanwhile, so its nodes may add up to more than the whole; the whole is what counts.

    python benchmarks/chain.py --rows 15000 150000 --json chain.json

TFX needs Python 3.10. Without --tfx-python, a virtual environment with it is made in .venv-tfx.
"""

import argparse
import gzip
import json
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from mlops_tfx.execution.user_code import load_function

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
NODES = (
    "CsvExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "Transform", "Trainer", "Evaluator", "Pusher",
)  # fmt: skip
JITTERED = ("temp", "dewp", "humid", "wind_speed", "pressure")


def main():
    options = parse_options()
    tfx_python = options.tfx_python or (options.only != "mlops_tfx" and make_tfx_environment())
    work = Path(tempfile.mkdtemp(prefix="chain-", dir=options.work))
    try:
        results = [measure(rows, options, tfx_python, work) for rows in options.rows]
    finally:
        if not options.keep:
            shutil.rmtree(work)
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[15_000, 150_000])
    parser.add_argument("--steps", type=int, default=500, help="training steps of 40 rows")
    parser.add_argument("--keras", type=int, choices=[2, 3], default=3, help="the Keras that the user's module uses")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each side, in turn; the median is shown")
    workers = "numbers of Beam worker processes to run TFX with; the fastest is the opponent"
    parser.add_argument("--tfx-workers", type=int, nargs="+", default=[1], help=workers)
    parser.add_argument("--tfx-python", help="interpreter that has tfx==1.16.0 and dill")
    parser.add_argument("--only", choices=["mlops_tfx", "tfx"], help="run one side only")
    parser.add_argument("--work", help="folder for what the runs write; a temporary one by default")
    parser.add_argument("--keep", action="store_true", help="keep what the runs wrote")
    parser.add_argument("--json", help="also write the figures to this file")
    return parser.parse_args()


def make_tfx_environment():
    folder = ROOT / ".venv-tfx"
    if not (folder / "complete").exists():
        python = find_python_310()
        print(f"installing TFX 1.16 into {folder} ...", flush=True)
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
        constraints = ROOT / "requirements/constraints-tfx-py310.txt"
        command = [folder / "bin/python", "-m", "pip", "install", "--quiet", "-r", constraints]
        subprocess.run(command, check=True)
        (folder / "complete").touch()
    return str(folder / "bin/python")


def find_python_310():
    candidates = ["python3.10", *map(str, Path.home().glob(".pyenv/versions/3.10.*/bin/python3.10"))]
    for candidate in candidates:
        try:
            subprocess.run([candidate, "-c", ""], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return candidate
    sys.exit("TFX 1.16 needs Python 3.10, and there is no python3.10 here; name one that has TFX: --tfx-python")


def write_csv(rows, folder):
    """Writes a sample of the flights; beyond the year's 336,776, flights repeat with jittered weather."""
    flights = load_function(module_file=str(ROOT / "examples/flights/data.py"), name="read_flights")()
    repeat = rows > len(flights)
    sample = flights.sample(rows, random_state=0, replace=repeat).sort_index()
    if repeat:
        generator = np.random.default_rng(0)
        for name in JITTERED:
            sample[name] = (sample[name] + generator.normal(0, 0.5, rows)).round(2)
    folder.mkdir(parents=True)
    sample.to_csv(folder / "flights.csv", index=False)


def measure(rows, options, tfx_python, work):
    data = work / f"data-{rows}"
    write_csv(rows, data)
    sides = {"mlops_tfx": (sys.executable, "mlops_side.py", 1)}
    sides |= {f"tfx, {workers} processes": (tfx_python, "tfx_side.py", workers) for workers in options.tfx_workers}
    if options.only:
        sides = {name: side for name, side in sides.items() if name.startswith(options.only)}
    runs = {name: [] for name in sides}
    for repeat in range(options.repeats):
        for name, side in sides.items():
            folder = work / f"{rows}-{repeat}-{name.replace(', ', '-').replace(' ', '-')}"
            runs[name].append(run_side(side, data, folder, options))
            print(f"{rows} rows, {name}: {runs[name][-1]['total']:.1f} s", file=sys.stderr, flush=True)
    medians = {name: median_of(results) for name, results in runs.items()}
    show(rows, medians)
    return {"rows": rows, "sides": medians}


def run_side(side, data, folder, options):
    python, script, workers = side
    folder.mkdir()
    environment = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3", PYTHONWARNINGS="ignore")
    environment["PYTHONPATH"] = str(ROOT) if script == "mlops_side.py" else ""
    numbers = map(str, (options.steps, options.keras, workers))
    command = [python, HERE / script, data, HERE / "chain_module.py", folder, *numbers]
    start = time.perf_counter()
    with open(folder / "log.txt", "w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
    total = time.perf_counter() - start
    if status:
        tail = (folder / "log.txt").read_text(encoding="utf-8")[-3000:]
        sys.exit(f"{script} failed:\n{tail}")
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    # The largest single process, in GB; with one worker process there is only one.
    result |= {"total": total, "peak_gb": usage.ru_maxrss / 2**20, "cpu": usage.ru_utime + usage.ru_stime}
    return result | {"splits": split_counts(folder)}


def split_counts(folder):
    counts = {}
    for path in sorted(folder.glob("root/CsvExampleGen/examples/*/Split-*/*.gz")):
        name = path.parent.name.removeprefix("Split-")
        counts[name] = counts.get(name, 0) + count_records(path)
    return counts


def count_records(path):
    """Records of a TFRecord file: 8 bytes of length, 4 of checksum, the record, 4 of checksum."""
    count = 0
    with gzip.open(path) as file:
        while header := file.read(12):
            file.read(struct.unpack("<Q", header[:8])[0] + 4)
            count += 1
    return count


def median_of(results):
    keys = ("imports", "total", "peak_gb", "cpu")
    median = {key: statistics.median(result[key] for result in results) for key in keys}
    median["nodes"] = {node: statistics.median(result["nodes"][node] for result in results) for node in NODES}
    return median | {"splits": results[0]["splits"], "runs": len(results)}


def show(rows, medians):
    own = medians.get("mlops_tfx")
    peers = {name: result for name, result in medians.items() if name != "mlops_tfx"}
    peer_name = min(peers, key=lambda name: peers[name]["total"]) if peers else None
    columns = [result for result in (own, peers.get(peer_name)) if result]
    names = [name for name in ("mlops_tfx" if own else None, peer_name) if name]
    print(f"\n{rows:,} rows" + "".join(f"{name:>20}" for name in names) + ("     ratio" if len(columns) == 2 else ""))
    lines = [("imports at the start", [result["imports"] for result in columns])]
    lines += [(node, [result["nodes"][node] for result in columns]) for node in NODES]
    lines += [("whole process", [result["total"] for result in columns])]
    lines += [("processor seconds", [result["cpu"] for result in columns])]
    lines += [("peak memory, GB", [result["peak_gb"] for result in columns])]
    for label, values in lines:
        ratio = f"{values[1] / max(values[0], 1e-9):10.1f}" if len(values) == 2 else ""
        print(f"{label:<22}" + "".join(f"{value:18.2f}" for value in values) + ratio)
    for name in names:
        print(f"splits of {name}: {medians[name]['splits']}")
    if len(columns) == 2:
        print("split counts agree" if columns[0]["splits"] == columns[1]["splits"] else "SPLIT COUNTS DIFFER")


if __name__ == "__main__":
    main()
