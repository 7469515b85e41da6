"""The small files of text that flags name: MonitoringConfig, SSLConfig, BatchingParameters."""

from __future__ import annotations

from typing import Any

from google.protobuf import text_format

from mlops_tfx.serving.protos import message

DEFAULT_METRICS_PATH = "/monitoring/prometheus/metrics"


def read(path: str, name: str) -> Any:
    """Returns the message ``tensorflow.serving.<name>`` in a file of text. Raises ValueError."""
    try:
        with open(path, encoding="utf-8") as file:
            return text_format.Parse(file.read(), message(f"tensorflow.serving.{name}")())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise ValueError(f"cannot read {name} from {path}: {error}") from error


def metrics_path(path: str) -> str:
    """Returns where metrics are served, by a file with a MonitoringConfig; empty for nowhere."""
    if not path:
        return ""
    config = read(path, "MonitoringConfig").prometheus_config
    return (config.path or DEFAULT_METRICS_PATH) if config.enable else ""
