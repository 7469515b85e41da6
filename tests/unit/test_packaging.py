"""The package: what a built wheel holds, what the code imports and declares, and what importing it costs."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import pytest

import mlops_tfx

ROOT = Path(__file__).resolve().parents[2]
LINKS = {"components": "../components", "pipelines": "../pipelines"}
HEAVY = ("apache_beam", "google.protobuf", "keras", "ml_metadata", "numpy", "pandas", "pyarrow", "tensorflow")
OWN = {"mlops_tfx", "components", "pipelines", "examples", "tests", "benchmarks"}
# Where a script imports TFX, it is one that runs in TFX's own virtual environment (benchmarks, golden files).
PEER = "tfx"
# Only pytest itself loads this one.
PLUGIN = "mlops_tfx/testing/fixtures.py"
# Distributions that hold a module under a name that another distribution installs too.
PREFERRED = {
    "google.cloud": "google-cloud-bigquery",
    "google.protobuf": "protobuf",
    "tensorflow_serving": "tensorflow-serving-api",
}


def tracked_files(*patterns: str) -> list[Path]:
    # Of a git checkout the tracked and the new files, of an unpacked archive all of them.
    if not (ROOT / ".git").exists():
        return [path for pattern in patterns for path in ROOT.rglob(pattern)]
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    return [ROOT / name for name in listed if (ROOT / name).is_file()]


def module_names_of_tree() -> set[str]:
    def refuse(name: str) -> None:
        pytest.fail(f"cannot import {name}")

    found = pkgutil.walk_packages(mlops_tfx.__path__, "mlops_tfx.", onerror=refuse)
    return {"mlops_tfx", *(info.name for info in found)}


def module_names_of_archive(names: list[str]) -> set[str]:
    files = [name for name in names if name.endswith(".py")]
    return {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in files}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # A copy, because setuptools leaves build/ and *.egg-info behind; links stay links.
    folder = tmp_path_factory.mktemp("packaging")
    source = folder / "source"
    ignored = shutil.ignore_patterns(".git", ".venv*", "runs", "build", "dist", "__pycache__", ".*_cache", "*.egg-info")
    shutil.copytree(ROOT, source, symlinks=True, ignore=ignored)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder / "dist"


def test_the_wheel_holds_exactly_the_modules_of_the_tree(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    packaged = module_names_of_archive([name for name in names if ".dist-info/" not in name])
    assert packaged == module_names_of_tree()
    assert {"mlops_tfx.components", "mlops_tfx.pipelines"} < packaged
    assert "mlops_tfx/py.typed" in names
    templates = (ROOT / "mlops_tfx/scaffold/templates").rglob("*.template")
    assert {str(path.relative_to(ROOT)) for path in templates} <= set(names)


def test_the_source_archive_holds_every_file_once(built: Path) -> None:
    # `build` makes the wheel from this archive, so the test above shows that it is complete.
    (archive,) = built.glob("*.tar.gz")
    names = [name.split("/", 1)[-1] for name in tarfile.open(archive).getnames()]
    assert {"LICENSE", "CHANGELOG.md", "README.md", "components/__init__.py", "pipelines/__init__.py"} <= set(names)
    assert not [name for name in names if name.startswith(("mlops_tfx/components/", "mlops_tfx/pipelines/"))]


def test_the_console_command_is_declared(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
    assert "mlops-tfx = mlops_tfx.cli:main" in archive.read(name).decode()


def test_version_and_changelog_agree() -> None:
    newest = re.search(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == mlops_tfx.__version__


@pytest.mark.parametrize("name", sorted(LINKS))
def test_the_mapped_folders_are_linked_into_the_package(name: str) -> None:
    assert os.readlink(ROOT / "mlops_tfx" / name) == LINKS[name]


@pytest.mark.parametrize("name", sorted(LINKS))
def test_a_mapped_folder_cannot_be_imported_under_its_own_name(name: str) -> None:
    command = [sys.executable, "-c", f"import {name}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"imported as 'mlops_tfx.{name}', not as '{name}'" in done.stderr


def test_public_names_are_sorted_and_exist() -> None:
    assert list(mlops_tfx.__all__) == sorted(mlops_tfx.__all__)
    missing = [name for name in mlops_tfx.__all__ if not hasattr(mlops_tfx, name)]
    assert missing == []


# --- what is imported is declared


def top_level(module: str) -> str:
    # google is a namespace that many distributions share: there the second name tells which.
    return ".".join(module.split(".")[: 2 if module.startswith("google.") else 1])


def imported_names(path: Path) -> set[str]:
    # Where mypy is told that a module does not exist, a test writes that module itself.
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    names: set[str] = set()
    for node in ast.walk(ast.parse(text, str(path))):
        if isinstance(node, (ast.Import, ast.ImportFrom)) and "[import-not-found]" in lines[node.lineno - 1]:
            continue
        if isinstance(node, ast.Import):
            names |= {top_level(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(top_level(node.module))
    return names - set(sys.stdlib_module_names) - OWN


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@lru_cache(maxsize=1)
def declared() -> dict[str, set[str]]:
    """Distribution names of install_requires (key "") and of every extra, as setup.py declares them."""
    code = (
        "import json, setuptools, runpy\n"
        "keys = 'install_requires', 'extras_require'\n"
        "setuptools.setup = lambda **options: print(json.dumps([options[key] for key in keys]))\n"
        "runpy.run_path('setup.py')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    required, extras = json.loads(done.stdout)
    everything = {"": required, **extras}
    return {key: {normalised(re.split(r"[ \[<>=!~;]", line)[0]) for line in lines} for key, lines in everything.items()}


def distributions_of(name: str) -> set[str]:
    if name in PREFERRED:
        return {PREFERRED[name]}
    return {normalised(found) for found in installed().get(name, [])}


@lru_cache(maxsize=1)
def installed() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


def neighbours_of(path: Path) -> set[str]:
    # A user's module imports the files beside it by their plain names; the library itself never does.
    if path.relative_to(ROOT).parts[0] not in ("examples", "benchmarks", "tests"):
        return set()
    return {other.stem for other in path.parent.iterdir() if other.is_dir() or other.suffix == ".py"}


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("mlops_tfx", ("",)),
        ("components", ("", "tuner")),
        ("pipelines", ("",)),
        ("examples", ("", "examples", "keras2")),
        ("benchmarks", ("", "examples", "keras2", "test")),
        ("tests", ("", "examples", "keras2", "test")),
    ],
)
def test_every_imported_package_is_declared(folder: str, extras: tuple[str, ...]) -> None:
    allowed = set().union(*(declared()[extra] for extra in extras))
    undeclared = []
    for path in tracked_files(f"{folder}/*.py"):
        names = imported_names(path) - neighbours_of(path)
        names -= {"pytest"} if str(path.relative_to(ROOT)) == PLUGIN else set()
        # A folder with requirements of its own runs in an environment of its own.
        for name in sorted(names) if PEER not in names and not (path.parent / "requirements.txt").exists() else ():
            if not distributions_of(name) & allowed:
                found = distributions_of(name) or "not installed"
                undeclared.append(f"{path.relative_to(ROOT)}: {name} ({found})")
    assert undeclared == []


# --- what importing costs


def loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint('LOADED', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split("LOADED ")[1].split())


@pytest.mark.parametrize("module", ["mlops_tfx", "mlops_tfx.components", "mlops_tfx.component"])
def test_importing_loads_no_heavy_library(module: str) -> None:
    assert loaded_after(f"import {module}") & set(HEAVY) == set()


def test_the_command_line_help_loads_no_heavy_library() -> None:
    lines = (
        "from mlops_tfx.cli import main",
        "sys.argv = ['mlops-tfx', '--help']",
        "try: main()",
        "except SystemExit as end: assert not end.code",
    )
    code = "\n".join(lines)
    assert loaded_after(code) & set(HEAVY) == set()


def seconds_of(code: str) -> float:
    def once() -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
        return time.perf_counter() - start

    return min(once() for _ in range(5))


def test_importing_is_quick() -> None:
    # The aim is 0.2 s. On a busy machine the bound is what an import of the same kind takes there.
    bare = seconds_of("pass")
    own = seconds_of("import mlops_tfx") - bare
    peer = seconds_of("import pydantic.main, rich.table, click, http.server, asyncio") - bare
    assert own < max(0.2, peer)
