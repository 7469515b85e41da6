"""Imports of heavy libraries, one at a time and ahead of need.

Two threads that import TensorFlow's packages at the same moment can see each other's half-initialised modules, so all
such imports pass one lock. ``warm_up`` uses the time in which the first node reads its data.

The garbage collector rests meanwhile: an import makes a million objects that stay, and looking through them again and
again takes a third of the time. Afterwards they are set aside for good, which later collections are the faster for.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence

_LOCK = threading.Lock()


def import_heavy(modules: Iterable[str]) -> None:
    """Imports the modules, holding the lock. Raises ImportError as an import statement would."""
    for module in modules:
        with _LOCK, contextlib.nullcontext() if module in sys.modules else _collector_resting():
            importlib.import_module(module)


@contextlib.contextmanager
def _collector_resting() -> Iterator[None]:
    if not gc.isenabled():
        yield
        return
    gc.collect()  # what is garbage already must not be kept
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def warm_up(modules: Sequence[str]) -> threading.Thread:
    """Starts a daemon thread that imports the modules in order; a missing one is left for its user to report."""

    def work() -> None:
        for module in modules:
            try:
                import_heavy([module])
            except ImportError:
                return

    thread = threading.Thread(target=work, name="warm-up imports", daemon=True)
    thread.start()
    return thread
