"""Scripts for TFX on the command line: failures, the command to resume, partial runs, child processes."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = str(Path(__file__).parent / "pipelines" / "failing_pipeline.py")


def run(*arguments: str, module: str = "mlops_tfx.cli", **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, **options)  # type: ignore[call-overload]


def test_a_failure_says_how_to_resume_and_that_command_does(tmp_path: Path) -> None:
    failed = run("run", "--as-tfx", PROGRAM, str(tmp_path))
    assert failed.returncode == 1
    assert "node 'Second' failed: " in failed.stderr
    assert "Traceback" not in failed.stderr
    (again,) = re.findall(r"(\S+ -m mlops_tfx\.cli run .*--from Second.*)", failed.stderr)
    (tmp_path / "wanted").write_text("")
    resumed = subprocess.run(shlex.split(again), check=False, capture_output=True, text=True)
    assert resumed.returncode == 0, resumed.stderr
    assert "Second: complete" in resumed.stderr
    assert "First: started" not in resumed.stderr


def test_part_of_a_script_s_pipeline(tmp_path: Path) -> None:
    done = run("run", "--as-tfx", PROGRAM, str(tmp_path), "--to", "First")
    assert done.returncode == 0, done.stderr
    assert "Second: started" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("run", "--as-tfx", "no_such_script.py"), 1, "no script 'no_such_script.py'"),
        (("run", "--as-tfx", PROGRAM, "--exit-handler", "H"), 2, "go without --as-tfx"),
        (("run", PROGRAM, "--no-such-option"), 2, "--no-such-option"),
        (("run", PROGRAM, "further"), 2, "unexpected argument 'further'"),
    ],
)
def test_wrong_command_lines(arguments: tuple[str, ...], code: int, said: str) -> None:
    done = run(*arguments)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


def test_as_a_module(tmp_path: Path) -> None:
    without = run(module="mlops_tfx.compat")
    assert (without.returncode, without.stderr.startswith("usage: ")) == (1, True)
    failed = run(PROGRAM, str(tmp_path), module="mlops_tfx.compat")
    assert (failed.returncode, "error: node 'Second' failed" in failed.stderr) == (1, True)


def test_a_script_sees_what_a_script_sees(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("VALUE = 7\n")
    (tmp_path / "script.py").write_text(
        "import pickle, sys, multiprocessing, beside\n"
        "from tfx.types import artifact_utils\n"
        "class Own: pass\n"
        "def annotated(x: Own): pass\n"
        "def in_child(queue):\n"
        "    from tfx.types import standard_artifacts\n"
        "    queue.put(standard_artifacts.Model.TYPE_NAME)\n"
        "if __name__ == '__main__':\n"
        "    queue = multiprocessing.get_context('spawn').Queue()\n"
        "    process = multiprocessing.get_context('spawn').Process(target=in_child, args=(queue,))\n"
        "    process.start()\n"
        "    print(__file__ == sys.argv[0], sys.argv[1:], beside.VALUE, queue.get(timeout=100))\n"
        "    print(type(pickle.loads(pickle.dumps(Own()))) is Own, sys.modules['__main__'].Own is Own)\n"
        "    print(annotated.__annotations__ == {'x': Own})\n"
        "    process.join()\n"
        "    sys.exit(3)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = run(str(tmp_path / "script.py"), "a", "--b", module="mlops_tfx.compat", env=environment)
    assert done.stdout == "True ['a', '--b'] 7 Model\nTrue True\nTrue\n", done.stderr
    assert done.returncode == 3


@pytest.mark.parametrize("statement", ["from tfx import v1", "from mlops_tfx import v1", "import tfx.types"])
def test_absl_logging_is_there_as_after_importing_tfx(tmp_path: Path, statement: str) -> None:
    (tmp_path / "script.py").write_text(f"import absl\n{statement}\nprint(absl.logging.INFO)\n")
    done = run(str(tmp_path / "script.py"), module="mlops_tfx.compat")
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


def test_a_module_as_python_runs_one(tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text(
        "import sys, unittest\n"
        "from tfx.types import standard_artifacts\n"
        "class Theirs(unittest.TestCase):\n"
        "    def test_it(self):\n"
        "        self.assertEqual(standard_artifacts.Model.TYPE_NAME, 'Model')\n"
    )
    here = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = run("-m", "unittest", "test_theirs", module="mlops_tfx.compat", cwd=tmp_path, env=here)
    assert (done.returncode, "Ran 1 test" in done.stderr) == (0, True), done.stderr
    missing = run("-m", "no.such.module", module="mlops_tfx.compat")
    assert (missing.returncode, missing.stderr) == (1, "error: no module 'no.such.module'\n")
