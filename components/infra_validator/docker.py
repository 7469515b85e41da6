"""A model server in a Docker container of this machine, through Docker's command line.

Not verified against a real Docker daemon.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mlops_tfx.components.infra_validator.failures import ServerFailedError
from mlops_tfx.errors import ConfigError

if TYPE_CHECKING:
    from mlops_tfx.components.infra_validator.servers import Launch
    from mlops_tfx.config import LocalDockerConfig, ServingSpec

_GRPC_PORT = 8500
_TIMEOUT_SECONDS = 60
_SHOWN_LINES = "40"
_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 10**3, "MB": 10**6, "GB": 10**9}


def images(spec: ServingSpec) -> list[str]:
    """The images to try: one per tag and digest, or the newest."""
    serving = spec.tensorflow_serving
    if serving is None:
        return ["tensorflow/serving:latest"]
    named = [f"{serving.image_name}:{tag}" for tag in serving.tags]
    named += [f"{serving.image_name}@{digest}" for digest in serving.digests]
    return named or [f"{serving.image_name}:latest"]


def unavailable(config: LocalDockerConfig | None) -> str | None:
    """Why Docker cannot be used; None if it can."""
    if shutil.which("docker") is None:
        return "expected the program docker on PATH, found none"
    try:
        _docker(config, ["version", "--format", "{{.Server.Version}}"])
    except ServerFailedError as error:
        return str(error)
    return None


def has_all(config: LocalDockerConfig | None, names: Sequence[str]) -> bool:
    """Whether this machine has the images, so that nothing need be pulled."""
    try:
        return all(_docker(config, ["image", "inspect", "--format", "{{.Id}}", name]) for name in names)
    except ServerFailedError:
        return False


class Container:
    """A running container.

    Attributes:
        address: ``host:port`` of gRPC.
    """

    def __init__(self, config: LocalDockerConfig | None, container_id: str, address: str) -> None:
        self._config = config
        self._id = container_id
        self.address = address

    def check_alive(self, seconds: float = 0.0) -> None:
        """Raises ServerFailedError if the container has ended; Docker knows that at once."""
        state = _docker(self._config, ["inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", self._id])
        if not state.startswith(("running", "created")):
            raise ServerFailedError(f"the server's container is {state}")

    def last_lines(self) -> str:
        """The end of its log."""
        return _docker(self._config, ["logs", "--tail", _SHOWN_LINES, self._id], with_errors=True)

    def peak_memory(self) -> int:
        """Bytes of memory that it holds now: Docker does not tell the peak."""
        text = _docker(self._config, ["stats", "--no-stream", "--format", "{{.MemUsage}}", self._id])
        found = re.match(r"([\d.]+)\s*([A-Za-z]+)", text)
        if found is None or found.group(2) not in _UNITS:
            raise ConfigError(f"max_memory_bytes: expected a size from docker stats, received {text!r}; leave it out")
        return int(float(found.group(1)) * _UNITS[found.group(2)])


@contextlib.contextmanager
def running(image: str, launch: Launch, config: LocalDockerConfig | None) -> Iterator[Container]:
    """Starts a container; see `Server.start`."""
    inside = f"/models/{launch.model_name}"
    published = f"{(config.host_ip_address if config else '') or '127.0.0.1'}::{_GRPC_PORT}"
    arguments = ["run", "--detach", "--publish", published, "--volume", f"{launch.base_path}:{inside}:ro"]
    arguments += ["--entrypoint", "tensorflow_model_server", image, f"--port={_GRPC_PORT}", *launch.flags(inside)]
    container_id = _docker(config, arguments)
    try:
        address = _docker(config, ["port", container_id, f"{_GRPC_PORT}/tcp"]).splitlines()[0]
        yield Container(config, container_id, address)
    finally:
        _docker(config, ["rm", "--force", "--volumes", container_id])


def _docker(config: LocalDockerConfig | None, arguments: Sequence[str], with_errors: bool = False) -> str:
    environment = dict(os.environ)
    if config is not None and config.client_base_url:
        environment["DOCKER_HOST"] = config.client_base_url
    if config is not None and config.client_api_version:
        environment["DOCKER_API_VERSION"] = config.client_api_version
    timeout = (config.client_timeout_seconds if config else 0) or _TIMEOUT_SECONDS
    # Pulling an image takes as long as it takes.
    limit = None if arguments[0] == "run" else timeout
    try:
        done = subprocess.run(
            ["docker", *arguments], env=environment, capture_output=True, text=True, timeout=limit, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServerFailedError(f"docker {arguments[0]}: {error}") from error
    if done.returncode:
        raise ServerFailedError(f"docker {arguments[0]} ended with code {done.returncode}: {done.stderr.strip()}")
    return (done.stdout + done.stderr if with_errors else done.stdout).strip()
