"""Gives the memory of a freed model back to the system."""

from __future__ import annotations

import ctypes
import gc


def give_back() -> None:
    """Collects what only cycles hold (a graph's Python side), and returns free memory to the system where glibc can."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
