"""What is logged, where, and how much of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf import text_format
from tensorflow_serving.config import logging_config_pb2

if TYPE_CHECKING:
    from mlops_tfx.serving.server.options import ServerOptions

PREDICTION_LOGS, EXAMPLES = "prediction_logs", "examples"
SPAN_SECONDS = {"day": 86_400, "hour": 3_600}
TYPE = "tfrecord"


@dataclass(frozen=True)
class LogSettings:
    """How files are written.

    Attributes:
        contents: of ``prediction_logs`` and ``examples``.
        span_seconds: how long a span is; spans count from 1970-01-01 UTC, as date spans of ExampleGen do.
        with_predictions: whether tf.Examples get the answers as features ``prediction/<output>``.
        max_file_bytes: a file is complete once it has so many bytes.
        max_file_seconds: a file is complete after so many seconds.
        max_bytes: what the files of one model may take; the oldest are removed.
    """

    contents: tuple[str, ...] = (PREDICTION_LOGS, EXAMPLES)
    span_seconds: int = 86_400
    with_predictions: bool = False
    max_file_bytes: int = 64 << 20
    max_file_seconds: float = 300.0
    max_bytes: int = 10 << 30


def of_options(options: ServerOptions) -> LogSettings:
    """Returns the settings in a server's options."""
    return LogSettings(
        options.request_log_contents,
        SPAN_SECONDS[options.request_log_span],
        options.request_log_with_predictions,
        options.request_log_max_file_bytes,
        options.request_log_max_file_seconds,
        options.request_log_max_bytes,
    )


def problems(options: ServerOptions) -> list[str]:
    """Returns what is wrong with the logging settings of a server's options."""
    found = []
    wrong = [content for content in options.request_log_contents if content not in (PREDICTION_LOGS, EXAMPLES)]
    if wrong or not options.request_log_contents:
        received = options.request_log_contents
        found.append(f"expected {PREDICTION_LOGS}, {EXAMPLES} or both, received request_log_contents={received}")
    if options.request_log_span not in SPAN_SECONDS:
        found.append(f"expected day or hour, received request_log_span={options.request_log_span!r}")
    for name in ("request_log_max_file_bytes", "request_log_max_pending", "request_log_max_pending_bytes"):
        if getattr(options, name) < 1:
            found.append(f"expected at least 1, received {name}={getattr(options, name)}")
    seconds = options.request_log_max_file_seconds
    if not seconds > 0:
        found.append(f"expected more than 0, received request_log_max_file_seconds={seconds}")
    if options.request_log_max_bytes < options.request_log_max_file_bytes:
        found.append(f"expected at least request_log_max_file_bytes={options.request_log_max_file_bytes}, received "
                     f"request_log_max_bytes={options.request_log_max_bytes}")  # fmt: skip
    return found


def read(path: str) -> Any:
    """Returns the LoggingConfig in a file of text. Raises ValueError."""
    try:
        with open(path, encoding="utf-8") as file:
            config = text_format.Parse(file.read(), logging_config_pb2.LoggingConfig())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise ValueError(f"cannot read LoggingConfig from {path}: {error}") from error
    problem = config_problem(config)
    if problem:
        raise ValueError(f"{path}: {problem}")
    return config


def config_problem(config: Any) -> str:
    """Returns what is wrong with a LoggingConfig; empty if nothing is."""
    collector, rate = config.log_collector_config, config.sampling_config.sampling_rate
    if collector.type not in ("", TYPE):
        return f"expected log_collector_config.type {TYPE!r}, received {collector.type!r}"
    if not os.path.isabs(collector.filename_prefix):
        return f"expected an absolute path, received log_collector_config.filename_prefix={collector.filename_prefix!r}"
    if not 0 <= rate <= 1:
        return f"expected a share from 0 to 1, received sampling_config.sampling_rate={rate:g}"
    return ""
