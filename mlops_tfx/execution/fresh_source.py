"""Imports of a project's files read the files, not Python's bytecode.

Python takes bytecode for that of a file whose size and whole second of change are the same. Of a file that is edited
twice within a second it may run the older text, whose result would lie in the cache under the digest of the newer.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from typing import Any

from mlops_tfx.execution.imports import source_of_module

_ROOTS: set[str] = set()
_LOCK = threading.Lock()
_LOADERS: list[tuple[Any, list[str]]] = [(ExtensionFileLoader, EXTENSION_SUFFIXES)]


class _FreshSource(SourceFileLoader):
    """Neither reads nor writes bytecode of project files."""

    def path_stats(self, path: str) -> Mapping[str, Any]:
        # As Python's documentation has it: without these, the source is compiled.
        if source_of_module(path) is not None:
            raise OSError(f"{path} is compiled anew")
        return super().path_stats(path)


_LOADERS += [(_FreshSource, SOURCE_SUFFIXES), (SourcelessFileLoader, BYTECODE_SUFFIXES)]


def import_from_source(root: str) -> None:
    """From now on, project files in and below a folder are imported as they are."""
    with _LOCK:
        if root in _ROOTS:
            return
        if not _ROOTS:
            sys.path_hooks.insert(0, _finder)
        _ROOTS.add(root)
        for path in [path for path in sys.path_importer_cache if _is_below(path, root)]:
            sys.path_importer_cache.pop(path, None)


def roots() -> list[str]:
    """The folders: another process is to be told of them."""
    return sorted(_ROOTS)


def _finder(path: str) -> FileFinder:
    if not os.path.isdir(path) or not any(_is_below(path, root) for root in _ROOTS):
        raise ImportError(f"{path} is no project's")
    return FileFinder(path, *_LOADERS)


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)
