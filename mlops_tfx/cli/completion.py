"""``mlops-tfx completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(_SHELLS))
def command(shell: str) -> None:
    """Print the script that makes a SHELL complete commands and options.

    For bash: eval "$(mlops-tfx completion bash)"
    """
    from mlops_tfx.cli import cli

    completion = get_completion_class(shell)
    assert completion is not None  # click knows all shells that the argument takes
    click.echo(completion(cli, {}, "mlops-tfx", "_MLOPS_TFX_COMPLETE").source())
