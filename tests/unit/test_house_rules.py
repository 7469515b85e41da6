"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BANNED_IN_NAMES = re.compile(r"utils|helpers|(^|_)misc(_|\.|$)|(^|_)common(_|\.|$)|experimental|legacy")
CODE = ("mlops_tfx", "components", "pipelines")


def python_files(*folders: str) -> list[Path]:
    patterns = [f"{folder}/*.py" for folder in folders]
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout: which files belong to the project is not known")
    return [ROOT / name for name in listed.stdout.split() if (ROOT / name).is_file()]


def public_definitions(tree: ast.Module) -> list[tuple[str, ast.AST]]:
    found: list[tuple[str, ast.AST]] = []
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_"):
            found.append((node.name, node))
    return found


def undocumented_methods(path: Path, documented: set[str]) -> list[str]:
    missing = []
    for name, node in public_definitions(ast.parse(path.read_text(encoding="utf-8"))):
        for method in node.body if isinstance(node, ast.ClassDef) else []:
            if not isinstance(method, ast.FunctionDef) or method.name.startswith("_"):
                continue
            if not ast.get_docstring(method) and method.name not in documented:
                missing.append(f"{path.relative_to(ROOT)}:{method.lineno}: {name}.{method.name}")
    return missing


def names_of_documented_methods(files: list[Path]) -> set[str]:
    names = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and ast.get_docstring(node):
                names.add(node.name)
    return names


def test_files_are_short_enough_to_read() -> None:
    files = python_files(*CODE, "examples", "benchmarks", "tests")
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {name: length for name, length in lengths.items() if length > 500} == {}


def test_no_name_says_nothing() -> None:
    names = [path.relative_to(ROOT) for path in python_files(*CODE, "examples", "benchmarks")]
    names = [name for name in names if name.parts[:2] != ("mlops_tfx", "v1")]  # those names are TFX's
    assert [str(name) for name in names if any(BANNED_IN_NAMES.search(part) for part in name.parts)] == []


def test_public_methods_are_documented_where_they_are_first_declared() -> None:
    # An override inherits the text of the method it overrides, which is documented somewhere under the same name.
    files = python_files(*CODE)
    documented = names_of_documented_methods(files)
    assert [line for path in files for line in undocumented_methods(path, documented)] == []


def test_code_that_handles_paths_goes_through_the_file_system_layer() -> None:
    # open(), shutil and pathlib's reads know local files only; mlops_tfx.filesystem is where other stores come in.
    opened = []
    for path in python_files("components"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
                opened.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert opened == []
