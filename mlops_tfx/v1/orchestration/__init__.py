"""``tfx.v1.orchestration``: running pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tfx.v1.lazy import SUBMODULE, offer

if TYPE_CHECKING:
    from mlops_tfx.v1.orchestration import experimental, metadata
    from mlops_tfx.v1.orchestration.local import LocalDagRunner

__all__ = ["LocalDagRunner", "experimental", "metadata"]

_HOMES = {
    "LocalDagRunner": "mlops_tfx.v1.orchestration.local",
    "experimental": SUBMODULE,
    "metadata": SUBMODULE,
}

__getattr__, __dir__ = offer(__name__, _HOMES)
