"""``tfx.v1.extensions``: components for Google Cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tfx.v1.lazy import SUBMODULE, offer

if TYPE_CHECKING:
    from mlops_tfx.v1.extensions import google_cloud_ai_platform, google_cloud_big_query

__all__ = ["google_cloud_ai_platform", "google_cloud_big_query"]

_HOMES = dict.fromkeys(__all__, SUBMODULE)

__getattr__, __dir__ = offer(__name__, _HOMES)
