"""Which project files a Python file imports, found by reading sources: nothing is imported."""

from __future__ import annotations

import ast
import functools
import importlib.machinery
import os
import site
import sys
import sysconfig
import threading
from collections.abc import Iterator

# CPython 3.11 counts the recursion of all its parsing threads together, and raises SystemError when two overlap.
_PARSING = threading.Lock()
_FRAMEWORK = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@functools.lru_cache(maxsize=1)
def _library_roots() -> tuple[str, ...]:
    paths = {sysconfig.get_paths()[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    paths.update(site.getsitepackages() if hasattr(site, "getsitepackages") else ())
    roots = {*paths, *(os.path.realpath(path) for path in paths), _FRAMEWORK, os.path.realpath(_FRAMEWORK)}
    links = (os.path.realpath(os.path.join(_FRAMEWORK, name)) for name in ("components", "pipelines"))
    return tuple(sorted({os.path.abspath(root) + os.sep for root in (*roots, *links)}))


def _is_project_file(path: str) -> bool:
    full = os.path.abspath(path)
    inside = (full.startswith(_library_roots()), os.path.realpath(full).startswith(_library_roots()))
    return full.endswith(".py") and not any(inside)


def source_of_module(name_or_path: str) -> str | None:
    """Returns the project file of a dotted module name or path; None for libraries and what is not there."""
    if name_or_path.endswith(".py") or os.sep in name_or_path:
        return os.path.abspath(name_or_path) if _is_project_file(name_or_path) else None
    found = _find(name_or_path, ())
    return found if found and _is_project_file(found) else None


def module_of_file(path: str) -> tuple[str, str]:
    """Returns the folder to put on sys.path and the dotted name by which a file is imported from there."""
    folder, name = os.path.dirname(path), os.path.basename(path).removesuffix(".py")
    parts = [name]
    while os.path.isfile(os.path.join(folder, "__init__.py")):
        folder, package = os.path.split(folder)
        parts.insert(0, package)
    return folder, ".".join(parts)


def project_modules(path: str) -> list[str]:
    """Returns a file and all project files it imports, directly or not, in the order they are found."""
    found: dict[str, None] = {path: None}
    queue = [path]
    while queue:
        for imported in _imported_files(queue.pop(0)):
            if imported not in found:
                found[imported] = None
                queue.append(imported)
    return list(found)


def imports_module(path: str, name: str) -> bool:
    """Whether a Python file imports a module, anywhere in it; ``name`` is that of a module at the top."""
    return any(imported.partition(".")[0] == name for imported in _imported_names(path, ""))


def _imported_files(path: str) -> Iterator[str]:
    root, module_name = module_of_file(path)
    package = module_name if path.endswith("__init__.py") else module_name.rpartition(".")[0]
    for name in _imported_names(path, package):
        # A name may be a module or something inside one: every prefix that is a file counts.
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            found = _find(".".join(parts[:length]), (root, os.path.dirname(path)))
            if found and found != path and _is_project_file(found):
                yield found


def _imported_names(path: str, package: str) -> list[str]:
    try:
        with open(path, "rb") as file, _PARSING:
            tree = ast.parse(file.read(), filename=path)
    except (SyntaxError, ValueError, FileNotFoundError):
        return []  # loading the file will say what is wrong with it
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            names.extend(f"{base}.{alias.name}" if base else alias.name for alias in node.names)
    return names


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".") if package else []
    base = parts[: len(parts) - (node.level - 1)]
    return ".".join([*base, node.module] if node.module else base)


def _find(name: str, folders: tuple[str, ...]) -> str | None:
    """The file of a dotted module name, looked for in ``folders`` and on sys.path without importing parents."""
    search: list[str] | None = [*folders, *sys.path]
    origin: str | None = None
    for part in name.split("."):
        spec = importlib.machinery.PathFinder.find_spec(part, search)
        if spec is None:
            return None
        origin = spec.origin
        search = list(spec.submodule_search_locations or ())
    return origin
