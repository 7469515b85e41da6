"""Serves imports of ``tfx`` from the table in `mlops_tfx.compat.names`."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

from mlops_tfx.compat import source_trees
from mlops_tfx.compat.absl_names import load_absl_logging
from mlops_tfx.compat.names import ABSENT, MODULES, V1
from mlops_tfx.errors import did_you_mean

_LOG = logging.getLogger(__name__)
_OURS = "mlops_tfx."


def install() -> None:
    """Makes imports of ``tfx`` find our modules, in this process and in Python processes that it starts.

    If TFX itself is installed, ours is what is imported from now on, and a warning says so.

    Raises:
        ImportError: TFX itself has been imported already.
    """
    if any(isinstance(finder, TfxFinder) for finder in sys.meta_path):
        return
    loaded = sys.modules.get("tfx")
    if loaded is not None and getattr(loaded, "__file__", None) != _PROCESS_FILE:
        raise ImportError(
            f"tfx is imported already, from {getattr(loaded, '__file__', None)}; call mlops_tfx.compat.install() "
            "before anything imports tfx"
        )
    # A spec without an origin is a mere folder of that name.
    if loaded is None and (real := importlib.util.find_spec("tfx")) and real.origin not in (None, _PROCESS_FILE):
        _LOG.warning("tfx is installed in %s; mlops_tfx takes its place in this process", real.origin)
    sys.meta_path.insert(0, TfxFinder())
    # Child processes find our tfx by PYTHONPATH, or by sys.path, which multiprocessing hands down.
    sys.path.insert(0, _PROCESS_FOLDER)
    _set_python_path([_PROCESS_FOLDER, *_python_path()])
    if loaded is not None:
        sys.modules["tfx"] = _made("tfx")
        load_absl_logging()


def uninstall() -> None:
    """Undoes `install`: imports of ``tfx`` find what they found before."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, TfxFinder)]
    sys.path[:] = [path for path in sys.path if path != _PROCESS_FOLDER]
    for name in [name for name in sys.modules if name == "tfx" or name.startswith("tfx.")]:
        del sys.modules[name]
    _set_python_path(_python_path())


def _python_path() -> list[str]:
    """The entries of PYTHONPATH, without our own."""
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return [path for path in paths if path and path != _PROCESS_FOLDER]


def _set_python_path(paths: Sequence[str]) -> None:
    if paths:
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    else:
        os.environ.pop("PYTHONPATH", None)


# Python processes started from here, such as Beam's workers, find this file as the module tfx; it calls install().
_PROCESS_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "in_processes")
_PROCESS_FILE = os.path.join(_PROCESS_FOLDER, "tfx.py")


class TfxFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and loads modules whose names begin with ``tfx``."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Returns the spec of a module of the table; None for modules that are not TFX's.

        Raises:
            ImportError: a module of TFX that is not in the table.
        """
        if fullname.startswith(f"{_OURS}v1."):
            _check_offered(fullname, path)
        if fullname != "tfx" and not fullname.startswith("tfx."):
            return None
        if (spec := source_trees.find_spec(fullname)) is not None:
            return spec
        if source_trees.is_below(fullname):
            return None  # as Python finds modules of any package
        if not is_served(fullname):
            parent, _, name = fullname.rpartition(".")
            raise ImportError(missing(parent, name), name=fullname)
        spec = importlib.machinery.ModuleSpec(fullname, self, origin="mlops_tfx.compat", is_package=True)
        spec.submodule_search_locations = []
        return spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Returns an empty module that looks its names up."""
        return TfxModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Of ``tfx.v1`` and below, puts our module itself in place: it has everything under the same name."""
        name = module.__name__
        if name == "tfx":
            load_absl_logging()
        if _is_v1(name):
            ours = importlib.import_module(_OURS + name.removeprefix("tfx."))
            # With a path it may have submodules: that is how find_spec hears of wrong names in "from ... import".
            vars(ours).setdefault("__path__", [])
            sys.modules[name] = ours


def _check_offered(name: str, path: Sequence[str] | None) -> None:
    """Raises ImportError, with the reason or the near names, for what a module of ``mlops_tfx.v1`` does not have."""
    parent, _, attribute = name.rpartition(".")
    if importlib.machinery.PathFinder.find_spec(name, path) is None and parent in sys.modules:
        try:
            getattr(sys.modules[parent], attribute)
        except AttributeError as error:
            raise ImportError(str(error), name=name) from None


class TfxModule(ModuleType):
    """One of TFX's modules. Names are looked up in the table when they are asked for."""

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return names_in(self.__name__)
        if name.startswith("__") and name != "__version__":
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        for source, theirs, ours in _entries(self.__name__):
            if theirs in (name, "*"):
                found = _look_up(source, ours or name)
                if found is not None:
                    self.__dict__[name] = found
                    return found
        full_name = f"{self.__name__}.{name}"
        if is_served(full_name) or source_trees.find_spec(full_name) is not None:
            return importlib.import_module(f"{self.__name__}.{name}")
        raise AttributeError(missing(self.__name__, name))

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *names_in(self.__name__)})

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self.__name__,)


def _unpickled(name: str) -> ModuleType:
    install()
    return importlib.import_module(name)


def _made(name: str) -> ModuleType:
    spec = TfxFinder().find_spec(name)
    assert spec is not None
    return importlib.util.module_from_spec(spec)


def is_served(name: str) -> bool:
    """Whether a module of TFX is in the table, or above one that is."""
    if _is_v1(name):
        return importlib.util.find_spec(_OURS + name.removeprefix("tfx.")) is not None
    names = (*MODULES, V1, *source_trees.found_above(name))
    return name in MODULES or any(module.startswith(name + ".") for module in names)


def _is_v1(name: str) -> bool:
    return name == V1 or name.startswith(V1 + ".")


def names_in(module: str) -> list[str]:
    """Names that one of TFX's modules has here, submodules too."""
    found = set()
    for source, theirs, _ in _entries(module):
        found.update([theirs] if theirs != "*" else _public(importlib.import_module(source)))
    below = [name.removeprefix(module + ".") for name in (*MODULES, V1) if name.startswith(module + ".")]
    return sorted({*found, *(name.partition(".")[0] for name in below)})


def _public(module: ModuleType) -> list[str]:
    declared: Sequence[str] | None = getattr(module, "__all__", None)
    if declared is not None:
        return list(declared)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", module.__name__) == module.__name__
    ]


def _entries(module: str) -> Iterator[tuple[str, str, str]]:
    """Lines of the table for a module: our module, the name in TFX (``*`` for all), ours if it is another."""
    for line in MODULES.get(module, ()):
        source, _, names = line.partition(":")
        for name in names.split() or ["*"]:
            theirs, _, ours = name.partition("=")
            yield source, theirs, ours


def _look_up(source: str, path: str) -> Any:
    found: Any = importlib.import_module(source)
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


def missing(module: str, name: str) -> str:
    """Says that a name of TFX is not there, and why, or what is near: in the same module, or in another."""
    full_name = f"{module}.{name}"
    reason = next((why for absent, why in ABSENT.items() if f"{full_name}.".startswith(f"{absent}.")), None)
    if reason is not None:
        return f"mlops_tfx has no {full_name}: {reason}"
    elsewhere = [other for other in MODULES if other != module and any(t == name for _, t, _ in _entries(other))]
    hint = f"; {name} is in {', '.join(elsewhere)}" if elsewhere else did_you_mean(name, names_in(module))
    return f"mlops_tfx has no {full_name}{hint} (the table is mlops_tfx/compat/names.py)"
