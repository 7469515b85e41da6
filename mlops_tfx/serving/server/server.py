"""ModelServer: models, their watchers, and the ports."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import grpc

from mlops_tfx.serving.server.options import ServerOptions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from mlops_tfx.serving.server.batching import BatchingParameters
    from mlops_tfx.serving.server.calls import Interceptor
    from mlops_tfx.serving.server.manager import ModelManager, Prepare
    from mlops_tfx.serving.server.metrics import Metrics
    from mlops_tfx.serving.server.request_log.logger import RequestLogger
    from mlops_tfx.serving.server.rest.http_server import HttpServer
    from mlops_tfx.serving.server.schema_guard.guard import SchemaGuard
    from mlops_tfx.serving.server.states import VersionState

_log = logging.getLogger(__name__)

_DRAIN_SECONDS = 30.0
_INT32 = range(-(2**31), 2**31)
# How many times the requests that may be in the server may wait to be seen by it.
_UNSEEN = 4
# What is read and decoded in less time than it takes to have another thread do it.
_SMALL = 16 << 10


class ModelUnavailableError(RuntimeError):
    """No version of the model can be served; the message says why."""


class ModelServer:
    """A model server in this process.

    Args:
        options: the settings as one object; or give its fields as keyword arguments.
        interceptors: what every inference runs through before the model, see calls.py.

    Raises:
        ValueError: settings that do not fit.
    """

    def __init__(
        self, options: ServerOptions | None = None, *, interceptors: Sequence[Interceptor] = (), **settings: Any
    ) -> None:
        if options is not None and settings:
            raise ValueError(f"expected options or single settings, received both: {sorted(settings)}")
        # TensorFlow is imported here, seconds before the first model is.
        from mlops_tfx.serving.server.batching import Batcher, PerModelBatching
        from mlops_tfx.serving.server.calls import chain
        from mlops_tfx.serving.server.first_runs import FirstRuns
        from mlops_tfx.serving.server.grpc_calls import GrpcCalls
        from mlops_tfx.serving.server.interceptors import measuring
        from mlops_tfx.serving.server.manager import ModelManager
        from mlops_tfx.serving.server.metrics import Metrics
        from mlops_tfx.serving.server.states import StateBoard
        from mlops_tfx.serving.server.warmup import Warmup
        from mlops_tfx.serving.server.workers import Workers

        self.options = options or ServerOptions(**settings)
        self._board = StateBoard()
        self._metrics = Metrics()
        options = self.options
        # Said now rather than with the first model.
        options.session.config()
        steps: list[Prepare] = [self._metrics.observe_version]
        keeping: list[Interceptor] = []
        guard = _schema_guard(options, self._metrics)
        if guard is not None:
            steps.append(guard.prepare)
        if options.enable_model_warmup:
            first_runs = FirstRuns()
            steps += [first_runs.prepare, Warmup(self._metrics, options.num_request_iterations_for_warmup)]
            keeping.append(first_runs.intercept)
        batching: list[Batcher | PerModelBatching] = []
        if options.enable_batching and options.enable_per_model_batching_parameters:
            per_model = PerModelBatching(self._metrics)
            steps.append(per_model.prepare)
            batching = [per_model]
        elif options.enable_batching:
            batching = [Batcher(_batching_parameters(options), self._metrics)]
        self._manager = ModelManager(options, self._board, steps, self._metrics.observe_load)
        self._request_logger = _request_logger(options, self._manager, self._metrics)
        checking: list[Interceptor] = [guard] if guard is not None else []
        inner: list[Interceptor] = [*checking, self._request_logger, *keeping, *batching]
        self._execute = chain([measuring(self._metrics), *interceptors, *inner])
        self._batching = batching
        workers = Workers(options.grpc_max_threads, "serve")
        # Whether every request waits for a batch, and nothing before that takes long.
        waits = options.enable_batching and not options.enable_per_model_batching_parameters and not interceptors
        at_once = _SMALL if waits else 0
        self._calls = GrpcCalls(workers, options.grpc_message_timeout_in_ms / 1e3, at_once=at_once)
        self._server = grpc.server(
            self._calls,
            maximum_concurrent_rpcs=self.options.max_pending_requests,
            options=[
                # A port that another server has is an error, not something to share with it.
                ("grpc.so_reuseport", 0),
                # From 1,000 on the C core would cancel, by chance, requests that Python has not seen yet; above
                # maximum_concurrent_rpcs they are to be told why.
                ("grpc.server.max_pending_requests", _UNSEEN * self.options.max_pending_requests),
                ("grpc.server.max_pending_requests_hard_limit", _UNSEEN * self.options.max_pending_requests),
                *_channel_arguments(self.options.grpc_channel_arguments),
                ("grpc.max_receive_message_length", self.options.max_message_bytes),
                ("grpc.max_send_message_length", -1),
            ],
        )
        self._add_services()
        self._port = 0
        self._http = self._make_http(at_once) if self.options.rest_api_port else None
        if self.options.monitoring_config_file and self._http is None:
            _log.warning("there are no metrics without --rest_api_port: monitoring_config_file has no effect")

    def _add_services(self) -> None:
        from mlops_tfx.serving.server import grpc_service, health, reflection
        from mlops_tfx.serving.server.inference import Inference

        options = self.options
        inference = Inference(
            self._manager,
            self._execute,
            as_content=options.enable_serialization_as_tensor_content,
            check_methods=options.enable_signature_method_name_check,
        )
        metrics = self._metrics
        handlers = grpc_service.handlers(
            inference,
            self._manager,
            self._board,
            lambda api, model, code, seconds: metrics.observe(api, "GRPC", model, code.name, seconds),
            metrics.total,
        )
        services = [grpc_service.PREDICTION_SERVICE, grpc_service.MODEL_SERVICE]
        self._health = health.Health(self._manager, self._board)
        if options.enable_grpc_healthcheck_service:
            handlers.append(self._health.handler())
            services.append(health.SERVICE)
        if options.enable_reflection:
            handlers += reflection.Reflection(services).handlers()
        self._server.add_generic_rpc_handlers(handlers)

    def _make_http(self, at_once: int) -> HttpServer:
        from mlops_tfx.serving.server.rest.handler import RestHandler
        from mlops_tfx.serving.server.rest.http_server import HttpServer
        from mlops_tfx.serving.server.text_configs import metrics_path
        from mlops_tfx.serving.server.tls import http_context

        options = self.options
        path = metrics_path(options.monitoring_config_file)
        handler = RestHandler(self._manager, self._board, self._execute, self._metrics, self._health.is_serving, path)
        return HttpServer(
            handler,
            options.host,
            max(options.rest_api_port, 0),
            threads=options.rest_api_num_threads,
            max_pending=options.max_pending_requests,
            tls=http_context(options.rest_api_ssl_config_file) if options.rest_api_ssl_config_file else None,
            timeout=options.rest_api_timeout_in_ms / 1e3,
            idle=options.rest_api_idle_timeout_in_ms / 1e3,
            max_bytes=options.max_message_bytes,
            cors=options.rest_api_enable_cors_support,
            at_once=at_once,
        )

    def start(self) -> ModelServer:
        """Listens, and starts to load the models.

        Raises:
            OSError: the port is taken.
            StatusError: the model config file is wrong.
        """
        wanted = f"{self.options.host}:{self.options.port}"
        try:
            self._port = self._add_port(wanted)
            if self.options.grpc_socket_path:
                wanted = f"unix:{self.options.grpc_socket_path}"
                self._add_port(wanted)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {wanted}: is the port taken? ({error})") from error
        self._request_logger.start()
        if self._http is not None:
            self._http.start()
        self._manager.start()
        self._server.start()
        return self

    def _add_port(self, wanted: str) -> int:
        from mlops_tfx.serving.server.tls import grpc_credentials

        if not self.options.ssl_config_file:
            return int(self._server.add_insecure_port(wanted))
        return int(self._server.add_secure_port(wanted, grpc_credentials(self.options.ssl_config_file)))

    @property
    def rest_port(self) -> int:
        """The HTTP port that the server listens on; 0 if it has none."""
        return 0 if self._http is None else self._http.port

    @property
    def port(self) -> int:
        """The port that the server listens on; 0 before it is started."""
        return self._port

    @property
    def address(self) -> str:
        """``host:port`` for clients on this machine."""
        host = "localhost" if self.options.host in ("0.0.0.0", "[::]") else self.options.host
        return f"{host}:{self._port}"

    def models(self) -> list[str]:
        """Returns the names of the models."""
        return self._manager.names()

    def versions(self, model: str | None = None) -> list[VersionState]:
        """Returns all versions of a model seen so far with their states, highest first; of the first model if None."""
        return self._board.versions(self._name(model))

    def _name(self, model: str | None) -> str:
        return model or next(iter(self.models()), self.options.model_name)

    def wait_until_available(
        self, timeout: float = 60.0, *, model: str | None = None, version: int | None = None
    ) -> int:
        """Waits until a version, any or the one named, is available; returns it.

        Args:
            timeout: seconds.
            model: its name; None for the first.
            version: a version; None for any.

        Raises:
            ModelUnavailableError: it is not after ``timeout`` seconds, or its loading failed.
        """
        from mlops_tfx.serving.server.states import State

        name = self._name(model)
        # What failed before may be mended by now: the verdict is that of a look which starts after this call.
        look = self._manager.next_look(name)

        def available(states: list[VersionState]) -> list[VersionState]:
            return [s for s in states if s.state == State.AVAILABLE and version in (None, s.version)]

        def settled(states: list[VersionState]) -> bool:
            watched = [s for s in states if version in (None, s.version)]
            failed = bool(watched) and all(s.error for s in watched) and self._manager.has_looked(name, look)
            return failed or bool(available(states))

        states = self._board.wait_for(name, settled, timeout)
        if not available(states):
            raise ModelUnavailableError(self._explain(name, states, version, timeout))
        return available(states)[0].version

    def _explain(self, name: str, states: list[VersionState], version: int | None, timeout: float) -> str:
        which = "" if version is None else f" version {version}"
        head = f"model {name!r}{which} at {self._manager.base_path(name)}"
        errors = [f"version {s.version}: {s.error}" for s in states if s.error and version in (None, s.version)]
        if errors:
            return f"{head} cannot be loaded: {'; '.join(errors)}"
        known = ", ".join(f"{s.version} {s.state.name}" for s in states)
        known = known or self._manager.base_path_error(name) or "none seen"
        return f"{head} is not available after {timeout:g} s (versions: {known})"

    def stop(self, drain_seconds: float = _DRAIN_SECONDS) -> None:
        """Takes no more requests, lets those in flight finish within ``drain_seconds``, and frees the models."""
        self._health.drain()
        stopped = self._server.stop(drain_seconds)
        if self._http is not None and self._http.port:
            self._http.stop(drain_seconds)
        stopped.wait()
        for batcher in self._batching:
            batcher.stop()
        self._calls.shutdown()
        self._request_logger.stop()
        self._manager.stop()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the server is stopped; returns whether it still runs after ``timeout`` seconds."""
        return bool(self._server.wait_for_termination(timeout))

    def __enter__(self) -> ModelServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _request_logger(options: ServerOptions, manager: ModelManager, metrics: Metrics) -> RequestLogger:
    from mlops_tfx.serving.server.request_log import settings
    from mlops_tfx.serving.server.request_log.logger import RequestLogger

    default = settings.read(options.logging_config_file) if options.logging_config_file else None
    return RequestLogger(
        lambda model: manager.logging_config(model) or default,
        settings.of_options(options),
        metrics,
        tags=options.saved_model_tags,
        max_pending=options.request_log_max_pending,
        max_pending_bytes=options.request_log_max_pending_bytes,
        seed=None if options.request_log_seed < 0 else options.request_log_seed,
    )


def _schema_guard(options: ServerOptions, metrics: Metrics) -> SchemaGuard | None:
    from mlops_tfx.serving.server.schema_guard.guard import SchemaGuard

    if options.schema_guard == "off":
        return None
    return SchemaGuard(
        options.schema_guard,
        metrics,
        environment=options.schema_guard_environment,
        file=options.schema_guard_file,
        follows=not options.enable_batching,
    )


def _batching_parameters(options: ServerOptions) -> BatchingParameters:
    from mlops_tfx.serving.server.batching import BatchingParameters

    file = options.batching_parameters_file
    return BatchingParameters.from_file(file) if file else BatchingParameters()


def _channel_arguments(text: str) -> list[tuple[str, int | str]]:
    """``name=value,name=value``; a value that is a whole number is sent as one."""
    arguments: list[tuple[str, int | str]] = []
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"expected name=value, received grpc_channel_arguments part {part!r}")
        arguments.append((name, _argument_value(value)))
    return arguments


def _argument_value(text: str) -> int | str:
    try:
        number = int(text)
    except ValueError:
        return text
    return number if number in _INT32 else text
