"""The settings of a server; names and defaults are those of tensorflow_model_server's flags."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlops_tfx.serving.server.saved_model import SessionOptions

_INT32_MAX = 2**31 - 1
_MOST_THREADS = 10_000
# Settings that are at least one, and what is no longer meant.
_MOST = {
    "grpc_max_threads": _MOST_THREADS,
    "rest_api_num_threads": _MOST_THREADS,
    "max_message_bytes": _INT32_MAX,
    "max_pending_requests": 10_000_000,
    "rest_api_timeout_in_ms": _INT32_MAX,
    "rest_api_idle_timeout_in_ms": _INT32_MAX,
    "grpc_message_timeout_in_ms": _INT32_MAX,
}
SCHEMA_GUARD_MODES = ("annotate", "reject", "off")


def _four_per_cpu() -> int:
    return 4 * (os.cpu_count() or 1)


def _help(text: str) -> dict[str, str]:
    return {"help": text}


@dataclass(frozen=True)
class ServerOptions:
    """What a server serves, and how. What each setting means is what ``mlops-tfx serve --help`` says of its flag."""

    port: int = field(default=8500, metadata=_help("gRPC port to listen on; 0 for any free one"))
    host: str = field(default="0.0.0.0", metadata=_help("address to listen on"))
    grpc_socket_path: str = field(default="", metadata=_help("path of a UNIX socket to listen on as well"))
    grpc_max_threads: int = field(default_factory=_four_per_cpu, metadata=_help("threads that answer gRPC requests"))
    grpc_message_timeout_in_ms: int = field(
        default=30_000, metadata=_help("milliseconds that the message of a gRPC request may take to arrive")
    )
    grpc_channel_arguments: str = field(
        default="", metadata=_help("comma-separated name=value settings of the gRPC server")
    )
    max_message_bytes: int = field(default=_INT32_MAX, metadata=_help("largest request that is taken, gRPC or REST"))
    rest_api_port: int = field(default=0, metadata=_help("HTTP port to listen on; 0: none; -1: any free one"))
    rest_api_num_threads: int = field(
        default_factory=_four_per_cpu, metadata=_help("threads that answer HTTP requests")
    )
    rest_api_timeout_in_ms: int = field(default=30_000, metadata=_help("milliseconds until a REST request is given up"))
    rest_api_idle_timeout_in_ms: int = field(
        default=75_000,
        metadata=_help("milliseconds that a HTTP connection may be without a complete head of a request"),
    )
    rest_api_enable_cors_support: bool = field(default=False, metadata=_help("let pages of any origin ask"))
    monitoring_config_file: str = field(default="", metadata=_help("MonitoringConfig as text: metrics over HTTP"))
    ssl_config_file: str = field(default="", metadata=_help("SSLConfig as text: gRPC with TLS"))
    rest_api_ssl_config_file: str = field(default="", metadata=_help("SSLConfig as text: HTTPS instead of HTTP"))
    enable_batching: bool = field(default=False, metadata=_help("run requests that come at the same time together"))
    batching_parameters_file: str = field(default="", metadata=_help("BatchingParameters as text"))
    enable_per_model_batching_parameters: bool = field(
        default=False, metadata=_help("batch the versions that have a batching_params.pbtxt, and by it, instead of all")
    )
    max_pending_requests: int = field(
        default=10_000, metadata=_help("requests in the server, running and waiting, from which on more are refused")
    )
    enable_model_warmup: bool = field(
        default=True, metadata=_help("run assets.extra/tf_serving_warmup_requests before a version is available")
    )
    num_request_iterations_for_warmup: int = field(default=0, metadata=_help("how often each of these is run"))
    enable_grpc_healthcheck_service: bool = field(default=True, metadata=_help("answer grpc.health.v1"))
    enable_reflection: bool = field(default=True, metadata=_help("answer grpc.reflection"))
    model_name: str = field(default="default", metadata=_help("the name that requests use"))
    model_base_path: str = field(
        default="", metadata=_help("absolute path of the folder that holds one folder per version")
    )
    model_config_file: str = field(default="", metadata=_help("ModelServerConfig as text: several models"))
    model_config_file_poll_wait_seconds: float = field(
        default=0.0, metadata=_help("seconds between looks at model_config_file; 0 to read it once")
    )
    reload_base_paths: tuple[str, ...] = field(
        default=(),
        metadata=_help("comma-separated folders that HandleReloadConfigRequest may have base paths in; none: any"),
    )
    allow_version_labels_for_unavailable_models: bool = field(
        default=False, metadata=_help("take new labels for versions that are not available yet")
    )
    file_system_poll_wait_seconds: float = field(
        default=1.0, metadata=_help("seconds between looks for new versions; 0 to look once")
    )
    max_num_load_retries: int = field(
        default=5, metadata=_help("how often to try again to load a version whose files do not change")
    )
    load_retry_interval_micros: int = field(default=60_000_000, metadata=_help("microseconds between these"))
    num_load_threads: int = field(
        default=0, metadata=_help("models that may load at once after the start; 0: one at a time")
    )
    saved_model_tags: tuple[str, ...] = field(
        default=("serve",), metadata=_help("comma-separated tags of the graph to load")
    )
    tensorflow_session_parallelism: int = field(
        default=0, metadata=_help("both of the following, where they are not set")
    )
    tensorflow_intra_op_parallelism: int = field(
        default=0, metadata=_help("threads within one operation; 0: TensorFlow decides")
    )
    tensorflow_inter_op_parallelism: int = field(
        default=0, metadata=_help("threads between operations; 0: the thread of the request")
    )
    tensorflow_session_config_file: str = field(
        default="", metadata=_help("ConfigProto as text; the flags for threads and memory go before it")
    )
    per_process_gpu_memory_fraction: float = field(
        default=0.0, metadata=_help("share of a GPU's memory that the server takes; 0: TensorFlow decides")
    )
    enable_signature_method_name_check: bool = field(
        default=False, metadata=_help("refuse signatures whose method name is not that of the request")
    )
    enable_serialization_as_tensor_content: bool = field(
        default=False, metadata=_help("send outputs as tensor_content rather than in typed fields")
    )
    logging_config_file: str = field(
        default="", metadata=_help("LoggingConfig as text, for models without one of their own: log requests")
    )
    request_log_contents: tuple[str, ...] = field(
        default=("prediction_logs", "examples"), metadata=_help("comma-separated: what is written of a request")
    )
    request_log_span: str = field(default="day", metadata=_help("day or hour: what a span folder holds"))
    request_log_with_predictions: bool = field(
        default=False, metadata=_help("add the answers to logged examples, as features prediction/<output>")
    )
    request_log_max_file_bytes: int = field(default=64 << 20, metadata=_help("size at which a log file is complete"))
    request_log_max_file_seconds: float = field(default=300.0, metadata=_help("age at which a log file is complete"))
    request_log_max_bytes: int = field(
        default=10 << 30, metadata=_help("bytes of all log files of a model; the oldest are removed")
    )
    request_log_max_pending: int = field(
        default=1024, metadata=_help("sampled requests that may wait to be written; more are dropped and counted")
    )
    request_log_max_pending_bytes: int = field(default=256 << 20, metadata=_help("what these may take in memory"))
    request_log_seed: int = field(default=-1, metadata=_help("seed of the sampling; -1: another one every time"))

    schema_guard: str = field(
        default="annotate",
        metadata=_help("annotate, reject or off: what becomes of requests that do not fit the schema beside the model"),
    )
    schema_guard_environment: str = field(
        default="SERVING", metadata=_help("environment of the schema that requests belong to, if it has this one")
    )
    schema_guard_file: str = field(
        default="", metadata=_help("Schema as text, for versions of the model that have none beside them")
    )

    def __post_init__(self) -> None:
        problems = self._problems()
        if problems:
            raise ValueError("; ".join(problems))

    def _problems(self) -> list[str]:
        from mlops_tfx.serving.server.request_log import settings

        problems = [*settings.problems(self), *self._guard_problems()]
        if not self.model_config_file:
            problems += self._model_problems()
        if not 0 <= self.port <= 65535:
            problems.append(f"expected a port from 0 to 65535, received port={self.port}")
        if not -1 <= self.rest_api_port <= 65535:
            problems.append(f"expected a port from 0 to 65535, or -1, received rest_api_port={self.rest_api_port}")
        for name, most in _MOST.items():
            if not 1 <= getattr(self, name) <= most:
                problems.append(f"expected 1 to {most}, received {name}={getattr(self, name)}")
        for name in ("max_num_load_retries", "num_load_threads", "load_retry_interval_micros"):
            if getattr(self, name) < 0:
                problems.append(f"expected 0 or more, received {name}={getattr(self, name)}")
        for name in ("file_system_poll_wait_seconds", "model_config_file_poll_wait_seconds"):
            if not getattr(self, name) <= threading.TIMEOUT_MAX:
                problems.append(f"expected a number of seconds, received {name}={getattr(self, name)}")
        if self.batching_parameters_file and not self.enable_batching:
            problems.append(
                "server_options.batching_parameters_file is set without setting server_options.enable_batching to true."
            )
        problems += self._thread_problems()
        if not 0 <= self.per_process_gpu_memory_fraction <= 1:
            fraction = self.per_process_gpu_memory_fraction
            problems.append(f"expected 0 to 1, received per_process_gpu_memory_fraction={fraction}")
        problems += [
            f"expected absolute paths, received {path!r} in reload_base_paths"
            for path in self.reload_base_paths
            if not os.path.isabs(path) and "://" not in path
        ]
        if not self.saved_model_tags:
            problems.append("expected at least one tag, received saved_model_tags=()")
        return problems

    def _thread_problems(self) -> list[str]:
        names = [f"tensorflow_{kind}_parallelism" for kind in ("session", "intra_op", "inter_op")]
        problems = [
            f"expected 0 to {_MOST_THREADS}, received {name}={getattr(self, name)}"
            for name in names
            if not 0 <= getattr(self, name) <= _MOST_THREADS
        ]
        if all(getattr(self, name) > 0 for name in names):
            problems.append(
                "Either configure server_options.tensorflow_session_parallelism or "
                "(server_options.tensorflow_intra_op_parallelism, server_options.tensorflow_inter_op_parallelism) "
                "separately. You cannot configure all."
            )
        return problems

    def _guard_problems(self) -> list[str]:
        problems = []
        if self.schema_guard not in SCHEMA_GUARD_MODES:
            wanted = ", ".join(SCHEMA_GUARD_MODES)
            problems.append(f"expected one of {wanted}, received schema_guard={self.schema_guard!r}")
        if self.schema_guard_file and self.schema_guard == "off":
            problems.append("expected schema_guard annotate or reject with schema_guard_file, received 'off'")
        if self.schema_guard_file and self.model_config_file:
            problems.append(
                "schema_guard_file is the schema of one model, and model_config_file names several: put each schema "
                "beside its model, as assets.extra/schema.pbtxt"
            )
        return problems

    def _model_problems(self) -> list[str]:
        problems = []
        if not self.model_name:
            problems.append("expected a model name, received model_name=''")
        if not self.model_base_path:
            problems.append("expected the folder that holds the version folders, received model_base_path=''")
        elif "://" not in self.model_base_path and not os.path.isabs(self.model_base_path):
            problems.append(
                f"Expected model {self.model_name} to have an absolute path or URI; "
                f"got base_path()={self.model_base_path}"
            )
        return problems

    @property
    def session(self) -> SessionOptions:
        """The part that sessions need."""
        from mlops_tfx.serving.server.saved_model import SessionOptions

        both = self.tensorflow_session_parallelism
        return SessionOptions(
            self.tensorflow_intra_op_parallelism or both,
            self.tensorflow_inter_op_parallelism or both,
            self.saved_model_tags,
            self.tensorflow_session_config_file,
            self.per_process_gpu_memory_fraction,
        )
