"""Which server a model is tried with."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from mlops_tfx.components.infra_validator import docker, process
from mlops_tfx.errors import ConfigError

if TYPE_CHECKING:
    from mlops_tfx.config import ServingSpec

EXECUTABLE = "tensorflow_model_server"
AUTO, DOCKER, EMBEDDED = "auto", "docker", "embedded"
KINDS = (AUTO, EXECUTABLE, DOCKER, EMBEDDED)


class RunningServer(Protocol):
    """A server that was started.

    Attributes:
        address: ``host:port`` of gRPC.
    """

    address: str

    def check_alive(self, seconds: float = 0.0) -> None:
        """Raises ServerFailedError if the server has ended, or does so within some seconds."""

    def last_lines(self) -> str:
        """What it wrote last."""

    def peak_memory(self) -> int:
        """The most bytes of memory that it held so far."""


@dataclass(frozen=True)
class Launch:
    """What a server is to load.

    Attributes:
        model_name: the name that requests use.
        base_path: local folder with one folder per version.
        tags: of the graph to load; none for ``serve``.
        folder: for the server's log.
    """

    model_name: str
    base_path: str
    tags: Sequence[str]
    folder: str

    def flags(self, base_path: str) -> list[str]:
        """Flags of tensorflow_model_server beside those of the port."""
        flags = [f"--model_name={self.model_name}", f"--model_base_path={base_path}", "--max_num_load_retries=0"]
        return [*flags, f"--saved_model_tags={','.join(self.tags)}"] if self.tags else flags


@dataclass(frozen=True)
class Server:
    """A kind of server.

    Attributes:
        name: for people.
        command: the program and its first arguments, or the Docker image.
        environment: variables for the process.
        spec: how Docker is reached; None for a process of this machine.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    spec: ServingSpec | None = None

    def start(self, launch: Launch) -> AbstractContextManager[RunningServer]:
        """Starts the server; on leaving the ``with`` statement it is ended. Raises ServerFailedError."""
        if self.spec is not None:
            return docker.running(self.command[0], launch, self.spec.local_docker)
        return process.running(self.command, self.environment, launch)


def choose_servers(kind: str, spec: ServingSpec) -> list[Server]:
    """Returns the servers to try a model with; several for several Docker images.

    Args:
        kind: ``tensorflow_model_server``, ``docker`` or ``embedded``; ``auto`` for the first of these that is there.
            Docker comes before them if the spec asks for it, and must have the image already if it does not.
        spec: the component's.

    Raises:
        ConfigError: that server is not there.
    """
    wants_docker = kind == DOCKER or (kind == AUTO and spec.local_docker is not None)
    if wants_docker:
        refusal = docker.unavailable(spec.local_docker)
        if refusal is None:
            return [Server(f"{DOCKER} {image}", (image,), spec=spec) for image in docker.images(spec)]
        if kind == DOCKER:
            raise ConfigError(f"server='docker': {refusal}")
    path = shutil.which(EXECUTABLE)
    if kind in (AUTO, EXECUTABLE) and path is not None:
        return [Server(EXECUTABLE, (path,))]
    if kind == EXECUTABLE:
        raise ConfigError(f"server={kind!r}: expected {EXECUTABLE} on PATH, found none; install it, or use 'auto'")
    names = docker.images(spec)
    if kind == AUTO and docker.unavailable(spec.local_docker) is None and docker.has_all(spec.local_docker, names):
        return [Server(f"{DOCKER} {image}", (image,), spec=spec) for image in names]
    paths = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    # A model that is only tried is nothing for others on the network; and warnings would hide what the server says.
    command = (sys.executable, "-m", "mlops_tfx.serving.server", "--host=localhost")
    return [Server(EMBEDDED, command, {"PYTHONPATH": paths, "PYTHONWARNINGS": "ignore"})]
