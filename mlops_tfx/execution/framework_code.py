"""Digests of the framework's own data code that a component imports, so that editing it makes results stale.

Between releases the version of the library says nothing. Only the packages below count, which decide what results are;
how nodes are run, recorded and shown (execution, metadata, pipelines, the command line) does not, else every edit of
the framework would make everything stale. Sources are read, never imported: a fully cached run stays as fast as it was.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Iterable, Iterator

_PACKAGES = ("inference", "ingestion", "io", "serving", "skew", "statistics", "transformation", "validation")
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# The framework's imports are absolute (a rule of its linter), so that a pattern finds them, faster than a parser.
_IMPORT = re.compile(
    rf"^[ \t]*(?:from|import)[ \t]+mlops_tfx\.((?:{'|'.join(_PACKAGES)})\b[\w.]*)"
    r"(?:[ \t]+import[ \t]+(\([^)]*\)|[^\n#]*))?",
    re.MULTILINE,
)
_COMBINED = re.compile(r"^[ \t]*from[ \t]+mlops_tfx[ \t]+import[ \t]+(\([^)]*\)|[^\n#]*)", re.MULTILINE)


def framework_code(files: Iterable[str]) -> dict[str, str]:
    """Returns a digest for each data package of the framework of which some files import something.

    Args:
        files: the sources of a component.

    Returns:
        ``mlops_tfx.io`` and so on, to the digest of those of its files that are imported, directly or not.
    """
    found: set[str] = set()
    queue = [target for path in files for target in _imported_files(path)]
    while queue:
        path = queue.pop()
        if path not in found:
            found.add(path)
            queue.extend(_imported_files(path))
    by_package: dict[str, list[str]] = {}
    for path in sorted(found):
        relative = os.path.relpath(path, _ROOT)
        by_package.setdefault(f"mlops_tfx.{relative.split(os.sep)[0]}", []).append(f"{relative} {_digest(path)}")
    return {name: hashlib.sha256("\n".join(lines).encode()).hexdigest() for name, lines in by_package.items()}


# Once per process: what is loaded does not change when a file does.
@functools.cache
def _imported_files(path: str) -> tuple[str, ...]:
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return tuple(dict.fromkeys(target for name in _names(text) if (target := _file(name))))


@functools.cache
def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def _names(text: str) -> Iterator[str]:
    """Dotted names below mlops_tfx that a source imports: modules, or something inside them."""
    for module, items in _IMPORT.findall(text):
        yield module
        yield from (f"{module}.{item}" for item in _items(items))
    for items in _COMBINED.findall(text):
        yield from (item for item in _items(items) if item in _PACKAGES)


def _items(text: str) -> list[str]:
    entries = re.sub(r"#[^\n]*", "", text).strip().strip("()").split(",")
    return [words[0] for entry in entries if (words := entry.split())]


@functools.cache
def _file(name: str) -> str | None:
    path = os.path.join(_ROOT, *name.split("."))
    candidates = (f"{path}.py", os.path.join(path, "__init__.py"))
    return next((candidate for candidate in candidates if os.path.isfile(candidate)), None)
