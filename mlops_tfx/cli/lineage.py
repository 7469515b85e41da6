"""``mlops-tfx lineage``."""

from __future__ import annotations

import json

import click

from mlops_tfx.cli.completions import targets
from mlops_tfx.cli.store_option import chosen_store, store_options


@click.command("lineage")
@click.argument("target", shell_complete=targets)
@store_options
@click.option("--down", is_flag=True, help="What was made from it, instead of what it was made from.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(target: str, root: str | None, pipeline: str | None, down: bool, as_json: bool) -> None:
    """Show what TARGET was made from.

    TARGET is an artifact's id, a node or an output of one (Trainer, Trainer.model), a path, or the folder of a pushed
    version (serving/3).
    """
    from mlops_tfx.history.lineage import lineage
    from mlops_tfx.history.targets import find_artifact

    with chosen_store(root, pipeline) as (store, pipeline_name):
        found = lineage(store, find_artifact(store, pipeline_name, target), down)
    click.echo(json.dumps(found.to_dict(), indent=2) if as_json else "\n".join(found.lines()))
