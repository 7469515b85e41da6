"""``mlops-tfx run``."""

from __future__ import annotations

import sys

import click


@click.command("run")
@click.argument("pipeline_file")
@click.option("--parallel", type=int, default=None, help="Nodes that may run at the same time; default: all cores.")
def command(pipeline_file: str, parallel: int | None) -> None:
    """Run the pipeline that PIPELINE_FILE defines (file.py, or file.py:name)."""
    from mlops_tfx.errors import PipelineFailedError
    from mlops_tfx.execution import LocalRunner
    from mlops_tfx.execution.loading import load_pipeline
    from mlops_tfx.execution.progress import print_reports

    pipeline = load_pipeline(pipeline_file)
    try:
        result = LocalRunner(max_parallel_nodes=parallel).run(pipeline)
    except PipelineFailedError as error:
        click.echo(f"error: {error}", err=True)
        click.echo(f"to resume, run again: mlops-tfx run {pipeline_file}", err=True)
        sys.exit(1)
    print_reports(result.reports, f"{result.pipeline_name}, run {result.run_id}")
