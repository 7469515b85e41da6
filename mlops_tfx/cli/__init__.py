"""The command line ``mlops-tfx``: one file per command, no logic."""

from __future__ import annotations

import importlib
import sys

import click

from mlops_tfx.errors import MlopsTfxError, did_you_mean

_COMMANDS = (
    "completion", "diff", "gc", "lineage", "models", "new", "pipelines", "rollback", "run", "runs", "serve", "show",
    "status", "why",
)  # fmt: skip


class _LazyGroup(click.Group):
    """Imports a command's file only when the command, or the list of all, is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"mlops_tfx.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and name not in _COMMANDS:
            ctx.fail(f"no command {name!r}{did_you_mean(name, _COMMANDS)}")
        return super().resolve_command(ctx, args)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mlops_tfx")
def cli() -> None:
    """Pipelines for machine learning on TensorFlow."""


def main() -> None:
    """Runs the command line. Errors of ours become one clear message and exit code 1."""
    try:
        cli()
    except MlopsTfxError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
