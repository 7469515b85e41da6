"""The standard chain under mlops_tfx and under TFX 1.16: seconds per component, whole process, peak memory, in one run.

Both sides run the same user's module (``chain_module.py``) and the same evaluation (``chain_eval_config.json``) on the
same CSV file of flights, each in a process of its own, one after the other. The seconds of a component are those of its
whole node: metadata, imports it is the first to need, work, publishing. mlops_tfx runs independent nodes together and
imports libraries meanwhile, so its nodes may add up to more than the whole; the whole is what counts.

    python benchmarks/chain.py --rows 15000 150000 --json chain.json
    python benchmarks/chain.py --rows 1000000 --only mlops_tfx --parquet --kept benchmarks/kept/tfx_1m.json

TFX needs Python 3.10. Without --tfx-python, a virtual environment with it is made in .venv-tfx. A run of TFX over a
million rows takes minutes; --kept shows figures of an earlier one, scaled by how fast the machine does a fixed piece of
work.
"""

import argparse
import gzip
import hashlib
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
from pyarrow import parquet

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
        results = [result | {"calibration": calibrate()} for result in results]
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
    parser.add_argument("--parquet", action="store_true", help="also run mlops_tfx with Parquet in place of TFRecord")
    parser.add_argument("--cached", action="store_true", help="also time a second run, with everything in the cache")
    parser.add_argument("--kept", type=Path, help="the --json file of an earlier run, to compare with")
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
    sides = {"mlops_tfx": (sys.executable, "mlops_side.py", "tfrecord")}
    if options.parquet:
        sides["mlops_tfx, Parquet"] = (sys.executable, "mlops_side.py", "parquet")
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
    show(rows, medians | kept_results(rows, options.kept))
    return {"rows": rows, "sides": medians}


def calibrate():
    """Seconds of a fixed piece of work, the median of five: hashing and adding in Python."""

    def once():
        start = time.perf_counter()
        digest, total = b"", 0
        for number in range(300_000):
            digest = hashlib.sha256(digest).digest()
            total += digest[0] * number
        return time.perf_counter() - start

    return statistics.median(once() for _ in range(5))


def kept_results(rows, path):
    """Figures of an earlier run, as they would be at the machine's present speed."""
    if path is None:
        return {}
    kept = {}
    for result in json.loads(path.read_text(encoding="utf-8")):
        if result["rows"] == rows:
            speed = calibrate() / result["calibration"]
            kept |= {f"{name} (kept)": scaled(side, speed) for name, side in result["sides"].items()}
    return kept


def scaled(side, factor):
    seconds = {key: side[key] * factor for key in ("imports", "total", "cpu")}
    return side | seconds | {"nodes": {node: value * factor for node, value in side["nodes"].items()}}


def run_side(side, data, folder, options):
    folder.mkdir()
    result = run_once(side, data, folder, options)
    splits = split_counts(folder)
    if options.cached:
        result["cached"] = run_once(side, data, folder, options)["total"]
    return result | {"splits": splits}


def run_once(side, data, folder, options):
    python, script, variant = side
    environment = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3", PYTHONWARNINGS="ignore")
    environment["PYTHONPATH"] = str(ROOT) if script == "mlops_side.py" else ""
    numbers = map(str, (options.steps, options.keras, variant))
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
    return result | {"total": total, "peak_gb": usage.ru_maxrss / 2**20, "cpu": usage.ru_utime + usage.ru_stime}


def split_counts(folder):
    counts = {}
    for path in sorted(folder.glob("root/CsvExampleGen/examples/*/Split-*/*")):
        name = path.parent.name.removeprefix("Split-")
        rows = count_records(path) if path.suffix == ".gz" else parquet.read_metadata(path).num_rows
        counts[name] = counts.get(name, 0) + rows
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
    keys = [key for key in ("imports", "total", "peak_gb", "cpu", "cached") if key in results[0]]
    median = {key: statistics.median(result[key] for result in results) for key in keys}
    median["nodes"] = {node: statistics.median(result["nodes"][node] for result in results) for node in NODES}
    return median | {"splits": results[0]["splits"], "runs": len(results)}


def show(rows, medians):
    """Prints a table: our sides, then TFX's better mode, and its ratio to the first of ours."""
    ours = [name for name in medians if name.startswith("mlops_tfx")]
    peers = sorted((name for name in medians if name not in ours), key=lambda name: medians[name]["total"])
    names = ours + peers
    has_ratio = bool(ours and peers)
    print(f"\n{rows:,} rows" + "".join(f"{name:>27}" for name in names) + ("   ratio to" if has_ratio else ""))
    lines = [("imports at the start", [medians[name]["imports"] for name in names])]
    lines += [(node, [medians[name]["nodes"][node] for name in names]) for node in NODES]
    lines += [("whole process", [medians[name]["total"] for name in names])]
    if any("cached" in medians[name] for name in names):
        lines += [("with everything cached", [medians[name].get("cached", float("nan")) for name in names])]
    lines += [("processor seconds", [medians[name]["cpu"] for name in names])]
    lines += [("peak memory, GB", [medians[name]["peak_gb"] for name in names])]
    for label, values in lines:
        ratios = "".join(f"{value / max(values[0], 1e-9):9.1f}" for value in values[len(ours) :]) if has_ratio else ""
        print(f"{label:<24}" + "".join(f"{value:20.2f}" for value in values) + ratios)
    for name in names:
        print(f"splits of {name}: {medians[name]['splits']}")
    agree = all(medians[name]["splits"] == medians[names[0]]["splits"] for name in names)
    print("split counts agree" if agree else "SPLIT COUNTS DIFFER")


if __name__ == "__main__":
    main()
