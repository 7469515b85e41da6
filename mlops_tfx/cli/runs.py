"""``mlops-tfx runs``."""

from __future__ import annotations

import json

import click

from mlops_tfx.cli.store_option import chosen_store, store_options


@click.command("runs")
@store_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(root: str | None, pipeline: str | None, as_json: bool) -> None:
    """List the runs of a pipeline, newest first."""
    with chosen_store(root, pipeline) as (store, pipeline_name):
        runs = store.runs(pipeline_name)
    click.echo(json.dumps(runs, indent=2) if as_json else "\n".join(runs))
