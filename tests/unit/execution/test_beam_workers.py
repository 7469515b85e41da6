"""Worker processes find the modules that this process finds, and those meant for processes started from here."""

from __future__ import annotations

import shlex
import subprocess
import sys

from mlops_tfx.execution import beam_workers


def test_workers_have_the_search_path_of_this_process_and_of_its_children(tmp_path, monkeypatch):
    for name in ("for_all", "for_children"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"module_{name}.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path / "for_all"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "for_children"))
    program = shlex.join([sys.executable, "-c", "import module_for_all, module_for_children; print('found')"])
    command = beam_workers._with_same_modules(program.encode())
    assert subprocess.run(command, shell=True, check=True, capture_output=True).stdout == b"found\n"
