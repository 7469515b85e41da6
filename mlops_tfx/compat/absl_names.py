"""What importing TFX loads beside itself, which scripts rely on."""

from __future__ import annotations

import importlib
import sys


def load_absl_logging() -> None:
    """Scripts say ``import absl`` and then ``absl.logging``: importing TFX has that effect."""
    if "absl" in sys.modules:
        importlib.import_module("absl.logging")
