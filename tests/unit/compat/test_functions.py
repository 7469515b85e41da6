from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parent / "pipelines" / "functions_pipeline.py"
TAKEN = [5, 2.5, "größer", True, [0, 255], {"a": [1, 2]}, None, 7, None, ["notes.json"]]
FIRST = {"options": {"depth": "three"}, "rates": [0.5, 1.0], "unused": "unused"}
OTHER = {"options": None, "rates": None, "unused": "unused"}

# What TFX 1.16 writes when it runs the same file: every value of every output.
BY_TFX = {
    "Gather/seen/seen.json": json.dumps([FIRST, OTHER]).encode(),
    "Make/flag/value": b"1",
    "Make/notes/notes.json": json.dumps(FIRST).encode(),
    "Make/nothing/value": b"",
    "Make/number/value": b"5",
    "Make/ratio/value": b"2.5",
    "Make/raw/value": b"\x00\xff",
    "Make/table/value": b'{"a": [1, 2]}',
    "Make/text/value": "größer".encode(),
    "Other/flag/value": b"1",
    "Other/notes/notes.json": json.dumps(OTHER).encode(),
    "Other/nothing/value": b"",
    "Other/number/value": b"6",
    "Other/ratio/value": b"3.0",
    "Other/raw/value": b"\x00\xff",
    "Other/table/value": b'{"a": [1, 2]}',
    "Other/text/value": "größer".encode(),
    "Sum/done/value": b"1",
    "Sum/seen/seen.json": b"3\n",
    "Take/seen/seen.json": json.dumps(TAKEN).encode(),
    "Take/summary/value": json.dumps(TAKEN).encode(),
}


def test_function_components_of_a_script_for_tfx_write_what_tfx_writes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mlops_tfx.compat", str(PROGRAM), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "pipeline"
    files = [path for path in folder.rglob("*") if path.is_file() and ".system" not in path.parts]
    written = {re.sub(r"/\d+/", "/", str(path.relative_to(folder))): path.read_bytes() for path in files}
    assert written == BY_TFX
    with sqlite3.connect(tmp_path / "metadata.db") as rows:
        base = (
            "select t.name, base.name from ParentType p join Type t on t.id = p.type_id "
            "join Type base on base.id = p.parent_type_id where t.name like '__main__.%'"
        )
        assert rows.execute(base).fetchall() == [("__main__.Make", "mlmd.Process")]
