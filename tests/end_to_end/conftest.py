"""The examples, run as programs, once per session; the tests look at what they left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlops_tfx.artifacts import Examples


@dataclass(frozen=True)
class Example:
    """A copy of an example, so that a test may edit it, and the folder of its runs."""

    project: Path
    runs: Path
    arguments: tuple[str, ...] = ()

    def run(self, *arguments: str, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *python, str(self.project / "run.py"), "--runs", str(self.runs)]
        return self.execute([*command, *self.arguments, *arguments])

    def execute(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        root = Path(__file__).resolve().parents[2]
        environment = {**os.environ, "PYTHONPATH": str(root)}
        return subprocess.run(
            command, cwd=self.project, env=environment, capture_output=True, text=True, check=False, timeout=500
        )

    def output(self, node: str, key: str) -> Path:
        """The newest output of a node."""
        return max((self.runs / "pipeline" / node / key).iterdir(), key=lambda path: int(path.name))

    def examples(self, node: str, key: str) -> Examples:
        artifact = Examples(str(self.output(node, key)))
        artifact.splits = sorted(path.name.removeprefix("Split-") for path in Path(artifact.uri).glob("Split-*"))
        artifact.custom_properties.update(file_format="tfrecords_gzip", payload_format="FORMAT_TF_EXAMPLE")
        return artifact

    @property
    def pushed(self) -> Path:
        return self.runs / "serving"


def prepare(name: str, folder: Path, *arguments: str) -> Example:
    project = folder / "project"
    shutil.copytree(Path(__file__).resolve().parents[2] / "examples" / name, project)
    return Example(project, folder / "runs", arguments)


def finish(example: Example) -> tuple[Example, str]:
    finished = example.run()
    assert finished.returncode == 0, finished.stderr[-5000:]
    return example, finished.stdout


@pytest.fixture(scope="session")
def penguins(tmp_path_factory: pytest.TempPathFactory) -> tuple[Example, str]:
    """The penguins after a run, and what it printed."""
    return finish(prepare("penguins", tmp_path_factory.mktemp("penguins")))


@pytest.fixture(scope="session")
def flights_sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Example, str]:
    """20,000 of the flights after a run, and what it printed."""
    return finish(prepare("flights", tmp_path_factory.mktemp("flights"), "--rows", "20000"))


@pytest.fixture(scope="session")
def all_flights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Example, str]:
    """All flights after a run, and what it printed."""
    return finish(prepare("flights", tmp_path_factory.mktemp("all_flights")))
