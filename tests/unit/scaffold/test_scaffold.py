"""New projects: what is written, what is refused, and that their own tests pass."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlops_tfx.cli import cli
from mlops_tfx.errors import ConfigError
from mlops_tfx.execution.loading import load_pipeline
from mlops_tfx.scaffold import TEMPLATES, create


def test_a_project_has_its_name_and_a_pipeline(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["new", "trains", "--in", str(tmp_path), "--json"])
    files = json.loads(result.stdout)["files"]
    assert {os.path.relpath(path, tmp_path / "trains") for path in files} >= {
        "README.md", "pipeline.py", "preprocessing.py", "model.py", "make_data.py", "tests/test_pipeline.py",
        ".gitignore",
    }  # fmt: skip
    assert all(os.path.isfile(path) for path in files)
    assert load_pipeline(str(tmp_path / "trains" / "pipeline.py")).pipeline_name == "trains"
    told = CliRunner().invoke(cli, ["new", "others", "--in", str(tmp_path)]).stdout
    assert "mlops-tfx run pipeline.py" in told


@pytest.mark.parametrize("template", TEMPLATES)
def test_nothing_is_left_of_the_templates(tmp_path: Path, template: str) -> None:
    for path in create("mine", template, str(tmp_path)):
        text = Path(path).read_text()
        assert not path.endswith(".template")
        assert "$" not in text
        if path.endswith(".py"):
            compile(text, path, "exec")


@pytest.mark.parametrize(
    ("name", "template", "message"),
    [
        ("My-Project", "tabular", "name: expected a lower-case letter"),
        ("n" * 41, "tabular", "name: expected a lower-case letter"),
        ("mine", "tabluar", "there is no 'tabluar'; did you mean 'tabular'"),
        ("there", "tabular", "is there already"),
    ],
)
def test_what_is_refused(tmp_path: Path, name: str, template: str, message: str) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(ConfigError, match=message):
        create(name, template, str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


@pytest.mark.slow
@pytest.mark.parametrize("template", TEMPLATES)
def test_the_tests_of_a_new_project_pass(tmp_path: Path, project_root: Path, template: str) -> None:
    create("mine", template, str(tmp_path))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    environment = {**os.environ, "PYTHONPATH": str(project_root)}
    done = subprocess.run(command, cwd=tmp_path / "mine", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
