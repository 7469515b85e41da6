"""kill -9 of the whole run in every node of the chain: whoever runs again gets what an undisturbed run gives."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from mlops_tfx.components.evaluator import read_metrics
from mlops_tfx.connection import SqliteConnection
from mlops_tfx.execution.observer import Step
from mlops_tfx.metadata import ExecutionState, MetadataStore

PROGRAM = Path(__file__).with_name("killed_chain_program.py")
CHAIN = (
    "CsvExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "Transform", "Trainer", "Evaluator", "Pusher",
)  # fmt: skip
SAME_BYTES = ("CsvExampleGen", "SchemaGen", "Transform/transformed_examples")


def run(data: Path, root: Path, project_root: Path, *killing: str) -> int:
    environment = {**os.environ, "PYTHONPATH": str(project_root), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, str(PROGRAM), str(data), str(root), *killing]
    return subprocess.run(command, env=environment, cwd=project_root, timeout=300, check=False).returncode


def published(root: Path) -> dict[str, bytes]:
    """The bytes that two runs share, by node, output and file."""
    found = {}
    for path in sorted(root.glob("*/*/*/**/*")):
        node, output, _, *rest = path.relative_to(root).parts
        if path.is_file() and f"{node}/{output}".startswith(SAME_BYTES):
            found["/".join((node, output, *rest))] = path.read_bytes()
    return found


def metrics(root: Path) -> dict[tuple[str, str], float]:
    (folder,) = (root / "Evaluator" / "evaluation").iterdir()
    return {(row["slice"], row["metric"]): row["value"] for row in read_metrics(str(folder))}


@pytest.mark.slow
def test_killed_in_every_node(tmp_path: Path, project_root: Path) -> None:
    spec = importlib.util.find_spec("palmerpenguins")
    assert spec is not None and spec.origin is not None
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(Path(spec.origin).parent / "data" / "penguins.csv", data)
    root = tmp_path / "killed"
    for node in CHAIN:
        # With its outputs prepared, and with its work done but nothing published.
        for step in (Step.STAGE, Step.RUN):
            assert run(data, root, project_root, node, str(int(step))) == -signal.SIGKILL, (node, step)
    assert run(data, root, project_root) == 0
    with MetadataStore(SqliteConnection(filename_uri=str(root / "metadata.sqlite"))) as store:
        assert store.executions(pipeline_name="killed", states={ExecutionState.RUNNING}) == []
        complete = Counter(e.node_id for e in store.executions("killed", states={ExecutionState.COMPLETE}))
    # What was published once is reused ever after.
    assert {node: complete[node] for node in CHAIN} == dict.fromkeys(CHAIN, 1)
    assert not [path for path in root.rglob("*") if ".system" in path.parts and path.is_file()]

    undisturbed = tmp_path / "undisturbed"
    assert run(data, undisturbed, project_root) == 0
    assert published(root) == published(undisturbed) != {}
    assert metrics(root) == pytest.approx(metrics(undisturbed), rel=1e-4, nan_ok=True)
    assert len(list((root / "pushed").iterdir())) == 1
