"""``mlops-tfx models``."""

from __future__ import annotations

import json

import click

from mlops_tfx.cli.store_option import chosen_store, store_options


@click.command("models")
@store_options
@click.option("--server", default=None, help="host:port of a model server, to ask what it serves.")
@click.option("--model-name", default=None, help="The server's name for the model; default: the folder's.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(root: str | None, pipeline: str | None, server: str | None, model_name: str | None, as_json: bool) -> None:
    """List the models that were pushed, whether they were blessed, and what a server serves."""
    from mlops_tfx.deployment.listing import list_models

    with chosen_store(root, pipeline) as (store, pipeline_name):
        versions = list_models(store, pipeline_name, server, model_name)
    if as_json:
        click.echo(json.dumps([version.to_dict() for version in versions], indent=2))
        return
    click.echo("\n".join(map(str, versions)) or f"pipeline {pipeline_name!r} has pushed no model yet")
