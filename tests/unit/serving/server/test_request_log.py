"""Files of the request log: framing, spans, rotation, bounds, and what happens when they cannot be written."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_serving.config import logging_config_pb2

from mlops_tfx.serving.server import ServerOptions
from mlops_tfx.serving.server.calls import Call, Plan
from mlops_tfx.serving.server.metrics import Metrics
from mlops_tfx.serving.server.request_log import records as logged
from mlops_tfx.serving.server.request_log.files import SpanFiles, _locks, frame, whole_bytes
from mlops_tfx.serving.server.request_log.logger import RequestLogger
from mlops_tfx.serving.server.request_log.settings import LogSettings, read
from mlops_tfx.serving.server.schema_guard.checks import RequestChecks
from mlops_tfx.serving.server.schema_guard.schema import compile_schema, parse
from mlops_tfx.serving.server.waiting import run

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


KILLED = """
import pathlib, sys
from mlops_tfx.serving.server.request_log.files import SpanFiles
from mlops_tfx.serving.server.request_log.settings import LogSettings
files = SpanFiles(pathlib.Path(sys.argv[1]), LogSettings(span_seconds=3600), lambda: 864000.5)
for record in (b"a", b"bc" * 50):
    files.write("examples", [record], 864000.5)
files.write("prediction_logs", [b"log"], 864000.5)
print("written", flush=True)
sys.stdin.read()
"""


def test_what_a_killed_server_left_behind_is_completed_by_the_next(tmp_path: Path, project_root: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, cwd=project_root, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        clock, small = Clock(), LogSettings(span_seconds=HOUR, max_file_bytes=1, max_bytes=1)
        other = SpanFiles(tmp_path, small, clock)
        other.write("examples", [b"x"], clock.now)
        assert visible(tmp_path) == [], "it is over the bound itself"
        incoming = sorted((tmp_path / ".incoming").iterdir())
        assert [path.name.partition(".")[0] for path in incoming] == ["examples", "prediction_logs"], "they are locked"
        process.kill()
    with open(incoming[0], "ab") as file:
        file.write(frame(b"torn")[:-3])
    SpanFiles(tmp_path, LogSettings(span_seconds=HOUR), clock)
    assert [records(path) for path in visible(tmp_path)] == [[b"a", b"bc" * 50]]
    assert visible(tmp_path)[0].parent.name == "span-240"
    (log,) = tmp_path.glob("prediction_logs/span-240/*")
    assert records(log) == [b"log"]
    assert list((tmp_path / ".incoming").iterdir()) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=4), st.data())
def test_a_damaged_file_is_whole_up_to_the_damage(data: list[bytes], draw: st.DataObject) -> None:
    frames = [frame(record) for record in data]
    content = b"".join(frames)
    place = draw.draw(st.integers(0, len(content)))
    ends = [0, *itertools.accumulate(map(len, frames))]
    expected = max(end for end in ends if end <= place)
    with tempfile.TemporaryFile() as file:
        file.write(content[:place])
        file.flush()
        assert whole_bytes(file) == expected
        if place < len(content):
            file.seek(0)
            file.write(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
            file.flush()
            assert whole_bytes(file) == expected


def test_the_oldest_files_are_removed(tmp_path: Path) -> None:
    clock = Clock()
    files = SpanFiles(tmp_path, LogSettings(max_file_bytes=1, max_bytes=3 * (16 + 50)), clock)
    for number in range(8):
        files.write("examples", [bytes([number]) * 50], clock.now)
    kept = [records(path)[0][0] for path in visible(tmp_path)]
    assert kept == [5, 6, 7]


def test_spans_whose_files_are_removed_are_removed_too(tmp_path: Path) -> None:
    clock = Clock()
    files = SpanFiles(tmp_path, LogSettings(span_seconds=HOUR, max_file_bytes=1, max_bytes=2 * (16 + 50)), clock)
    for number in range(5):
        files.write("examples", [bytes([number]) * 50], clock.now + number // 2 * HOUR)
    assert [path.name for path in sorted((tmp_path / "examples").iterdir())] == ["span-241", "span-242"]
    assert [records(path)[0][0] for path in visible(tmp_path)] == [3, 4]


def test_what_cannot_be_written_costs_no_earlier_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that takes a part of a request, as one does that becomes full."""
    clock = Clock()
    files = SpanFiles(tmp_path, LogSettings(), clock)
    files.write("examples", [b"a", b"b"], clock.now)
    file = files._open["examples"].file

    class Full:
        def __init__(self) -> None:
            self.room = 10

        def write(self, data: Any) -> int:
            if not self.room:
                raise OSError(28, "No space left on device")
            written = file.write(bytes(data)[: self.room])
            self.room -= written
            return written

        def __getattr__(self, name: str) -> Any:
            return getattr(file, name)

    files._open["examples"].file = Full()  # type: ignore[assignment]
    with pytest.raises(OSError, match="No space left"):
        files.write("examples", [b"c" * 50], clock.now)
    assert [records(path) for path in visible(tmp_path)] == [[b"a", b"b"]]
    files.write("examples", [b"d"], clock.now)
    files.close()
    assert [records(path) for path in visible(tmp_path)] == [[b"a", b"b"], [b"d"]]


def test_a_file_that_cannot_get_its_name_is_counted_as_lost(tmp_path: Path) -> None:
    lost: list[int] = []
    files = SpanFiles(tmp_path, LogSettings(), Clock(), lost.append)
    for _ in range(3):
        files.write("examples", [b"a"], 0.0)
    (tmp_path / "examples").write_text("in the way")
    with pytest.raises(OSError, match="examples"):
        files.close()
    assert lost == [3]
    assert list((tmp_path / ".incoming").iterdir()) == []


def tables(rows: int, width: int, data: st.DataObject) -> dict[str, Any]:
    size = rows * width
    floats = data.draw(st.lists(st.floats(width=32), min_size=size, max_size=size))
    integers = data.draw(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=size, max_size=size))
    strings = data.draw(st.lists(st.binary(max_size=200), min_size=size, max_size=size))
    text = np.empty(size, object)
    text[:] = strings
    shape = (rows, width)
    return {
        "floats": np.array(floats, np.float32).reshape(shape),
        "ínts": np.array(integers, np.int64).reshape(shape),
        "strings" * 20: text.reshape(shape),
        "flags": np.zeros(shape, bool),
    }


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(1, 30), st.integers(0, 3), st.booleans())
def test_columns_are_encoded_as_messages_are(data: st.DataObject, rows: int, width: int, raw: bool) -> None:
    columns = tables(rows, width, data)
    by_columns, by_rows = [], []
    for result, many in ((by_columns, 0), (by_rows, 1000)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(logged, "_MANY_ROWS", many)
            result += logged._rows(columns, rows, drop_missing=raw)
    assert [parsed(row) for row in by_columns] == [parsed(row) for row in by_rows]
    for row, serialized in enumerate(by_columns):
        features = tf.train.Example.FromString(serialized).features.feature
        kept = [value for value in columns["ínts"][row].tolist() if value != -(2**63) or not raw]
        assert list(features["ínts"].int64_list.value) == kept


def parsed(row: bytes) -> dict[str, bytes]:
    """Features as bytes, since NaN is not equal to itself."""
    features = tf.train.Example.FromString(row).features.feature
    return {name: feature.SerializeToString(deterministic=True) for name, feature in features.items()}


def make_call(value: Any) -> Call:
    plan = Plan(("x",), ("y",), lambda values: values)
    return Call("Predict", "REST", "../m", 1, "serving_default", plan, [value], frozenset(["x"]))


async def values_of(call: Call) -> Any:
    return call.values


def make_logger(folder: Path, rate: float = 1.0, **arguments: Any) -> tuple[RequestLogger, Metrics]:
    config = logging_config_pb2.LoggingConfig()
    config.log_collector_config.filename_prefix = str(folder)
    config.sampling_config.sampling_rate = rate
    metrics = Metrics()
    return RequestLogger(lambda model: config, LogSettings(), metrics, **arguments), metrics


def outcome(metrics: Metrics, name: str) -> float:
    return metrics.request_log_count.value("../m", name)


def test_features_are_named_as_the_schema_beside_the_model_names_them() -> None:
    schema = parse(b"feature { name: 'Length (mm)' type: FLOAT }", "schema.pbtxt")
    values = {"Length__mm_": np.array([2.5], np.float32), "other": np.array([1])}
    plan = Plan(tuple(values), (), lambda inputs: inputs)
    call = Call("Predict", "GRPC", "m", 1, "serving_raw", plan, list(values.values()), frozenset(values))
    assert set(parsed(logged.examples(call)[0])) == {"Length__mm_", "other"}
    call.checks = RequestChecks(compile_schema(schema, "SERVING"))
    assert set(parsed(logged.examples(call)[0])) == {"Length (mm)", "other"}


def test_sampling_is_seeded_and_has_its_rate(tmp_path: Path) -> None:
    import random

    logger, metrics = make_logger(tmp_path, 0.25, seed=7, max_pending=1000)
    for _ in range(400):
        run(logger(make_call(tf.zeros([1]).numpy()), values_of))
    logger.start()
    logger.stop()
    chance = random.Random(7)
    assert outcome(metrics, "OK") == sum(chance.random() < 0.25 for _ in range(400))
    assert [path.name for path in tmp_path.iterdir()] == ["%2E%2E%2Fm"]


def test_a_full_queue_drops_and_counts(tmp_path: Path) -> None:
    by_count, first = make_logger(tmp_path / "a", max_pending=3)
    by_bytes, second = make_logger(tmp_path / "b", max_pending_bytes=20)
    for _ in range(5):
        run(by_count(make_call(tf.zeros([1]).numpy()), values_of))
        run(by_bytes(make_call(tf.zeros([1]).numpy()), values_of))
    assert (outcome(first, "RESOURCE_EXHAUSTED"), outcome(second, "RESOURCE_EXHAUSTED")) == (2, 3)
    for logger in (by_count, by_bytes):
        logger.start()
        logger.stop()
    assert (outcome(first, "OK"), outcome(second, "OK")) == (3, 2)


def test_a_folder_that_cannot_be_written_is_counted_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    logger, metrics = make_logger(tmp_path / "file")
    logger.start()
    for _ in range(3):
        assert run(logger(make_call(tf.zeros([1]).numpy()), values_of)) == [tf.zeros([1]).numpy()]
    logger.stop()
    assert outcome(metrics, "INTERNAL") == 3
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


def test_files_of_a_span_that_is_over_are_complete(tmp_path: Path) -> None:
    """Not only when the next request comes, or minutes later: yesterday's log is read early in the morning."""
    clock = Clock()
    files = SpanFiles(tmp_path, LogSettings(span_seconds=HOUR, max_file_seconds=10 * HOUR), clock)
    files.write("examples", [b"a"], clock.now)
    clock.now += HOUR - 1  # half a second before its end
    files.complete_old()
    assert visible(tmp_path) == []
    clock.now += 1
    files.write("prediction_logs", [b"b"], clock.now)
    files.complete_old()
    assert [(path.parent.name, records(path)) for path in visible(tmp_path)] == [("span-240", [b"a"])]
    assert list(tmp_path.glob("prediction_logs/*/*")) == []
    files.close()


def test_one_content_that_cannot_be_completed_does_not_keep_the_others(tmp_path: Path) -> None:
    for name, action in (("a", SpanFiles.close), ("b", SpanFiles.complete_old)):
        clock, folder = Clock(), tmp_path / name
        files = SpanFiles(folder, LogSettings(max_file_seconds=1), clock)
        for content in ("prediction_logs", "examples"):
            files.write(content, [b"a"], clock.now)
        (folder / "prediction_logs").write_text("in the way")
        clock.now += 1
        with pytest.raises(OSError, match="prediction_logs"):
            action(files)
        assert [records(path) for path in visible(folder)] == [[b"a"]]


def test_a_file_is_locked_until_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a server that starts at this moment takes it for one that was left behind, and both move it."""
    clock, replace, free = Clock(), os.replace, []

    def watch(source: Path, target: Path) -> None:
        with open(source, "rb") as file:
            free.append(_locks(file))
        replace(source, target)

    monkeypatch.setattr(os, "replace", watch)
    files = SpanFiles(tmp_path, LogSettings(), clock)
    files.write("examples", [b"a"], clock.now)
    files.close()
    assert free == [False]
    assert [records(path) for path in visible(tmp_path)] == [[b"a"]]


def test_files_that_another_server_removes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, found = Clock(), Path.rglob

    def with_one_that_is_gone(folder: Path, pattern: str) -> Any:
        yield folder / "examples" / "span-1" / "gone.tfrecord"
        yield from found(folder, pattern)

    monkeypatch.setattr(Path, "rglob", with_one_that_is_gone)
    files = SpanFiles(tmp_path, LogSettings(max_file_bytes=1, max_bytes=100), clock)
    for record in (b"a" * 50, b"b" * 50):
        files.write("examples", [record], clock.now)
    assert [records(path) for path in visible(tmp_path)] == [[b"b" * 50]]


def test_a_file_that_another_server_completes_meanwhile_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Path, "glob", lambda folder, pattern: iter([folder / "examples.span-1.gone.tfrecord"]))
    SpanFiles(tmp_path, LogSettings(), Clock())
    assert caplog.text == ""


def test_what_counts_as_serialized_examples() -> None:
    """By the same rule as in the schema guard and in the client."""

    def logged_of(name: str, schema: str = "") -> list[bytes]:
        value = np.array([b"\n\x00", b""], object)
        call = Call("Predict", "GRPC", "m", 1, "serving_default", Plan((name,), (), list), [value], frozenset([name]))
        if schema:
            call.checks = RequestChecks(compile_schema(parse(schema.encode(), "schema.pbtxt"), "SERVING"))
        return logged.examples(call)

    for name in ("examples", "inputs", "input_example_tensor"):
        assert logged_of(name) == [b"\n\x00", b""]
    assert set(parsed(logged_of("text")[0])) == {"text"}
    assert set(parsed(logged_of("inputs", "feature { name: 'inputs' type: BYTES }")[0])) == {"inputs"}


def test_a_request_without_any_input_is_a_row_without_features() -> None:
    plan = Plan(("a",), ("y",), list)
    call = Call("Predict", "GRPC", "m", 1, "serving_raw", plan, [np.array(np.nan)], frozenset())
    assert [parsed(row) for row in logged.examples(call)] == [{}]
    assert set(parsed(logged.examples(call, [np.array([2.5])])[0])) == {"prediction/y"}
