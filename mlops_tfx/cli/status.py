"""``mlops-tfx status``."""

from __future__ import annotations

import json

import click

from mlops_tfx.cli.completions import runs
from mlops_tfx.cli.store_option import chosen_store, store_options


@click.command("status")
@click.argument("run_id", required=False, shell_complete=runs)
@store_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(run_id: str | None, root: str | None, pipeline: str | None, as_json: bool) -> None:
    """Show how the nodes of a run ended; of the latest run, unless RUN_ID is given."""
    from mlops_tfx.execution.progress import print_reports
    from mlops_tfx.execution.reports import as_data, reports_of_run

    with chosen_store(root, pipeline) as (store, pipeline_name):
        run_id, reports = reports_of_run(store, pipeline_name, run_id)
    if as_json:
        click.echo(json.dumps(as_data(pipeline_name, run_id, reports), indent=2))
        return
    print_reports(reports, f"{pipeline_name}, run {run_id}")
    for report in reports:
        if report.message:
            click.echo(f"{report.node_id}: {report.message}")
