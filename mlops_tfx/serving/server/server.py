"""ModelServer: one model, its watcher and its gRPC port."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc

from mlops_tfx.serving.server.options import ServerOptions

if TYPE_CHECKING:
    from types import TracebackType

    from mlops_tfx.serving.server.states import VersionState

_DRAIN_SECONDS = 30.0


class ModelUnavailableError(RuntimeError):
    """No version of the model can be served; the message says why."""


class ModelServer:
    """A model server in this process.

    Args:
        options: the settings as one object; or give its fields as keyword arguments.

    Raises:
        ValueError: settings that do not fit.
    """

    def __init__(self, options: ServerOptions | None = None, **settings: Any) -> None:
        if options is not None and settings:
            raise ValueError(f"expected options or single settings, received both: {sorted(settings)}")
        # TensorFlow is imported here, seconds before the first model is.
        from mlops_tfx.serving.server.grpc_service import handlers
        from mlops_tfx.serving.server.manager import ModelManager
        from mlops_tfx.serving.server.states import StateBoard

        self.options = options or ServerOptions(**settings)
        self._board = StateBoard()
        self._manager = ModelManager(self.options, self._board)
        self._server = grpc.server(
            ThreadPoolExecutor(self.options.grpc_max_threads, thread_name_prefix="serve"),
            options=[
                ("grpc.max_receive_message_length", -1),
                ("grpc.max_send_message_length", -1),
                # A port that another server has is an error, not something to share with it.
                ("grpc.so_reuseport", 0),
            ],
        )
        self._server.add_generic_rpc_handlers(handlers(self._manager, self._board))
        self._port = 0

    def start(self) -> ModelServer:
        """Listens, and starts to load the model. Raises OSError if the port is taken."""
        wanted = f"{self.options.host}:{self.options.port}"
        try:
            self._port = self._server.add_insecure_port(wanted)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {wanted}: is the port taken? ({error})") from error
        self._server.start()
        self._manager.start()
        return self

    @property
    def port(self) -> int:
        """The port that the server listens on; 0 before it is started."""
        return self._port

    @property
    def address(self) -> str:
        """``host:port`` for clients on this machine."""
        host = "localhost" if self.options.host in ("0.0.0.0", "[::]") else self.options.host
        return f"{host}:{self._port}"

    def versions(self) -> list[VersionState]:
        """Returns all versions seen so far with their states, highest first."""
        return self._board.versions(self.options.model_name)

    def wait_until_available(self, timeout: float = 60.0, *, version: int | None = None) -> int:
        """Waits until a version, any or the one named, is available; returns it.

        Raises:
            ModelUnavailableError: it is not after ``timeout`` seconds, or its loading failed.
        """
        from mlops_tfx.serving.server.states import State

        # What failed before may be mended by now: the verdict is that of a look which starts after this call.
        look = self._manager.next_look()

        def available(states: list[VersionState]) -> list[VersionState]:
            return [s for s in states if s.state == State.AVAILABLE and version in (None, s.version)]

        def settled(states: list[VersionState]) -> bool:
            watched = [s for s in states if version in (None, s.version)]
            failed = bool(watched) and all(s.error for s in watched) and self._manager.has_looked(look)
            return failed or bool(available(states))

        states = self._board.wait_for(self.options.model_name, settled, timeout)
        if not available(states):
            raise ModelUnavailableError(self._explain(states, version, timeout))
        return available(states)[0].version

    def _explain(self, states: list[VersionState], version: int | None, timeout: float) -> str:
        which = "" if version is None else f" version {version}"
        head = f"model {self.options.model_name!r}{which} at {self.options.model_base_path}"
        errors = [f"version {s.version}: {s.error}" for s in states if s.error and version in (None, s.version)]
        if errors:
            return f"{head} cannot be loaded: {'; '.join(errors)}"
        known = ", ".join(f"{s.version} {s.state.name}" for s in states) or self._manager.base_path_error or "none seen"
        return f"{head} is not available after {timeout:g} s (versions: {known})"

    def stop(self, drain_seconds: float = _DRAIN_SECONDS) -> None:
        """Takes no more requests, lets those in flight finish within ``drain_seconds``, and frees the model."""
        self._server.stop(drain_seconds).wait()
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
