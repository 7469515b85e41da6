"""All models of a server: which there are, their labels, and changing both while requests come."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc

from mlops_tfx.serving.server import contents, model_config, saved_model, statuses
from mlops_tfx.serving.server.calls import Target
from mlops_tfx.serving.server.memory import give_back
from mlops_tfx.serving.server.model_config import ModelSettings
from mlops_tfx.serving.server.options import ServerOptions
from mlops_tfx.serving.server.served_model import LoadedVersion, ServedModel
from mlops_tfx.serving.server.states import State, StateBoard, VersionState

_log = logging.getLogger(__name__)

Prepare = Callable[[str, str, int, saved_model.SavedModelSession], None]
# Told of every load: folder, code, seconds.
ObserveLoad = Callable[[str, str, float], None]


class ModelManager:
    """Has the models, and changes them as configurations say.

    Args:
        options: the server's settings.
        board: where states are told.
        prepare: each called with name, folder, version and session before a version becomes available; what they raise
            (StatusError) fails the load.
        observe: told of every load of a SavedModel.
    """

    def __init__(
        self,
        options: ServerOptions,
        board: StateBoard,
        prepare: Sequence[Prepare] = (),
        observe: ObserveLoad = lambda path, code, seconds: None,
    ) -> None:
        self._options = options
        self._board = board
        self._prepare = prepare
        self._observe = observe
        self._models: dict[str, ServedModel] = {}
        self._labels: dict[str, Mapping[str, int]] = {}
        self._labels_ready = False
        self._changing = threading.Lock()
        self._turn = threading.BoundedSemaphore(max(options.num_load_threads, 1))
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Starts to load what the options say; a model config file is read first. Raises StatusError if it is wrong."""
        options = self._options
        saved_model.start_threads(options.session)
        if not options.model_config_file:
            self._apply([ModelSettings(options.model_name, options.model_base_path)])
            self._labels_ready = True
            return
        config = model_config.read_file(options.model_config_file)
        settings = self._settings_of(config)
        self._apply(settings)
        self._run(lambda: self._finish_start(settings))
        if options.model_config_file_poll_wait_seconds > 0:
            self._run(lambda: self._poll(config))

    def _run(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name="model config", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _finish_start(self, settings: Sequence[ModelSettings]) -> None:
        for model in settings:
            self._wait_for(model.name, float("inf"))
            self._set_labels_or_log(model)
        self._labels_ready = True
        self._board.wake()

    def _set_labels_or_log(self, model: ModelSettings) -> None:
        try:
            self._set_labels([model])
        except statuses.StatusError as error:
            _log.error("%s", error)

    def _poll(self, config: Any) -> None:
        told = ""
        while not self._stop.wait(self._options.model_config_file_poll_wait_seconds):
            try:
                new = model_config.read_file(self._options.model_config_file)
                if new != config:
                    self.reload(new)
                    config = new
                told = ""
            except statuses.StatusError as error:
                # It is tried again with every look, since a version may come that a label is for; it is said once.
                if str(error) != told:
                    _log.error("model config file %s: %s", self._options.model_config_file, error)
                told = str(error)

    def stop(self) -> None:
        """Stops watching and lets all models go."""
        self._stop.set()
        self._board.wake()
        for thread in self._threads:
            thread.join()
        with self._changing:
            for model in self._models.values():
                model.stop()

    def reload(self, config: Any, timeout: float = float("inf")) -> None:
        """Goes over to another ModelServerConfig, and waits until the models that are new in it are available.

        Models that are not in it are let go. Raises StatusError: it is refused, and nothing is changed; or a model
        cannot be loaded or a label not be assigned, and the rest is.
        """
        deadline = time.monotonic() + timeout
        settings = self._settings_of(config)
        new = self._apply(settings)
        failures = [failure for name in new if (failure := self._wait_for(name, deadline))]
        if failures:
            text = f"{len(failures)} model(s) did not become available: {{{''.join(failures)}}}"
            raise statuses.StatusError(grpc.StatusCode.UNKNOWN, text)
        self._set_labels(settings)
        self._labels_ready = True

    def reload_for_client(self, config: Any, timeout: float) -> None:
        """``reload``, within the base paths that clients may name. Raises StatusError."""
        roots = list(self._options.reload_base_paths)
        for model in config.model_config_list.config:
            model_config.check_base_path(model.name, model.base_path)
            if roots and not contents.is_below(model.base_path, roots):
                text = f"Model {model.name}: base_path()={model.base_path} is outside of the folders that may be named"
                raise statuses.StatusError(grpc.StatusCode.PERMISSION_DENIED, text)
        self.reload(config, timeout)

    def _settings_of(self, config: Any) -> list[ModelSettings]:
        return model_config.settings_of(config, {name: model.settings for name, model in self._models.items()})

    def _apply(self, settings: Sequence[ModelSettings]) -> list[str]:
        """Starts, changes and stops models; returns the names of the new ones."""
        with self._changing:
            known = self._models
            wanted = {model.name: model for model in settings}
            models = {name: known.get(name) or self._make(model) for name, model in wanted.items()}
            gone = [model for name, model in known.items() if name not in wanted]
            new = [name for name in wanted if name not in known]
            self._models = models
            self._labels = {name: labels for name, labels in self._labels.items() if name in wanted}
            for name, model in models.items():
                if name in new:
                    model.start()
                else:
                    model.change(wanted[name])
            for model in gone:
                model.stop()
            return new

    def _make(self, settings: ModelSettings) -> ServedModel:
        return ServedModel(settings, self._options, self._board, self._load, self._turn, give_back)

    def _load(self, name: str, path: str, version: int) -> saved_model.SavedModelSession:
        started, code = time.monotonic(), "OK"
        try:
            session = saved_model.load(path, self._options.session)
        except statuses.StatusError as error:
            code = error.code.name
            raise
        finally:
            self._observe(path, code, time.monotonic() - started)
        try:
            for prepare in self._prepare:
                prepare(name, path, version, session)
        except BaseException:
            session.close()
            raise
        return session

    def _wait_for(self, name: str, deadline: float) -> str:
        """Waits until a model is available; returns what went wrong with it, empty if nothing did."""
        model = self._models.get(name)
        if model is None:
            return ""

        def settled(states: list[VersionState]) -> bool:
            # The first look is over when every version that is wanted is loaded, or cannot be.
            return self._stop.is_set() or model.has_looked(1)

        states = self._board.wait_for(name, settled, deadline - time.monotonic())
        if model.loaded:
            return ""
        failed = [state for state in states if state.error is not None]
        if failed and failed[0].error is not None:
            version, error = str(failed[0].version), failed[0].error
            return f"{{{{name: {name} version: {version}}} due to error: {error}}}, "
        return f"{{{{name: {name} version: }} due to error: NOT_FOUND: {self.base_path_error(name)}}}, "

    def _set_labels(self, settings: Sequence[ModelSettings]) -> None:
        with self._changing:
            for model in settings:
                for label, version in model.labels.items():
                    self._check_label(model.name, label, version)
            self._labels = {**self._labels, **{model.name: dict(model.labels) for model in settings}}

    def _check_label(self, name: str, label: str, version: int) -> None:
        states = {state.version: state.state for state in self._board.versions(name)}
        if states.get(version) == State.AVAILABLE:
            return
        assigned = self._labels.get(name, {}).get(label, version)
        if self._options.allow_version_labels_for_unavailable_models and assigned == version:
            return
        raise statuses.StatusError(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"Request to assign label to version {version} of model {name}, which is not currently available for "
            "inference",
        )

    def acquire(self, target: Target) -> LoadedVersion:
        """Holds the version that is asked for, until it is released. Raises StatusError."""
        model = self._models.get(target.name)
        version = target.version if not target.label else self.version_of(target.name, target.label)
        if model is None:
            raise statuses.servable_not_found(target.name, version)
        return model.acquire(version)

    def version_of(self, name: str, label: str) -> int:
        """Returns the version that a label stands for. Raises StatusError."""
        if not self._labels_ready:
            raise statuses.labels_not_ready(label)
        version = self._labels.get(name, {}).get(label)
        if version is None:
            raise statuses.unknown_label(label)
        return version

    def names(self) -> list[str]:
        """Returns the models by name, sorted."""
        return sorted(self._models)

    def labels(self, name: str) -> Mapping[str, int]:
        """Returns label -> version of a model."""
        return self._labels.get(name, {})

    def loaded(self, name: str) -> tuple[int, ...]:
        """Returns the versions of a model that requests can ask, highest first."""
        model = self._models.get(name)
        return () if model is None else model.loaded

    def is_ready(self) -> bool:
        """Whether every model has a version that requests can ask."""
        models = self._models
        return bool(models) and all(model.loaded for model in models.values())

    def logging_config(self, name: str) -> Any:
        """Returns the LoggingConfig in a model's configuration; None if there is none."""
        model = self._models.get(name)
        config = None if model is None else model.settings.config
        return config.logging_config if config is not None and config.HasField("logging_config") else None

    def base_path(self, name: str) -> str:
        """Returns where a model's versions lie."""
        model = self._models.get(name)
        return "" if model is None else model.settings.base_path

    def base_path_error(self, name: str) -> str:
        """Why a model's base path could not be read at the last look; empty if it could."""
        model = self._models.get(name)
        return "" if model is None else model.base_path_error

    def next_look(self, name: str) -> int:
        """Returns the number of a model's first look that starts from now on; see ``has_looked``."""
        model = self._models.get(name)
        return 0 if model is None else model.next_look()

    def has_looked(self, name: str, number: int) -> bool:
        """Whether that look is over, or will never be."""
        model = self._models.get(name)
        return model is None or model.has_looked(number)
