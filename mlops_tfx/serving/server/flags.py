"""The command line: tensorflow_model_server's flags, as far as the server has what they set."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from mlops_tfx.serving.server.options import ServerOptions

_HELP = {
    "port": "gRPC port to listen on; 0 for any free one",
    "model_name": "the name that requests use",
    "model_base_path": "absolute path of the folder that holds one folder per version",
    "file_system_poll_wait_seconds": "seconds between looks for new versions; 0 to look once",
    "max_num_load_retries": "how often to try again to load a version whose files do not change",
    "load_retry_interval_micros": "microseconds between these",
    "grpc_max_threads": "threads that answer requests; default: four per CPU",
    "tensorflow_intra_op_parallelism": "threads within one operation; 0: TensorFlow decides",
    "tensorflow_inter_op_parallelism": "threads between operations; 0: the thread of the request",
    "saved_model_tags": "comma-separated tags of the graph to load",
}
_PARSERS: dict[str, Callable[[str], Any]] = {
    "model_name": str,
    "model_base_path": str,
    "file_system_poll_wait_seconds": float,
    "saved_model_tags": lambda text: tuple(tag for tag in text.split(",") if tag),
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # One line; the list of flags is one --help away.
        self.exit(2, f"{self.prog}: {message}\n")


def parse_flags(arguments: Sequence[str]) -> ServerOptions:
    """Returns the settings that a command line asks for; ends the process with a message for one that is wrong."""
    parser = _Parser(prog="python -m mlops_tfx.serving.server", allow_abbrev=False)
    defaults = {field.name: field for field in dataclasses.fields(ServerOptions)}
    for name, text in _HELP.items():
        default = defaults[name].default
        shown = "" if default in (dataclasses.MISSING, "") else f" (default: {_show(default)})"
        parser.add_argument(f"--{name}", help=text + shown, type=_PARSERS.get(name, int), default=argparse.SUPPRESS)
    known, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.error(_unknown_flag(unknown[0]))
    settings = vars(known)
    if not settings.get("model_base_path"):
        parser.error("Both server_options.model_base_path and server_options.model_config_file are empty! "
                     "Pass --model_base_path=/path/of/the/model")  # fmt: skip
    try:
        return ServerOptions(**settings)
    except ValueError as error:
        parser.error(str(error))


def _show(default: Any) -> str:
    return ",".join(default) if isinstance(default, tuple) else str(default)


def _unknown_flag(argument: str) -> str:
    name = argument.split("=")[0]
    close = difflib.get_close_matches(name.lstrip("-"), _HELP, n=1)
    hint = f"; did you mean --{close[0]}?" if close else f"; known flags: {', '.join(f'--{flag}' for flag in _HELP)}"
    return f"unknown flag {name!r}{hint}"
