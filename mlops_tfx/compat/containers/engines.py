"""Runs the command of a container component: in Docker, or as a process of this machine.

The environment variable MLOPS_TFX_CONTAINERS chooses for all nodes that do not say themselves: ``docker`` (the default)
or ``process``. A process runs the command without the image: its programs must be on this machine.
"""

from __future__ import annotations

import collections
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from mlops_tfx.errors import ConfigError, UserCodeError, did_you_mean

VARIABLE = "MLOPS_TFX_CONTAINERS"
_LAST_LINES = 20


class ContainerEngine(Protocol):
    """Runs commands."""

    def run(
        self, image: str, command: Sequence[str], mounts: Mapping[str, bool], folder: str, log: Callable[[str], None]
    ) -> None:
        """Runs a command to its end.

        Args:
            image: the container's image.
            command: program and arguments; none for what the image starts by itself.
            mounts: folders of this machine that the command sees under the same path, and whether it may write there.
            folder: where the command starts.
            log: gets every line that it writes.

        Raises:
            ConfigError: the engine is not there.
            UserCodeError: the command failed; the message has its last lines.
        """


class DockerEngine:
    """Docker, by its command line. Inputs are mounted for reading and outputs for writing, under their own paths.

    Not verified against the real service: tests see the command line only.
    """

    def run(
        self, image: str, command: Sequence[str], mounts: Mapping[str, bool], folder: str, log: Callable[[str], None]
    ) -> None:
        docker = shutil.which("docker")
        if docker is None:
            raise ConfigError(
                f"expected Docker to run image={image!r}, received no program 'docker' on the PATH; install Docker; "
                f"or, if the command's programs are on this machine, run it without the image: "
                f".with_container_engine('process') on the node, or {VARIABLE}=process for all"
            )
        volumes = [f"--volume={path}:{path}" + ("" if writable else ":ro") for path, writable in mounts.items()]
        user = f"--user={os.getuid()}:{os.getgid()}"  # so that what it writes can be published and removed
        run_command([docker, "run", "--rm", user, *volumes, image, *command], folder, log)


class ProcessEngine:
    """The command as a process of this machine, with the staged paths; the image is not used."""

    def run(
        self, image: str, command: Sequence[str], mounts: Mapping[str, bool], folder: str, log: Callable[[str], None]
    ) -> None:
        if not command:
            raise ConfigError(f"expected a command to run as a process, received none: image={image!r} has its own")
        run_command(command, folder, log)


_ENGINES: Mapping[str, type[ContainerEngine]] = {"docker": DockerEngine, "process": ProcessEngine}


def engine(name: str | None) -> ContainerEngine:
    """Returns the engine of this name; without one, that of the environment. Raises ConfigError for an unknown one."""
    wanted = name or os.environ.get(VARIABLE) or "docker"
    if wanted not in _ENGINES:
        raise ConfigError(f"expected a container engine, received {wanted!r}{did_you_mean(wanted, _ENGINES)}")
    return _ENGINES[wanted]()


def run_command(command: Sequence[str], folder: str, log: Callable[[str], None]) -> None:
    """Runs a command to its end, and logs what it writes line by line.

    Raises:
        UserCodeError: there is no such program, or it ended with another code than 0.
    """
    last: collections.deque[str] = collections.deque(maxlen=_LAST_LINES)
    try:
        process = subprocess.Popen(
            list(command), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
    except OSError as error:
        raise UserCodeError(f"the command {command[0]!r} cannot be started: {error}") from error
    with process:
        try:
            for line in process.stdout or ():
                last.append(line.rstrip("\n"))
                log(last[-1])
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        said = "\n".join(last) or "(it wrote nothing)"
        raise UserCodeError(f"the command {' '.join(command)!r} ended with code {process.returncode}:\n{said}")
