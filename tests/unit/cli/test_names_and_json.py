"""Every command: JSON, wrong names, and what the shell completes; asked about a store that TFX wrote."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from mlops_tfx.cli import cli
from mlops_tfx.errors import MlopsTfxError
from tests.golden.tfx_root.unpack import unpack

WITHOUT_JSON = {"completion", "serve"}  # the one prints a script, the other serves

PIPELINE = """
import os
from mlops_tfx import Pipeline
from mlops_tfx.artifacts import Examples, Model
from mlops_tfx.component import Component, Input, Output

class Gen(Component):
    examples = Output(Examples)

    def run(self):
        print("talks")

class Train(Component):
    examples: Input[Examples]
    model = Output(Model)

    def run(self):
        if os.environ.get("FAIL"):
            raise ValueError("loss is NaN")

gen = Gen()
pipeline = Pipeline("parts", "root", components=[gen, Train(gen.outputs["examples"])])
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    unpack(folder)
    return folder


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "parts_pipeline.py").write_text(PIPELINE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands() -> dict[str, click.Command]:
    context = click.Context(cli)
    found = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def ask(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, arguments)
    assert result.exception is None or isinstance(result.exception, MlopsTfxError | SystemExit), result.exception
    return result


def said(result: Result) -> str:
    return str(result.exception) if isinstance(result.exception, MlopsTfxError) else result.output


def test_every_command_has_json() -> None:
    lacking = {
        name for name, command in commands().items() if not any("--json" in option.opts for option in command.params)
    }
    assert lacking == WITHOUT_JSON


WRONG = [
    ("show Trainr", "no node has put out 'Trainr'; did you mean 'Trainer'"),
    ("show Trainer.modl", "Trainer has put out no 'modl'; did you mean 'model'"),
    ("show Trainer", "Trainer has several outputs; choose one of Trainer.model, Trainer.model_run"),
    ("show 999", "the pipeline has no artifact 999; its artifacts have the ids 1 to"),
    ("show serving/9", "mlops-tfx models lists pushed versions"),
    ("lineage Pushr", "did you mean 'Pusher'"),
    ("why Trainr", "has no execution of 'Trainr'; did you mean 'Trainer'"),
    ("status 2026", "has no run '2026'; known names: "),
    ("diff 2026", "has no run '2026'; known names: "),
    ("diff 2026 2027", "has no run '2026'"),
    ("runs --pipeline flight", "has no pipeline 'flight'; did you mean 'flights'"),
    ("models --pipeline x", "has no pipeline 'x'; known names: flights"),
    ("rollback --to 99", "expected an earlier version of ["),
    ("gc --pin Trainr.model", "did you mean 'Trainer.model'"),
    ("gc --unpin x", "no node has put out 'x'; known names: "),
    ("gc --ended x", "has no run 'x'; known names: "),
    ("pipelines --root nowhere", "expected a pipeline root or a sqlite file, received root='nowhere'"),
    ("new x --template tabula", "there is no 'tabula'; did you mean 'tabular'?"),
    ("new a/b", "name: expected a lower-case letter"),
    ("completion tcsh", "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
    ("serve --prot=1", "unknown flag '--prot'; did you mean --port?"),
    ("run absent.py", "module file 'absent.py' does not exist"),
    ("runn x.py", "no command 'runn'; did you mean 'run'"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "message"), WRONG)
def test_wrong_names(
    line: str, message: str, root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    result = ask(*shlex.split(line))
    assert result.exit_code != 0
    assert message in said(result) + capfd.readouterr().err


def test_the_table_has_every_command() -> None:
    assert {line.partition(" ")[0] for line, _ in WRONG} >= set(commands())


# Parts of a pipeline


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--from Trian", "from_nodes: pipeline 'parts' has no node 'Trian'; did you mean 'Train'"),
        ("--to Gem", "to_nodes: pipeline 'parts' has no node 'Gem'; did you mean 'Gen'"),
        ("--from Train --to Gen", "no node lies between from_nodes=['Train'] and to_nodes=['Gen']"),
        ("--from Train", "there is no earlier run: Train needs"),
        ("--from Train --base 2001", "has no run '2001'"),
        ("--base 2001", "--base goes with --from or --to"),
        ("--from", "Option '--from' requires an argument"),
        ("--form Train", "No such option '--form'"),
        ("Train", "unexpected argument 'Train'"),
    ],
)
def test_wrong_parts(arguments: str, message: str, project: Path) -> None:
    result = ask("run", "parts_pipeline.py", *shlex.split(arguments))
    assert result.exit_code != 0
    assert message in said(result)


def test_a_misspelt_option_names_the_near_one(project: Path) -> None:
    assert re.search("Did you mean.*'--from'", ask("run", "parts_pipeline.py", "--form", "Train").output)


def test_parts_run(project: Path) -> None:
    assert ask("run", "parts_pipeline.py", "--to", "Gen").exit_code == 0
    assert states(ask("run", "parts_pipeline.py", "--from", "Train", "--json")) == {
        "Gen": "cached",
        "Train": "complete",
    }


def states(result: Result) -> dict[str, str]:
    (run,) = json.loads(result.stdout)["runs"]
    return {node["node_id"]: node["state"] for node in run["nodes"]}


# run --json


def test_a_run_as_json(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = ask("run", "parts_pipeline.py", "--json")
    answer = json.loads(done.stdout)
    assert (done.exit_code, answer["error"]) == (0, "")
    assert states(done) == {"Gen": "complete", "Train": "complete"}
    assert "talks" in done.stderr
    assert answer["runs"][0] == json.loads(ask("status", "--json").stdout) | {"nodes": answer["runs"][0]["nodes"]}
    monkeypatch.setenv("FAIL", "1")
    (project / "parts_pipeline.py").write_text(PIPELINE + "\n# edited\n")
    failed = ask("run", "parts_pipeline.py", "--json")
    assert failed.exit_code == 1
    assert states(failed)["Train"] == "failed"
    error = json.loads(failed.stdout)["error"]
    assert "node 'Train' failed: ValueError: loss is NaN" in error and "to resume, run again: " in error
    wrong = ask("run", "parts_pipeline.py", "--json", "--from", "Trian")
    assert json.loads(wrong.stdout)["runs"] == [] and "did you mean 'Train'" in json.loads(wrong.stdout)["error"]


def test_a_script_for_tfx_as_json(tmp_path: Path, project_root: Path) -> None:
    script = project_root / "tests" / "unit" / "compat" / "pipelines" / "failing_pipeline.py"
    command = [sys.executable, "-m", "mlops_tfx.cli", "run", "--as-tfx", "--json", str(script), str(tmp_path)]
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    answer = json.loads(failed.stdout)
    (run,) = answer["runs"]
    assert {node["node_id"]: node["state"] for node in run["nodes"]}["Second"] == "failed"
    assert answer["error"] in failed.stderr and "node 'Second' failed" in answer["error"]


# The shell


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A folder with the command, as an installation has it."""
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    folder = tmp_path_factory.mktemp("bin")
    command = folder / "mlops-tfx"
    command.write_text(f"#!{sys.executable}\nfrom mlops_tfx.cli import main\nmain()\n")
    command.chmod(0o755)
    return folder


def test_completion_in_a_real_bash(bash: Path, root: Path, project_root: Path) -> None:
    """As the shell does it on Tab: the function that `complete` has registered, with the words and the cursor."""
    lines = {
        "mlops-tfx ru": {"run", "runs"},
        "mlops-tfx gc --ke": {"--keep-runs", "--keep-days"},
        "mlops-tfx why Tra": {"Trainer", "Transform"},
        "mlops-tfx show Trainer.": {"Trainer.model", "Trainer.model_run"},
        "mlops-tfx runs --pipeline f": {"flights"},
        "mlops-tfx run pipeline.py --from Ev": {"Evaluator"},
        "mlops-tfx new x --template ta": {"tabular"},
        "mlops-tfx why --root nowhere Tra": set(),
    }
    script = [
        'eval "$(mlops-tfx completion bash)"',
        "_of() { complete -p mlops-tfx | sed 's/.*-F \\([^ ]*\\).*/\\1/'; }",
    ]
    for line in lines:
        words = shlex.split(line)
        script.append(f"COMP_WORDS=({' '.join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}; COMPREPLY=()")
        script.append('$(_of) mlops-tfx; echo "${COMPREPLY[*]}"')
    environment = {**os.environ, "PATH": f"{bash}:{os.environ['PATH']}", "PYTHONPATH": str(project_root)}
    done = subprocess.run(
        ["bash", "--norc", "-c", "\n".join(script)],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    offered = [set(line.split()) for line in done.stdout.splitlines()]
    assert dict(zip(lines, offered, strict=True)) == lines
