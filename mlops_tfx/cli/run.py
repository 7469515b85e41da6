"""``mlops-tfx run``."""

from __future__ import annotations

import shlex
import signal
import sys

import click


@click.command("run", context_settings={"ignore_unknown_options": True})
@click.argument("pipeline_file")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--parallel", type=int, default=None, help="Nodes that may run at the same time; default: all cores.")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A runtime parameter of the pipeline.")
@click.option("--exit-handler", metavar="NAME", help="A component in PIPELINE_FILE that runs afterwards in any case.")
@click.option("--as-tfx", is_flag=True, help="Run a script written for TFX, unchanged; ARGUMENTS are the script's own.")
def command(
    pipeline_file: str,
    arguments: tuple[str, ...],
    parallel: int | None,
    params: tuple[str, ...],
    exit_handler: str | None,
    as_tfx: bool,
) -> None:
    """Run the pipeline that PIPELINE_FILE defines (file.py, or file.py:name)."""
    from mlops_tfx.errors import PipelineFailedError
    from mlops_tfx.execution import LocalRunner
    from mlops_tfx.execution.loading import load_component, load_pipeline, parsed_parameters
    from mlops_tfx.execution.progress import print_reports

    if as_tfx:
        from mlops_tfx.compat import script

        if parallel is not None or params:
            raise click.UsageError("--parallel and --param go without --as-tfx: the script makes its own runner")
        script.run_script(pipeline_file, arguments)
        return
    if arguments:
        name = arguments[0]
        error = click.NoSuchOption(name) if name.startswith("-") else click.UsageError(f"unexpected argument {name!r}")
        raise error
    pipeline = load_pipeline(pipeline_file)
    again = [word for param in params for word in ("--param", param)]
    handler = load_component(pipeline_file, exit_handler) if exit_handler else None
    runner = LocalRunner(max_parallel_nodes=parallel, exit_handler=handler)
    try:
        result = runner.run(pipeline, parameters=parsed_parameters(pipeline, params))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except PipelineFailedError as error:
        click.echo(f"error: {error}", err=True)
        click.echo(f"to resume, run again: {shlex.join(['mlops-tfx', 'run', pipeline_file, *again])}", err=True)
        sys.exit(1)
    print_reports(result.reports, f"{result.pipeline_name}, run {result.run_id}")
