"""The models that a server has, from flags or from a ModelServerConfig, and what is refused in one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from mlops_tfx.serving.server import statuses
from mlops_tfx.serving.server.request_log.settings import config_problem

PLATFORM = "tensorflow"


@dataclass(frozen=True)
class VersionPolicy:
    """Which of the versions that are there are to be served: the ``latest`` few, or ``specific`` ones, or all.

    Attributes:
        latest: how many of the highest; None for the other two.
        specific: these; None for all.
    """

    latest: int | None = 1
    specific: frozenset[int] | None = None

    def choose(self, found: Iterable[int]) -> list[int]:
        """Returns the versions to serve, highest first."""
        versions = sorted(found, reverse=True)
        if self.latest is not None:
            return versions[: self.latest]
        return [version for version in versions if self.specific is None or version in self.specific]


@dataclass(frozen=True)
class ModelSettings:
    """One model. ``config`` is the ModelConfig that it came from, with what others read of it (logging)."""

    name: str
    base_path: str
    policy: VersionPolicy = VersionPolicy()
    labels: Mapping[str, int] = field(default_factory=dict)
    platform: str = PLATFORM
    config: Any = None


def read_file(path: str) -> Any:
    """Returns the ModelServerConfig in a file of text. Raises StatusError."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise statuses.invalid(f"Cannot read model config file {path}: {error}") from error
    return parse(text, path)


def parse(text: str, source: str) -> Any:
    """Returns the ModelServerConfig in a text. Raises StatusError."""
    try:
        return text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    except text_format.ParseError as error:
        raise statuses.invalid(f"Invalid protobuf file: {source}: {error}") from error


def settings_of(config: Any, current: Mapping[str, ModelSettings]) -> list[ModelSettings]:
    """Returns the models of a ModelServerConfig. ``current``: those that the server has. Raises StatusError."""
    if config.WhichOneof("config") != "model_config_list":
        raise statuses.invalid(
            "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently "
            "supported"
        )
    models: dict[str, ModelSettings] = {}
    for model in config.model_config_list.config:
        if model.name in models:
            raise statuses.invalid(f"Illegal to list model {model.name} multiple times in config list")
        models[model.name] = _settings(model)
    for name, new in models.items():
        old = current.get(name)
        if old is not None and old.platform != new.platform:
            raise statuses.invalid(
                f"Illegal to change a model's platform. For model {name} platform was {old.platform} and new platform "
                f"requested is {new.platform}"
            )
        if new.platform != PLATFORM:
            raise statuses.invalid(f"Model {name} requests unsupported platform {new.platform}")
    return list(models.values())


def _settings(model: Any) -> ModelSettings:
    if not model.name:
        raise statuses.invalid("Expected every model to have a name, received name='' in a model config")
    check_base_path(model.name, model.base_path)
    problem = config_problem(model.logging_config) if model.HasField("logging_config") else ""
    if problem:
        raise statuses.invalid(f"Wrong logging_config of model {model.name}: {problem}")
    return ModelSettings(
        model.name, model.base_path, _policy(model), dict(model.version_labels), _platform(model), model
    )


def check_base_path(name: str, path: str) -> None:
    """Raises StatusError if a base path is neither absolute nor a URI, or none that a system could have."""
    if "\0" in path or ("://" not in path and not os.path.isabs(path)):
        raise statuses.invalid(f"Expected model {name} to have an absolute path or URI; got base_path()={path}")


def _platform(model: Any) -> str:
    if model.model_platform and model.model_type:
        raise statuses.invalid(
            "Illegal setting both ModelServerConfig::model_type (deprecated) and ModelServerConfig::model_platform."
        )
    if model.model_type == model_server_config_pb2.TENSORFLOW:
        return PLATFORM
    if model.model_type:
        return "other"
    if not model.model_platform:
        raise statuses.invalid(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
            f"ModelServerConfig::model_platform, model name is {model.name}"
        )
    return str(model.model_platform)


def _policy(model: Any) -> VersionPolicy:
    policy = model.model_version_policy
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        return VersionPolicy(None, None)
    if choice == "specific":
        return VersionPolicy(None, frozenset(policy.specific.versions))
    return VersionPolicy(max(policy.latest.num_versions, 1))
