"""Flags, options and the names of version folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlops_tfx.serving.server import ModelServer, ServerOptions, folders
from mlops_tfx.serving.server.flags import parse_flags


def test_defaults_are_those_of_tensorflow_model_server() -> None:
    options = parse_flags(["--model_base_path=/m"])
    assert (options.port, options.model_name, options.file_system_poll_wait_seconds) == (8500, "default", 1.0)
    assert (options.max_num_load_retries, options.load_retry_interval_micros) == (5, 60_000_000)
    assert options.saved_model_tags == ("serve",)


def test_flags() -> None:
    options = parse_flags(["--port=0", "--model_name", "m", "--model_base_path=/m", "--saved_model_tags=serve,gpu"])
    expected = ServerOptions(model_name="m", model_base_path="/m", port=0, saved_model_tags=("serve", "gpu"))
    assert options == expected


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ([], "Both server_options.model_base_path and server_options.model_config_file are empty!"),
        (["--model_base_path=m"], "Expected model default to have an absolute path or URI; got base_path()=m"),
        (["--model_base_path=/m", "--port=x"], "argument --port: invalid int value: 'x'"),
        (["--model_base_path=/m", "--port=70000"], "expected a port from 0 to 65535, received port=70000"),
        (["--model_base_path=/m", "--model_nam=x"], "unknown flag '--model_nam'; did you mean --model_name?"),
        (
            ["--model_base_path=/m", "--batching_parameters_file=/b"],
            "server_options.batching_parameters_file is set without setting server_options.enable_batching to true.",
        ),
        (
            [
                "--model_base_path=/m",
                "--tensorflow_session_parallelism=2",
                "--tensorflow_intra_op_parallelism=2",
                "--tensorflow_inter_op_parallelism=2",
            ],
            "or (server_options.tensorflow_intra_op_parallelism, server_options.tensorflow_inter_op_parallelism) "
            "separately. You cannot configure all.",
        ),
        (["--model_base_path=/m", "--tensorflow_intra_op_parallelism=-1"], "tensorflow_intra_op_parallelism=-1"),
        (["--model_base_path=/m", "--file_system_poll_wait_seconds=inf"], "received file_system_poll_wait_seconds=inf"),
        (["--model_base_path=/m", "--file_system_poll_wait_seconds=nan"], "received file_system_poll_wait_seconds=nan"),
        (
            ["--model_config_file=/m", "--model_config_file_poll_wait_seconds=1e30"],
            "expected a number of seconds, received model_config_file_poll_wait_seconds=1e+30",
        ),
        (["--model_base_path=/m", "--qqqq=8501"], "unknown flag '--qqqq'; known flags: --port,"),
        (["--model_base_path=/m", "--prefer_tflite_model"], "--prefer_tflite_model=true of tensorflow_model_server is"),
        (["--model_base_path=/m", "--schema_guard=warn"], "one of annotate, reject, off, received schema_guard='warn'"),
        (["--model_base_path=/m", "--schema_guard_fil=/s"], "did you mean --schema_guard_file?"),
        (["--model_base_path=/m", "--enable_reflection=maybe"], "expected true or false, received 'maybe'"),
    ],
)
def test_wrong_flags(flags: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_flags(flags)
    assert caught.value.code == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"model_base_path": "/m", "model_name": ""}, "expected a model name"),
        ({"model_base_path": "/m", "grpc_max_threads": 0}, "received grpc_max_threads=0"),
        ({"model_base_path": "/m", "grpc_max_threads": 10**20}, "expected 1 to 10000, received grpc_max_threads=10"),
        (
            {"model_base_path": "/m", "max_message_bytes": 2**31},
            "expected 1 to 2147483647, received max_message_bytes=",
        ),
        ({"model_base_path": "/m", "tensorflow_intra_op_parallelism": 10**20}, "expected 0 to 10000, received tensorf"),
        ({"model_base_path": "/m", "reload_base_paths": ("/a", "b")}, "absolute paths, received 'b' in reload_base"),
        ({"model_base_path": "/m", "saved_model_tags": ()}, "expected at least one tag"),
        ({"model_base_path": ""}, "received model_base_path=''"),
    ],
)
def test_wrong_options(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ModelServer(**settings)


@pytest.mark.parametrize(
    ("name", "version"),
    [("1", 1), ("00000123", 123), ("-1", -1), ("9223372036854775807", 2**63 - 1), ("9223372036854775808", None),
     ("1.5", None), ("v1", None), ("", None), ("1_000", None), ("5.incomplete-ab", None)],
)  # fmt: skip
def test_version_names(name: str, version: int | None) -> None:
    assert folders.parse_version(name) == version


def test_fingerprints_tell_a_folder_that_changes(tmp_path: Path) -> None:
    (tmp_path / "variables").mkdir()
    (tmp_path / "saved_model.pb").touch()
    first = folders.fingerprint(str(tmp_path))
    (tmp_path / "variables" / "data").write_bytes(b"12")
    second = folders.fingerprint(str(tmp_path))
    (tmp_path / "variables" / "data").write_bytes(b"123")
    assert len({first, second, folders.fingerprint(str(tmp_path))}) == 3
    assert folders.fingerprint(str(tmp_path)) == folders.fingerprint(str(tmp_path))


def test_fingerprints_of_what_is_no_model_are_shallow(tmp_path: Path) -> None:
    # A base path may be any folder: /proc has folders with numbers for names, and /proc/1/root leads back to it.
    (tmp_path / "deep").mkdir()
    (tmp_path / "here").touch()
    (tmp_path / "deep" / "there").touch()
    assert [Path(path).name for path, _, _ in folders.fingerprint(str(tmp_path))] == ["here"]
    (tmp_path / "saved_model.pb").touch()
    (tmp_path / "circle").symlink_to(tmp_path)
    names = {Path(path).name for path, _, _ in folders.fingerprint(str(tmp_path))}
    assert names == {"here", "saved_model.pb", "there"}


def test_missing_base_path(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        folders.list_versions(str(tmp_path / "nowhere"))
