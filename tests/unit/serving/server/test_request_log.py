"""Files of the request log: framing, spans, rotation, bounds, and what happens when they cannot be written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_serving.config import logging_config_pb2

from mlops_tfx.serving.server import ServerOptions
from mlops_tfx.serving.server.calls import Call, Plan
from mlops_tfx.serving.server.metrics import Metrics
from mlops_tfx.serving.server.request_log.files import SpanFiles, frame
from mlops_tfx.serving.server.request_log.logger import RequestLogger
from mlops_tfx.serving.server.request_log.settings import LogSettings, read

HOUR = 3600


class Clock:
    def __init__(self) -> None:
        self.now = 10 * 24 * HOUR + 0.5

    def __call__(self) -> float:
        return self.now


def visible(folder: Path) -> list[Path]:
    return sorted(folder.glob("examples/span-*/*"))


def records(path: Path) -> list[bytes]:
    return [bytes(record) for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5))
def test_tensorflow_reads_the_frames(tmp_path_factory: pytest.TempPathFactory, data: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("frames") / "f"
    path.write_bytes(b"".join(map(frame, data)))
    assert records(path) == data


def test_files_are_seen_when_they_are_complete(tmp_path: Path) -> None:
    clock = Clock()
    files = SpanFiles(tmp_path, LogSettings(span_seconds=HOUR, max_file_seconds=60, max_file_bytes=100), clock)
    files.write("examples", [b"a", b"b"], clock.now)
    assert visible(tmp_path) == []
    clock.now += 60
    files.complete_old()
    assert [records(path) for path in visible(tmp_path)] == [[b"a", b"b"]]
    files.write("examples", [b"x" * 100], clock.now)  # by size
    files.write("examples", [b"c"], clock.now)
    files.write("examples", [b"d"], clock.now + HOUR)  # by span
    assert [path.parent.name for path in visible(tmp_path)] == ["span-240"] * 3
    files.close()
    assert records(visible(tmp_path)[-1]) == [b"d"]
    assert visible(tmp_path)[-1].parent.name == "span-241"


def test_the_oldest_files_are_removed(tmp_path: Path) -> None:
    clock = Clock()
    files = SpanFiles(tmp_path, LogSettings(max_file_bytes=1, max_bytes=3 * (16 + 50)), clock)
    for number in range(8):
        files.write("examples", [bytes([number]) * 50], clock.now)
    kept = [records(path)[0][0] for path in visible(tmp_path)]
    assert kept == [5, 6, 7]


def make_call(value: Any) -> Call:
    plan = Plan(("x",), ("y",), lambda values: values)
    return Call("Predict", "REST", "../m", 1, "serving_default", plan, [value], frozenset(["x"]))


def make_logger(folder: Path, rate: float = 1.0, **arguments: Any) -> tuple[RequestLogger, Metrics]:
    config = logging_config_pb2.LoggingConfig()
    config.log_collector_config.filename_prefix = str(folder)
    config.sampling_config.sampling_rate = rate
    metrics = Metrics()
    return RequestLogger(lambda model: config, LogSettings(), metrics, **arguments), metrics


def outcome(metrics: Metrics, name: str) -> float:
    return metrics.request_log_count.value("../m", name)


def test_sampling_is_seeded_and_has_its_rate(tmp_path: Path) -> None:
    import random

    logger, metrics = make_logger(tmp_path, 0.25, seed=7, max_pending=1000)
    for _ in range(400):
        logger(make_call(tf.zeros([1]).numpy()), lambda call: call.values)
    logger.start()
    logger.stop()
    chance = random.Random(7)
    assert outcome(metrics, "logged") == sum(chance.random() < 0.25 for _ in range(400))
    assert [path.name for path in tmp_path.iterdir()] == ["%2E%2E%2Fm"]


def test_a_full_queue_drops_and_counts(tmp_path: Path) -> None:
    by_count, first = make_logger(tmp_path / "a", max_pending=3)
    by_bytes, second = make_logger(tmp_path / "b", max_pending_bytes=20)
    for _ in range(5):
        by_count(make_call(tf.zeros([1]).numpy()), lambda call: call.values)
        by_bytes(make_call(tf.zeros([1]).numpy()), lambda call: call.values)
    assert (outcome(first, "dropped"), outcome(second, "dropped")) == (2, 3)
    for logger in (by_count, by_bytes):
        logger.start()
        logger.stop()
    assert (outcome(first, "logged"), outcome(second, "logged")) == (3, 2)


def test_a_folder_that_cannot_be_written_is_counted_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    logger, metrics = make_logger(tmp_path / "file")
    logger.start()
    for _ in range(3):
        assert logger(make_call(tf.zeros([1]).numpy()), lambda call: ["answer"]) == ["answer"]
    logger.stop()
    assert outcome(metrics, "failed") == 3
    assert caplog.text.count("cannot write a request to model ../m") == 1


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ({"request_log_contents": ("rows",)}, r"expected prediction_logs, examples or both, received"),
        ({"request_log_contents": ()}, r"received request_log_contents=\(\)"),
        ({"request_log_span": "week"}, "expected day or hour, received request_log_span='week'"),
        ({"request_log_max_file_bytes": 0}, "at least 1, received request_log_max_file_bytes=0"),
        ({"request_log_max_pending": 0}, "received request_log_max_pending=0"),
        ({"request_log_max_pending_bytes": 0}, "received request_log_max_pending_bytes=0"),
        ({"request_log_max_file_seconds": 0.0}, "more than 0, received request_log_max_file_seconds=0.0"),
        ({"request_log_max_bytes": 1}, "received request_log_max_bytes=1"),
    ],
)
def test_wrong_options(setting: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ServerOptions(model_base_path="/m", **setting)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("log_collector_config { filename_prefix: 'logs' }", "expected an absolute path, received .*'logs'"),
        (
            "log_collector_config { type: 'kafka' filename_prefix: '/l' }",
            "expected log_collector_config.type 'tfrecord'",
        ),
        ("log_collector_config { filename_prefix: '/l' } sampling_config { sampling_rate: 2 }", "from 0 to 1"),
        ("log_collector_config { filename_prefix: '/l' } sampling_config { sampling_rate: nan }", "received .*=nan"),
        ("nonsense", "cannot read LoggingConfig from"),
    ],
)
def test_wrong_logging_config(tmp_path: Path, content: str, text: str) -> None:
    (tmp_path / "log.config").write_text(content)
    with pytest.raises(ValueError, match=text):
        read(str(tmp_path / "log.config"))


def test_a_missing_logging_config(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot read LoggingConfig from .*No such file"):
        read(str(tmp_path / "none"))
