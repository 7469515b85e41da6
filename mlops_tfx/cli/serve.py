"""``mlops-tfx serve``."""

from __future__ import annotations

import sys

import click


@click.command(
    "serve",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
)
@click.argument("flags", nargs=-1, type=click.UNPROCESSED)
def command(flags: tuple[str, ...]) -> None:
    """Serve models over gRPC; takes tensorflow_model_server's flags (--port, --model_name, --model_base_path ...)."""
    from mlops_tfx.serving.server.__main__ import main

    sys.exit(main(flags))
