"""Every flag of tensorflow_model_server: it works here, is taken with a warning, or is refused with its name."""

from __future__ import annotations

import dataclasses
import logging

import pytest

from mlops_tfx.serving.server import ServerOptions
from mlops_tfx.serving.server.flags import REFUSED, WITHOUT_EFFECT, parse_flags

WORKS = "works"
WARNS = "taken with a warning"
REFUSES = "refused"
# flag -> its default in tensorflow_model_server, another value, and what this server does with that.
FLAGS: dict[str, tuple[object, str, str]] = {
    "port": (8500, "0", WORKS),
    "grpc_socket_path": ("", "/tmp/socket", WORKS),
    "rest_api_port": (0, "8501", WORKS),
    "rest_api_num_threads": (None, "3", WORKS),
    "rest_api_timeout_in_ms": (30_000, "5", WORKS),
    "rest_api_enable_cors_support": (False, "true", WORKS),
    "enable_batching": (False, "true", WORKS),
    "allow_version_labels_for_unavailable_models": (False, "true", WORKS),
    "batching_parameters_file": ("", "/b", WORKS),
    "enable_per_model_batching_parameters": (False, "true", WORKS),
    "model_config_file": ("", "/c", WORKS),
    "model_config_file_poll_wait_seconds": (0, "1", WORKS),
    "model_name": ("default", "m", WORKS),
    "model_base_path": ("", "/other", WORKS),
    "num_load_threads": (0, "2", WORKS),
    "num_unload_threads": (0, "2", WARNS),
    "max_num_load_retries": (5, "1", WORKS),
    "load_retry_interval_micros": (60_000_000, "1", WORKS),
    "file_system_poll_wait_seconds": (1, "0", WORKS),
    "flush_filesystem_caches": (True, "false", WARNS),
    "tensorflow_session_parallelism": (0, "2", WORKS),
    "tensorflow_session_config_file": ("", "/s", WORKS),
    "tensorflow_intra_op_parallelism": (0, "2", WORKS),
    "tensorflow_inter_op_parallelism": (0, "2", WORKS),
    "use_alts_credentials": (False, "true", REFUSES),
    "ssl_config_file": ("", "/s", WORKS),
    "platform_config_file": ("", "/p", REFUSES),
    "per_process_gpu_memory_fraction": (0, "0.5", WORKS),
    "saved_model_tags": (("serve",), "serve,gpu", WORKS),
    "grpc_channel_arguments": ("", "grpc.max_connection_age_ms=2000", WORKS),
    "grpc_max_threads": (None, "3", WORKS),
    "enable_model_warmup": (True, "false", WORKS),
    "num_request_iterations_for_warmup": (0, "2", WORKS),
    "monitoring_config_file": ("", "/m", WORKS),
    "remove_unused_fields_from_bundle_metagraph": (True, "false", WARNS),
    "prefer_tflite_model": (False, "true", REFUSES),
    "num_tflite_pools": (None, "2", WARNS),
    "num_tflite_interpreters_per_pool": (1, "2", WARNS),
    "enable_signature_method_name_check": (False, "true", WORKS),
    "xla_cpu_compilation_enabled": (False, "true", REFUSES),
    "xla_gpu_compilation_enabled": (False, "true", REFUSES),
    "enable_profiler": (True, "false", WARNS),
    "thread_pool_factory_config_file": ("", "/t", REFUSES),
    "mixed_precision": ("", "bfloat16", REFUSES),
    "skip_initialize_tpu": (False, "true", WARNS),
    "enable_grpc_healthcheck_service": (False, "false", WORKS),
    "enable_serialization_as_tensor_content": (False, "true", WORKS),
}
# The health service is there unless it is switched off.
OTHER_DEFAULTS = {"enable_grpc_healthcheck_service": True}
# A flag that needs another one.
WITH = {"batching_parameters_file": ["--enable_batching"]}


@pytest.mark.parametrize("name", FLAGS)
def test_flag(name: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    _, value, outcome = FLAGS[name]
    flags = ["--model_base_path=/m", *WITH.get(name, []), f"--{name}={value}"]
    if outcome == REFUSES:
        with pytest.raises(SystemExit):
            parse_flags(flags)
        assert f"flag --{name}={value} of tensorflow_model_server is not supported" in capsys.readouterr().err
        return
    with caplog.at_level(logging.WARNING):
        options = parse_flags(flags)
    warning = f"flag --{name}={value} of tensorflow_model_server has no effect here"
    assert (warning in caplog.messages) == (outcome == WARNS)
    if outcome == WORKS:
        assert getattr(options, name) != getattr(ServerOptions(model_base_path="/m"), name)


def test_defaults() -> None:
    options = parse_flags(["--model_config_file=/c"])
    for name, (default, _, outcome) in FLAGS.items():
        if outcome == WORKS and default is not None and name != "model_config_file":
            assert getattr(options, name) == OTHER_DEFAULTS.get(name, default), name


def test_the_defaults_of_flags_without_effect_are_silent(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        parse_flags(["--model_base_path=/m", "--flush_filesystem_caches", "--use_alts_credentials=false"])
    assert caplog.messages == []


def test_no_flag_is_left_out() -> None:
    here = {option.name for option in dataclasses.fields(ServerOptions)} | set(REFUSED) | set(WITHOUT_EFFECT)
    assert set(FLAGS) <= here
    assert {name for name, row in FLAGS.items() if row[2] == REFUSES} == set(REFUSED)
    assert {name for name, row in FLAGS.items() if row[2] == WARNS} == set(WITHOUT_EFFECT)
