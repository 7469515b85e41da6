"""The command line: tensorflow_model_server's flags by name."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import importlib.metadata
import logging
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from mlops_tfx.serving.server.options import ServerOptions

_log = logging.getLogger(__name__)

# Flags of tensorflow_model_server whose default is what this server does, and which would change answers or who may
# ask: another value is refused.
REFUSED: dict[str, str] = {
    "mixed_precision": "",
    "platform_config_file": "",
    "prefer_tflite_model": "false",
    "thread_pool_factory_config_file": "",
    "use_alts_credentials": "false",
    "xla_cpu_compilation_enabled": "false",
    "xla_gpu_compilation_enabled": "false",
}
# Flags that would not: another value is taken with a warning that it changes nothing.
WITHOUT_EFFECT: dict[str, str] = {
    "enable_profiler": "true",
    "flush_filesystem_caches": "true",
    "num_tflite_interpreters_per_pool": "1",
    "num_tflite_pools": "",
    "num_unload_threads": "0",
    "remove_unused_fields_from_bundle_metagraph": "true",
    "skip_initialize_tpu": "false",
}
_PROGRAM = "python -m mlops_tfx.serving.server"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # One line; the list of flags is one --help away.
        self.exit(2, f"{self.prog}: {message}\n")


def parse_flags(arguments: Sequence[str]) -> ServerOptions:
    """Returns the settings that a command line asks for; ends the process with a message for one that is wrong."""
    fields = {option.name: option for option in dataclasses.fields(ServerOptions)}
    parser = _parser(fields)
    known, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.error(_unknown_flag(unknown[0], fields))
    settings = vars(known)
    for name, value in REFUSED.items():
        given = settings.pop(name, value)
        if given != value:
            parser.error(f"flag --{name}={given} of tensorflow_model_server is not supported; leave it out")
    for name, value in WITHOUT_EFFECT.items():
        given = settings.pop(name, value)
        if given != value:
            _log.warning("flag --%s=%s of tensorflow_model_server has no effect here", name, given)
    if not settings.get("model_base_path") and not settings.get("model_config_file"):
        parser.error("Both server_options.model_base_path and server_options.model_config_file are empty! "
                     "Pass --model_base_path=/path/of/the/model or --model_config_file=/path/of/a/file")  # fmt: skip
    try:
        return ServerOptions(**settings)
    except ValueError as error:
        parser.error(str(error))


def _parser(fields: dict[str, dataclasses.Field[Any]]) -> _Parser:
    parser = _Parser(prog=_PROGRAM, allow_abbrev=False)
    for name, option in fields.items():
        default = option.default if option.default is not dataclasses.MISSING else "4 per CPU"
        shown = "" if default == "" else f" (default: {_show(default)})"
        extra = {"nargs": "?", "const": True} if isinstance(default, bool) else {}
        parser.add_argument(f"--{name}", help=option.metadata["help"] + shown, default=argparse.SUPPRESS,
                            type=_type_of(default), **extra)  # type: ignore[arg-type]  # fmt: skip
    for name, value in {**REFUSED, **WITHOUT_EFFECT}.items():
        boolean = value in ("true", "false")
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS, default=argparse.SUPPRESS,
                            type=_lower if boolean else str, **({"nargs": "?", "const": "true"} if boolean else {}))  # type: ignore[arg-type]  # fmt: skip
    parser.add_argument("--version", action="version", version=_version())
    return parser


def _type_of(default: Any) -> Callable[[str], Any]:
    if isinstance(default, bool):
        return _boolean
    if isinstance(default, tuple):
        return lambda text: tuple(tag for tag in text.split(",") if tag)
    # The one default that is computed is a number of threads.
    return int if default == "4 per CPU" else type(default)


def _boolean(text: str) -> bool:
    values = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"expected true or false, received {text!r}")
    return values[text.lower()]


def _lower(text: str) -> str:
    return {"1": "true", "0": "false"}.get(text, text.lower())


def _show(default: Any) -> str:
    if isinstance(default, tuple):
        return ",".join(default)
    return str(default).lower() if isinstance(default, bool) else str(default)


def _version() -> str:
    return f"mlops_tfx model server, TensorFlow {importlib.metadata.version('tensorflow')}"


def _unknown_flag(argument: str, known: Sequence[str] | dict[str, Any]) -> str:
    name = argument.split("=")[0]
    close = difflib.get_close_matches(name.lstrip("-"), list(known), n=1)
    hint = f"; did you mean --{close[0]}?" if close else f"; known flags: {', '.join(f'--{flag}' for flag in known)}"
    return f"unknown flag {name!r}{hint}"
