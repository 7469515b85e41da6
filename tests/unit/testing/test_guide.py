"""The guide to testing pipelines, done as it says: its files written, the recording made, its tests run by pytest."""

from __future__ import annotations

import os
import re
import subprocess
import sys

ROWS = "length,species\n" + "".join(f"{n}.5,{'ab'[n % 2]}\n" for n in range(40))


def test_guide(tmp_path, project_root):
    guide = (project_root / "docs" / "testing-pipelines.md").read_text(encoding="utf-8")
    files = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", guide, re.DOTALL))
    assert sorted(files) == ["conftest.py", "pipeline.py", "record.py", "test_pipeline.py"]
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows.csv").write_text(ROWS)
    recorded = run(tmp_path, project_root, "record.py")
    assert recorded.returncode == 0, recorded.stderr
    (tmp_path / "data" / "rows.csv").unlink()
    before = sorted(tmp_path.glob("runs/**/*"))
    tested = run(tmp_path, project_root, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert tested.returncode == 0, tested.stdout
    assert "3 passed" in tested.stdout
    assert sorted(tmp_path.glob("runs/**/*")) == before


def run(folder, project_root, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(project_root)}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
