"""The pipelines: a folder each, with ``pipeline.py``, the modules it names, and perhaps ``case.json``.

``pipeline.py`` is a script as users of TFX write it, for TFX: ``python pipeline.py DATA OUT`` reads the folders of
``data/`` and writes ``OUT/metadata.sqlite``, a pipeline root below OUT and what it pushes below ``OUT/serving``.

``case.json`` may have ``slow`` (it trains), ``repeats`` (how often TFX runs it to measure noise), ``environment``
(variables for the script), ``trained`` (patterns of paths of numbers that training makes), ``different`` (pattern of a
path in the summary: why it is different on purpose).
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@dataclasses.dataclass(frozen=True)
class Case:
    """One pipeline."""

    name: str
    slow: bool = False
    repeats: int = 1
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    trained: list[str] = dataclasses.field(default_factory=list)
    different: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def script(self) -> Path:
        """The pipeline's file."""
        return HERE / self.name / "pipeline.py"

    @property
    def golden(self) -> Path:
        """What TFX's runs left behind."""
        return HERE / "golden" / f"{self.name}.json"

    def run(self, command: Sequence[str], out: Path) -> subprocess.CompletedProcess[str]:
        """Runs the script with a command before it, in a folder that has nothing to do with this project."""
        out.mkdir(parents=True, exist_ok=True)
        variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        if "mlops_tfx" in " ".join(command):
            variables["PYTHONPATH"] = str(ROOT)
        arguments = [*command, str(self.script), str(HERE / "data"), str(out)]
        environment = {**variables, "TF_CPP_MIN_LOG_LEVEL": "2", **self.environment}
        return subprocess.run(arguments, cwd=out, env=environment, capture_output=True, text=True, check=False)


def load(name: str) -> Case:
    """A pipeline by the name of its folder."""
    settings = HERE / name / "case.json"
    return Case(name, **(json.loads(settings.read_text()) if settings.exists() else {}))


def names() -> list[str]:
    """All pipelines."""
    return sorted(path.parent.name for path in HERE.glob("*/pipeline.py"))
