"""The command line, each command as a user types it, on a real store."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PIPELINE = '''
import os
from mlops_tfx import Component, Input, Output, Pipeline
from mlops_tfx.artifacts import Examples, Model

import cli_shared

ROOT = os.path.dirname(os.path.abspath(__file__))


class Gen(Component):
    """Writes."""

    examples = Output(Examples)

    def run(self):
        with open(os.path.join(self.examples.uri, "data"), "w") as file:
            file.write(cli_shared.TEXT)
        self.context.report_rows(5)


class Train(Component):
    """Fails when a file says so."""

    examples: Input[Examples]
    model = Output(Model)
    steps: int = 10

    def run(self):
        if os.path.exists(os.path.join(ROOT, "fail")):
            raise ValueError("loss is NaN")


def create_pipeline(steps=10):
    gen = Gen()
    return Pipeline("cli", os.path.join(ROOT, "root"), components=[gen, Train(gen.examples, steps=steps)])


def fast():
    return create_pipeline(steps=1)
'''


def cli(*arguments, cwd):
    command = [sys.executable, "-m", "mlops_tfx.cli", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(autouse=True)
def _find_the_tree(monkeypatch, project_root):
    monkeypatch.setenv("PYTHONPATH", str(project_root))


@pytest.fixture
def project(tmp_path) -> Path:
    (tmp_path / "cli_pipeline.py").write_text(PIPELINE)
    (tmp_path / "cli_shared.py").write_text("TEXT = 'one'\n")
    return tmp_path


def test_run_status_runs_and_why(project):
    done = cli("run", "cli_pipeline.py", cwd=project)
    assert done.returncode == 0, done.stderr
    assert "Train: complete" in done.stderr
    assert "Gen" in done.stdout
    (project / "cli_shared.py").write_text("TEXT = 'two'\n")
    assert cli("run", "cli_pipeline.py", cwd=project).returncode == 0

    runs = json.loads(cli("runs", "--json", cwd=project).stdout)
    assert len(runs) == 2
    assert runs == sorted(runs, reverse=True)

    status = json.loads(cli("status", runs[1], "--json", cwd=project).stdout)
    assert [(n["node_id"], n["state"], n["rows"]) for n in status["nodes"]] == [
        ("Gen", "complete", 5),
        ("Train", "complete", 0),
    ]

    why = json.loads(cli("why", "Gen", "--json", cwd=project).stdout)
    assert [change["name"] for change in why["changes"]] == ["code cli_shared.py"]
    text = cli("why", "Gen", cwd=project).stdout
    assert "ran because 1 ingredient of its cache key changed" in text
    assert "code cli_shared.py: content changed" in text
    made_by = cli("why", "Train", cwd=project).stdout
    assert "input examples[0]: content changed" in made_by
    assert "made by Gen; see: mlops-tfx why Gen" in made_by


def test_function_of_the_file_can_be_chosen(project):
    cli("run", "cli_pipeline.py", cwd=project)
    assert cli("run", "cli_pipeline.py:fast", cwd=project).returncode == 0
    assert "parameter steps: 10 -> 1" in cli("why", "Train", cwd=project).stdout


def test_failed_run_exits_non_zero_and_says_how_to_resume(project):
    (project / "fail").write_text("")
    failed = cli("run", "cli_pipeline.py", cwd=project)
    assert failed.returncode == 1
    assert "node 'Train' failed: ValueError: loss is NaN" in failed.stderr
    assert f"to resume, run again: {sys.executable} -m mlops_tfx.cli run cli_pipeline.py\n" in failed.stderr
    assert "Traceback" not in failed.stderr
    status = cli("status", cwd=project).stdout
    assert "failed" in status
    (project / "fail").unlink()
    resumed = cli("run", "cli_pipeline.py", cwd=project)
    assert resumed.returncode == 0
    assert "Gen: cached" in resumed.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["wy", "Gen"], "no command 'wy'; did you mean 'why'?"),
        (["run", "absent.py"], "module file 'absent.py' does not exist"),
        (["run", "cli_pipeline.py:absent"], "defines no 'absent'"),
        (["run", "cli_shared.py"], "defines no pipeline"),
        (["why", "Gen"], "no metadata.sqlite or metadata.db below this folder"),
        (["why", "Gen", "--root", "nowhere"], "no store there"),
    ],
)
def test_wrong_use(arguments, message, project):
    done = cli(*arguments, cwd=project)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_names_in_a_store(project):
    cli("run", "cli_pipeline.py", cwd=project)
    assert "has no execution of 'Tran'; did you mean 'Train'" in cli("why", "Tran", cwd=project).stderr
    assert "has no pipeline 'clu'; did you mean 'cli'" in cli("why", "Gen", "--pipeline", "clu", cwd=project).stderr
    assert "has no run '1999'" in cli("status", "1999", cwd=project).stderr


def test_help_lists_every_command(project):
    shown = cli("--help", cwd=project).stdout
    for command in ("run", "runs", "serve", "status", "why"):
        assert f"  {command} " in shown


def test_run_takes_runtime_parameters(project):
    (project / "given.py").write_text(
        PIPELINE.replace("import cli_shared", "import cli_shared\nfrom mlops_tfx import RuntimeParameter").replace(
            "steps=10", "steps=RuntimeParameter('steps', int)", 1
        )
    )
    missing = cli("run", "given.py", cwd=project)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "runtime parameter 'steps' (int) has no value and no default" in missing.stderr
    wrong = cli("run", "given.py", "--param", "steps=many", cwd=project)
    assert wrong.returncode == 1
    assert "runtime parameter 'steps': expected int, received 'many'" in wrong.stderr
    (project / "fail").touch()
    failed = cli("run", "given.py", "--param", "steps=3", cwd=project)
    assert failed.returncode == 1
    assert f"to resume, run again: {sys.executable} -m mlops_tfx.cli run given.py --param steps=3\n" in failed.stderr
    (project / "fail").unlink()
    assert cli("run", "given.py", "--param", "steps=3", cwd=project).returncode == 0
