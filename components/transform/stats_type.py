"""Tells a stats_options_updater_fn which statistics it is asked about."""

from __future__ import annotations

import enum


class StatsType(enum.Enum):
    """Statistics before, or after, the transformation. Names and values are TFX's."""

    UNKNOWN = 0
    PRE_TRANSFORM = 1
    POST_TRANSFORM = 2
