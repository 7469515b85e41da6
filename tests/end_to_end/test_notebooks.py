"""The notebooks run from the first cell to the last; what they show is what they should."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def executed(name: str, folder: Path, project_root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    import nbformat
    from nbclient import NotebookClient

    shutil.copy(NOTEBOOKS / name, folder / name)
    monkeypatch.setenv("PYTHONPATH", str(project_root))
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    notebook = nbformat.read(folder / name, as_version=4)
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    return notebook


def shown(notebook: Any) -> str:
    """All that the cells have put out, as text and HTML."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    texts = [output.get("text", "") for output in outputs]
    for output in outputs:
        texts.extend(str(content) for content in output.get("data", {}).values())
    return "\n".join(texts)


@pytest.mark.parametrize("name", sorted(os.listdir(NOTEBOOKS)))
def test_outputs_are_stripped(name: str) -> None:
    import nbformat

    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


@pytest.mark.slow
def test_first_steps(tmp_path: Path, project_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(executed("first_steps.ipynb", tmp_path, project_root, monkeypatch))
    assert "600" in text
    assert "frogs" in text, "the anomaly is named"
    assert "binary_accuracy" in text or "auc" in text
    assert "def create_pipeline():" in text
    from click.testing import CliRunner

    from mlops_tfx.cli import cli

    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["run", "pipeline.py"])
    assert done.exit_code == 0, done.output
    assert "complete" not in done.stdout, "everything is in the cache"


@pytest.mark.slow
def test_from_tfx(tmp_path: Path, project_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(executed("from_tfx.ipynb", tmp_path, project_root, monkeypatch))
    assert '["train", "eval"]' in text
    assert "number of splits: 2" in text
    last_run = text[text.rindex("4 nodes") :]
    assert last_run.count(": cached") == 4, "the pipeline takes all from the cache"
