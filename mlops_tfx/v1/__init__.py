"""The public interface of TFX 1.16: ``from mlops_tfx import v1 as tfx`` in place of ``from tfx import v1 as tfx``.

Every module and name of ``tfx.v1`` is here, with TFX's parameters in TFX's order and with TFX's defaults; components
may take more parameters after those. Nothing is loaded before it is used. ``docs/from-tfx.md`` says what changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tfx.compat.absl_names import load_absl_logging
from mlops_tfx.v1.lazy import SUBMODULE, offer

load_absl_logging()

if TYPE_CHECKING:
    from mlops_tfx.v1 import components, dsl, extensions, orchestration, proto, testing, types, utils

__version__ = "1.16.0"
"""The release of TFX whose interface this is."""

__all__ = ["components", "dsl", "extensions", "orchestration", "proto", "testing", "types", "utils"]

_HOMES = dict.fromkeys(__all__, SUBMODULE)

__getattr__, __dir__ = offer(__name__, _HOMES)
