"""``mlops-tfx why``."""

from __future__ import annotations

import json

import click

from mlops_tfx.cli.completions import nodes
from mlops_tfx.cli.store_option import chosen_store, store_options


@click.command("why")
@click.argument("node", shell_complete=nodes)
@store_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(node: str, root: str | None, pipeline: str | None, as_json: bool) -> None:
    """Say why NODE ran in its latest run, or why its result was reused."""
    from mlops_tfx.execution.explain import explain

    with chosen_store(root, pipeline) as (store, pipeline_name):
        found = explain(store, pipeline_name, node)
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=2))
        return
    click.echo(f"{found.node_id} in run {found.run_id}: {found.summary}")
    for change in found.changes:
        click.echo(f"  {change}")
    for upstream in found.upstream:
        click.echo(f"  made by {upstream}; see: mlops-tfx why {upstream}")
