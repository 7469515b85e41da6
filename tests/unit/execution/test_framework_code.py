"""The framework's data code in the cache key: what importing shows is what reading the sources finds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_tfx.execution import framework_code

FRAMEWORK = os.path.dirname(os.path.dirname(framework_code.__file__))
COMPONENT = """
from mlops_tfx.errors import DataError
def run():
    from mlops_tfx.statistics import (
        compute,  # a comment, with a comma
        settings as chosen,
    )
"""


def digests(tree: Path, source: Path) -> dict[str, str]:
    """The digests that a fresh process with this copy of the framework computes."""
    program = (
        "import json, sys; from mlops_tfx.execution.framework_code import framework_code as found; "
        "print(json.dumps(found(sys.argv[1:])))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program, str(source)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
    )
    return dict(json.loads(found.stdout))


def test_an_edit_of_what_is_imported_changes_the_digest_of_its_package(tmp_path: Path) -> None:
    shutil.copytree(FRAMEWORK, tmp_path / "mlops_tfx", ignore=shutil.ignore_patterns("__pycache__", "components"))
    source = tmp_path / "component.py"
    source.write_text(COMPONENT)
    before = digests(tmp_path, source)
    assert set(before) == {"mlops_tfx.statistics"}

    def edited(file: str) -> set[str]:
        path = tmp_path / "mlops_tfx" / file
        original = path.read_text()
        path.write_text(original + "\n# edited\n")
        after = digests(tmp_path, source)
        path.write_text(original)
        return {name for name in before if before[name] != after[name]}

    assert edited("statistics/compute.py") == {"mlops_tfx.statistics"}
    assert edited("statistics/slicing.py") == {"mlops_tfx.statistics"}  # compute imports it
    assert edited("statistics/partial_state.py") == set()
    assert edited("execution/runner.py") == set()
    assert edited("io/avro.py") == set()


@pytest.mark.parametrize("name", ["transform", "statistics_gen"])
def test_a_standard_component_counts_the_packages_that_it_uses(name: str) -> None:
    folder = Path(FRAMEWORK, "components", name)
    found = framework_code.framework_code([str(path) for path in folder.glob("*.py")])
    assert {"mlops_tfx.io", "mlops_tfx.statistics"} <= set(found)


def test_what_the_linter_s_parser_finds(tmp_path: Path) -> None:
    import ast

    wanted = set()
    for path in Path(FRAMEWORK, "components", "transform").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[1:2] in (["io"], ["statistics"]):
                parts = (node.module or "").split(".")[1:]
                names = [[*parts, alias.name] for alias in node.names] + [parts]
                files = [Path(FRAMEWORK, *name).with_suffix(".py") for name in names]
                wanted |= {str(file) for file in files if file.is_file()}
    found = set()
    for path in Path(FRAMEWORK, "components", "transform").glob("*.py"):
        found |= set(framework_code._imported_files(str(path)))
    assert wanted and wanted <= found
