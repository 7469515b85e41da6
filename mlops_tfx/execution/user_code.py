"""Finds, loads and digests the user's own code: module files, dotted paths and functions.

Digests are taken from the source, without importing anything: a fully cached run never imports the user's modules.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mlops_tfx import filesystem
from mlops_tfx.errors import MlopsTfxError, UserCodeError, did_you_mean
from mlops_tfx.execution.fresh_source import import_from_source
from mlops_tfx.execution.imports import module_of_file, project_modules, source_of_module
from mlops_tfx.execution.main_thread import advice
from mlops_tfx.execution.memory_code import memory_digest

_LOCK = threading.RLock()
_LOADED: dict[str, tuple[str, str]] = {}  # module name -> (file, digest), of modules that this file imported


@contextmanager
def user_code(what: str) -> Iterator[None]:
    """Turns whatever user code raises into UserCodeError, with the original as ``__cause__``."""
    try:
        yield
    except MlopsTfxError:
        raise
    except Exception as error:
        raise UserCodeError(f"{what} raised {type(error).__name__}: {error}{_place(error)}{advice(error)}") from error


def _place(error: BaseException) -> str:
    """Where user code raised: the deepest frame that is neither a library's nor the framework's."""
    found = ""
    traceback = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not _is_library(code.co_filename):
            found = f" ({code.co_filename}:{traceback.tb_lineno}, in {code.co_name})"
        traceback = traceback.tb_next
    return found


@functools.lru_cache(maxsize=1024)
def _is_library(path: str) -> bool:
    return path.startswith("<") or source_of_module(path) is None


def load_function(
    module_file: str | None = None,
    function: str | Callable[..., Any] | None = None,
    name: str = "run_fn",
) -> Callable[..., Any]:
    """Loads a user function.

    Args:
        module_file: path of a Python file that defines ``name``. Modules beside it can be imported from it.
        function: a function, or its dotted path ``package.module.function``.
        name: name of the function in ``module_file``.

    Raises:
        UserCodeError: nothing is there, the name is not defined (near names are shown), or importing it raised.
    """
    if callable(function):
        return function
    if function is not None:
        module_name, _, name = function.rpartition(".")
        if not module_name:
            raise UserCodeError(f"expected a dotted path such as 'package.module.{name}', received {function!r}")
        module = _import(module_name)
        return _attribute(module, name, f"module {module_name!r}")
    if module_file is None:
        raise UserCodeError(f"expected a module file or a function for {name!r}, received neither")
    return _attribute(load_module(module_file), name, f"module file {module_file!r}")


def optional_function(module_file: str, name: str) -> Callable[..., Any] | None:
    """Loads a function of a module file that may be absent; returns None then."""
    found = getattr(load_module(module_file), name, None)
    return found if callable(found) else None


def _attribute(module: Any, name: str, where: str) -> Callable[..., Any]:
    found = getattr(module, name, None)
    if found is None:
        functions = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        raise UserCodeError(f"{where} defines no function {name!r}{did_you_mean(name, functions)}")
    if not callable(found):
        raise UserCodeError(f"{where}: expected {name!r} to be a function, received {type(found).__name__}")
    return found  # type: ignore[no-any-return]  # vars() of a module is untyped


def _import(module_name: str) -> Any:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(error.name + ".")):
            raise UserCodeError(f"no module named {error.name!r} on sys.path; is the project installed?") from error
        raise UserCodeError(f"importing {module_name!r} failed: {error}{_place(error)}") from error
    except Exception as error:
        message = f"importing {module_name!r} raised {type(error).__name__}: {error}{_place(error)}"
        raise UserCodeError(message) from error


def load_module(module_file: str) -> Any:
    """Imports a Python file by path, with the modules beside it importable. A changed file is imported anew."""
    path = os.path.abspath(filesystem.local_path(module_file))
    if not os.path.isfile(path):
        raise UserCodeError(f"module file {module_file!r} does not exist")
    root, module_name = module_of_file(path)
    import_from_source(root)
    with _LOCK:
        _forget_stale(root, module_name, path)
        if root not in sys.path:
            sys.path.insert(0, root)
        before = set(sys.modules)
        try:
            module = _import(module_name)
        finally:
            _remember(set(sys.modules) - before, root)
    return module


def _forget_stale(root: str, module_name: str, path: str) -> None:
    """Drops modules imported earlier whose file changed, or whose name this file's folder needs for its own."""
    loaded = sys.modules.get(module_name)
    other_file = loaded is not None and os.path.abspath(getattr(loaded, "__file__", None) or "") != path
    changed = any(file.startswith(root + os.sep) and _file_digest(file) != seen for file, seen in _LOADED.values())
    neighbours = {entry.removesuffix(".py") for entry in os.listdir(root)}
    for name, (file, _) in list(_LOADED.items()):
        here = file.startswith(root + os.sep)
        clashes = not here and name.partition(".")[0] in neighbours
        if (here and changed) or clashes:
            sys.modules.pop(name, None)
            del _LOADED[name]
    if other_file and module_name in sys.modules:
        raise UserCodeError(
            f"module file {path!r} cannot be imported as {module_name!r}: "
            f"that name is taken by {getattr(loaded, '__file__', None) or 'a built-in module'}; rename the file"
        )
    if root in sys.path:
        sys.path.remove(root)
    importlib.invalidate_caches()


def _remember(names: set[str], root: str) -> None:
    for name in names:
        file = getattr(sys.modules.get(name), "__file__", None)
        if file and os.path.abspath(file).startswith(root + os.sep) and source_of_module(file):
            _LOADED[name] = (os.path.abspath(file), _file_digest(file))


def _file_digest(path: str) -> str:
    try:
        return hashlib.sha256(filesystem.read_bytes(path)).hexdigest()
    except FileNotFoundError:
        return "absent"


def code_ingredients(
    module_file: str | None = None,
    function: str | Callable[..., Any] | None = None,
) -> Mapping[str, str]:
    """Digests the source of a user function and of every project module it imports, without importing any.

    Returns:
        ``{"file <path>": <sha256>}``. Libraries (site-packages, the standard library, mlops_tfx itself) are left out:
        their versions are part of the cache key on their own.
    """
    if module_file is not None:
        path = filesystem.local_path(module_file)
        if not os.path.isfile(path):
            raise UserCodeError(f"module file {module_file!r} does not exist")
        return _digests(path)
    if isinstance(function, str):
        source = source_of_module(function.rpartition(".")[0])
        return _digests(source) if source else {}
    if callable(function):
        return _function_ingredients(function)
    return {}


def _digests(path: str) -> dict[str, str]:
    return {f"file {_display(file)}": _file_digest(file) for file in project_modules(os.path.abspath(path))}


def _display(path: str) -> str:
    # Relative paths keep the key the same for the same project in another folder.
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


def _function_ingredients(function: Callable[..., Any]) -> dict[str, str]:
    if isinstance(function, functools.partial):
        bound = hashlib.sha256(repr((function.args, sorted(function.keywords.items()))).encode()).hexdigest()
        return {**_function_ingredients(function.func), "bound arguments": bound}
    function = inspect.unwrap(function)
    try:
        path = inspect.getsourcefile(function)
    except (OSError, TypeError):  # of a class in a notebook, one or the other
        path = None
    if path and os.path.isfile(path):
        return _digests(path) if source_of_module(path) else {}
    if isinstance(function, type):
        return {f"class {function.__qualname__}": memory_digest(function)}
    try:
        source = inspect.getsource(function)  # a notebook cell has a source but no file
    except (OSError, TypeError):
        return {}
    return {f"function {function.__qualname__}": hashlib.sha256(source.encode()).hexdigest()}
