"""Runs a Python script in whose process ``tfx`` is ours."""

from __future__ import annotations

import importlib.util
import os
import runpy
import sys
from collections.abc import Sequence
from types import ModuleType

from mlops_tfx.compat import source_trees
from mlops_tfx.compat.finder import install
from mlops_tfx.errors import UserCodeError


def run_script(path: str, args: Sequence[str] = ()) -> None:
    """Runs a script as ``python path args...`` would, with imports of ``tfx`` served by mlops_tfx.

    The script is the module ``__main__`` of this process, and stays it: what it defines can be pickled.

    Args:
        path: the script.
        args: its arguments.

    Raises:
        UserCodeError: there is no such file.
        SystemExit: the script asks for it, as ``absl.app.run`` does.
        Exception: whatever the script raises.
    """
    if not os.path.isfile(path):
        raise UserCodeError(f"no script {path!r}")
    install()
    main = ModuleType("__main__")
    main.__dict__.update(__file__=path, __builtins__=__builtins__)
    sys.modules["__main__"] = main
    sys.argv[:] = [path, *args]
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    if (root := source_trees.root_of(path)) is not None:
        sys.path.append(root)
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)  # this file's __future__ is not the script's
    exec(code, main.__dict__)


def run_module(name: str, args: Sequence[str] = ()) -> None:
    """Runs a module as ``python -m name args...`` would, with imports of ``tfx`` served by mlops_tfx.

    Args:
        name: the module, such as ``pytest`` or ``unittest``.
        args: its arguments.

    Raises:
        UserCodeError: there is no such module.
        SystemExit: the module asks for it, as ``pytest`` does.
        Exception: whatever the module raises.
    """
    install()
    sys.path.insert(0, os.getcwd())
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        found = None  # of a package that is not there
    if found is None:
        raise UserCodeError(f"no module {name!r}")
    sys.argv[:] = [name, *args]
    runpy.run_module(name, run_name="__main__", alter_sys=True)
