"""Packages of TFX that are users' own code: where they lie as files, they are imported from there.

TFX's examples import one another as ``tfx.examples...``, its templates as ``tfx.experimental.templates...``. In a
checkout of TFX, or beside an installed one, those modules are pipelines like any other: they are found in the folders
``tfx/examples`` and ``tfx/experimental/templates`` of ``sys.path``, while all that they import of TFX is ours.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder

TREES = ("tfx.examples", "tfx.experimental.templates")


def find_spec(name: str) -> ModuleSpec | None:
    """Returns the spec of one of the packages of `TREES`; None if it is on no path, and for every other name."""
    if name not in TREES:
        return None
    folders = name.split(".")[:-1]
    return PathFinder.find_spec(name, [os.path.join(path or os.getcwd(), *folders) for path in sys.path])


def found_above(name: str) -> list[str]:
    """The packages of `TREES` that lie below a module and are on the path."""
    return [tree for tree in TREES if tree.startswith(f"{name}.") and name != "tfx" and find_spec(tree) is not None]


def is_below(name: str) -> bool:
    """Whether a module is in one of the packages of `TREES`, and that package has been imported."""
    return any(name.startswith(f"{tree}.") and tree in sys.modules for tree in TREES)


def root_of(script: str) -> str | None:
    """Returns the folder that holds the ``tfx`` of a script inside one of the trees; None for other scripts."""
    folder = os.path.dirname(os.path.abspath(script)) + os.sep
    inside = (os.sep + tree.replace(".", os.sep) + os.sep for tree in TREES)
    return next((folder.partition(tree)[0] for tree in inside if tree in folder), None)
