"""Keeps libraries from talking over the progress display with messages no user can act on.

Errors and warnings about the user's own data and code are untouched: only messages listed here are.
"""

from __future__ import annotations

import logging
import os
import re
import warnings

_WARNINGS = (
    "You are using a Python version .* which Google will stop supporting",
    "You are using a non-supported Python version",
    "pkg_resources is deprecated as an API",
    "Deprecated call to `pkg_resources.declare_namespace",
)
_LOG_LINES = re.compile(
    r"crcmod package not found"
    r"|Make sure that locally built Python SDK docker image"
    r"|Couldn't infer output_type"
    r"|Assets written to:"
    r"|Tables initialized inside a tf.function"  # TFT's own graphs
    r"|From \S*site-packages\S*: .* is deprecated"  # a library's use of another, not the user's
)


def quiet_libraries() -> None:
    """Silences the listed messages, and TensorFlow's start-up messages unless TF_CPP_MIN_LOG_LEVEL is set."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for message in _WARNINGS:
        warnings.filterwarnings("ignore", message=message)
    for name in (None, "absl", "tensorflow"):
        logger = logging.getLogger(name)
        if _worth_showing not in logger.filters:
            logger.addFilter(_worth_showing)


def _worth_showing(record: logging.LogRecord) -> bool:
    # A logging filter: False drops the record.
    return _LOG_LINES.match(record.getMessage()) is None
