"""``mlops-tfx diff``."""

from __future__ import annotations

import json

import click

from mlops_tfx.cli import completions
from mlops_tfx.cli.store_option import chosen_store, store_options


@click.command("diff")
@click.argument("runs", nargs=-1, metavar="[BEFORE [AFTER]]", shell_complete=completions.runs)
@store_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(runs: tuple[str, ...], root: str | None, pipeline: str | None, as_json: bool) -> None:
    """Compare two runs; the latest with the one before, or with BEFORE."""
    from mlops_tfx.history.differences import compare_runs, latest_two

    if len(runs) > 2:
        raise click.UsageError(f"expected at most two runs, received {len(runs)}")
    with chosen_store(root, pipeline) as (store, pipeline_name):
        if len(runs) == 2:
            before, after = runs
        else:
            before, after = latest_two(store, pipeline_name)
            before = runs[0] if runs else before
        nodes = compare_runs(store, pipeline_name, before, after)
    if as_json:
        data = {"before": before, "after": after, "nodes": [node.to_dict() for node in nodes]}
        click.echo(json.dumps(data, indent=2))
        return
    click.echo(f"{pipeline_name}: run {before} -> run {after}")
    for untold in dict.fromkeys(node.untold for node in nodes if node.untold):
        click.echo(f"note: {untold}")
    for node in nodes:
        click.echo("\n".join(node.lines()))
