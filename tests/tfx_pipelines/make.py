"""Runs pipelines under TFX 1.16 and writes what they left behind into ``golden/``, a JSON file per pipeline.

python -m tests.tfx_pipelines.make /path/to/tfx-1.16/bin/python [NAME...]      # without names: all of them

A pipeline that trains is run several times: numbers that differ give the noise within which ours is compared.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.tfx_pipelines import cases, compare


def golden(case: cases.Case, python: str, folder: Path) -> dict[str, Any]:
    """Runs a pipeline under TFX as often as its case says; summary of the first run, and noise."""
    folders = [folder / str(number) for number in range(case.repeats)]
    for out in folders:
        done = case.run([python], out)
        if done.returncode:
            raise RuntimeError(f"{case.name} under TFX ended with {done.returncode}:\n{done.stderr[-6000:]}")
    summaries = summarize(python, folders)
    return {"summary": summaries[0], "noise": compare.ranges(summaries, case.trained)}


def summarize(python: str, folders: list[Path]) -> list[Any]:
    """Summaries by the libraries that TFX's Python has."""
    command = [python, "-m", "tests.tfx_pipelines.summary", *map(str, folders)]
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cases.ROOT, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"no summary:\n{done.stderr[-6000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def main(python: str, *chosen: str) -> None:
    """Writes the golden files of the pipelines named, or of all."""
    for name in chosen or cases.names():
        case = cases.load(name)
        with tempfile.TemporaryDirectory() as folder:
            found = golden(case, python, Path(folder))
        case.golden.write_text(json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
        sys.stderr.write(f"{case.golden}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
