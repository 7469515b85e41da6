"""Peak memory of ingestion, statistics and Transform as data grow: it is bounded by the batch, not by the data.

    python benchmarks/memory.py --rows 150000 1000000 10000000 --json memory.json

Ten million rows are about 1.3 GB of CSV. The pipeline runs in a process of its own, whose peak of resident memory the
operating system reports; memory of child processes, if there are any, is listed apart.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import chain
import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
CHUNK_ROWS = 500_000
LIMIT_GB = 2.0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[150_000, 1_000_000])
    parser.add_argument("--work", help="folder for what the runs write; a temporary one by default")
    parser.add_argument("--json", help="also write the figures to this file")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="memory-", dir=options.work))
    try:
        results = [measure(rows, work) for rows in options.rows]
    finally:
        shutil.rmtree(work)
    show(results)
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def measure(rows, work):
    data, runs = work / f"data-{rows}", work / f"runs-{rows}"
    size = write_csv(rows, data)
    runs.mkdir()
    command = [sys.executable, HERE / "memory_side.py", data, HERE / "chain_module.py", runs]
    environment = dict(os.environ, PYTHONPATH=str(ROOT), TF_CPP_MIN_LOG_LEVEL="3", PYTHONWARNINGS="ignore")
    start = time.perf_counter()
    with open(runs / "log.txt", "w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=runs, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"the pipeline failed:\n{(runs / 'log.txt').read_text(encoding='utf-8')[-3000:]}")
    result = json.loads((runs / "result.json").read_text(encoding="utf-8"))
    shutil.rmtree(data)
    shutil.rmtree(runs)
    result |= {"rows": rows, "csv_gb": size / 1e9, "total": time.perf_counter() - start}
    return result | {"peak_gb": usage.ru_maxrss / 2**20, "cpu": usage.ru_utime + usage.ru_stime}


def write_csv(rows, folder):
    """Writes flights in chunks, repeated with jittered weather beyond the first 150,000."""
    folder.mkdir(parents=True)
    flights = chain.load_function(module_file=str(ROOT / "examples/flights/data.py"), name="read_flights")()
    generator = np.random.default_rng(0)
    path = folder / "flights.csv"
    for start in range(0, rows, CHUNK_ROWS):
        chunk = flights.sample(min(CHUNK_ROWS, rows - start), random_state=start, replace=True)
        for name in chain.JITTERED:
            chunk[name] = (chunk[name] + generator.normal(0, 0.5, len(chunk))).round(2)
        chunk.to_csv(path, index=False, header=start == 0, mode="a")
    return path.stat().st_size


def show(results):
    labels = ["rows", "CSV, GB", *results[0]["nodes"], "whole process", "processor seconds", "peak memory, GB"]
    labels += ["largest child process, GB"]
    labels += [f"peak after {node}, GB" for node in results[0]["peaks"]]
    for index, label in enumerate(labels):
        print(f"{label:<32}" + "".join(f"{values(result)[index]:>16,.2f}" for result in results))
    for result in results:
        if result["peak_gb"] > LIMIT_GB:
            print(f"{result['rows']:,} rows took {result['peak_gb']:.2f} GB: MORE THAN {LIMIT_GB} GB")


def values(result):
    nodes = result["nodes"].values()
    return [result["rows"], result["csv_gb"], *nodes, result["total"], result["cpu"], result["peak_gb"],
            result["children_gb"], *result["peaks"].values()]  # fmt: skip


if __name__ == "__main__":
    main()
