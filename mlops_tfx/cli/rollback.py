"""``mlops-tfx rollback``."""

from __future__ import annotations

import json

import click

from mlops_tfx.cli.store_option import chosen_store, store_options


@click.command("rollback")
@store_options
@click.option("--to", "to_version", type=int, default=None, help="The version; default: the one before the newest.")
@click.option("--destination", default=None, help="The folder of versions, where the pipeline pushes to several.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    root: str | None, pipeline: str | None, to_version: int | None, destination: str | None, as_json: bool
) -> None:
    """Publish an earlier version of a pushed model as the newest, and record it."""
    from mlops_tfx.deployment.rollback import roll_back

    with chosen_store(root, pipeline) as (store, pipeline_name):
        done = roll_back(store, pipeline_name, to_version=to_version, destination=destination)
    click.echo(json.dumps(done.to_dict(), indent=2) if as_json else str(done))
