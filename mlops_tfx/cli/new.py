"""``mlops-tfx new``."""

from __future__ import annotations

import json
import os

import click

from mlops_tfx.scaffold import TEMPLATES, create


def _templates(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in TEMPLATES if name.startswith(incomplete)]


@click.command("new")
@click.argument("name")
@click.option(
    "--template",
    default="tabular",
    show_default=True,
    shell_complete=_templates,
    help=f"One of {', '.join(TEMPLATES)}.",
)
@click.option("--in", "parent", default=".", type=click.Path(exists=True, file_okay=False), help="Where to make it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str, template: str, parent: str, as_json: bool) -> None:
    """Make a project NAME: data, a pipeline, and tests that pass."""
    files = create(name, template, parent)
    if as_json:
        click.echo(json.dumps({"project": os.path.join(parent, name), "template": template, "files": files}, indent=2))
        return
    click.echo("\n".join(files))
    run = "mlops-tfx run pipeline.py" if template != "tfx" else "mlops-tfx run --as-tfx pipeline.py"
    click.echo(f"\nnow: cd {os.path.join(parent, name)} && python make_data.py && {run}; its tests: python -m pytest")
