"""Google's client libraries, imported when a component runs: no pipeline needs them to be defined."""

from __future__ import annotations

import importlib
from typing import Any


def client_library(module: str, distribution: str) -> Any:
    """Returns a client library. Raises ImportError with the command that installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"{module} cannot be imported ({error}): pip install {distribution}") from error
