"""``mlops-tfx run``."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mlops_tfx.run_options import RunOptions


@click.command("run", context_settings={"ignore_unknown_options": True})
@click.argument("pipeline_file")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--parallel", type=int, default=None, help="Nodes that may run at the same time; default: all cores.")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A runtime parameter of the pipeline.")
@click.option("--from", "from_nodes", multiple=True, metavar="NODE", help="NODE and what depends on it; repeatable.")
@click.option("--to", "to_nodes", multiple=True, metavar="NODE", help="NODE and what it depends on; repeatable.")
@click.option("--base", metavar="RUN_ID", help="The run that gives what others wrote; default: the latest.")
@click.option("--exit-handler", metavar="NAME", help="A component in PIPELINE_FILE that runs afterwards in any case.")
@click.option("--as-tfx", is_flag=True, help="Run a script written for TFX, unchanged; ARGUMENTS are the script's own.")
def command(
    pipeline_file: str,
    arguments: tuple[str, ...],
    parallel: int | None,
    params: tuple[str, ...],
    from_nodes: tuple[str, ...],
    to_nodes: tuple[str, ...],
    base: str | None,
    exit_handler: str | None,
    as_tfx: bool,
) -> None:
    """Run the pipeline that PIPELINE_FILE defines (file.py, or file.py:name)."""
    from mlops_tfx.errors import PipelineFailedError
    from mlops_tfx.execution import LocalRunner
    from mlops_tfx.execution.loading import load_component, load_pipeline, parsed_parameters
    from mlops_tfx.execution.progress import print_reports
    from mlops_tfx.execution.resume import command_line
    from mlops_tfx.run_options import RunOptions

    if base and not (from_nodes or to_nodes):
        raise click.UsageError("--base goes with --from or --to")
    options = RunOptions(from_nodes, to_nodes, base) if from_nodes or to_nodes else None
    if as_tfx:
        from mlops_tfx.compat import script

        if parallel is not None or params or exit_handler:
            raise click.UsageError(
                "--parallel, --param and --exit-handler go without --as-tfx: the script makes its own runner"
            )
        with _interruptible(), command_line(options, _again):
            script.run_script(pipeline_file, arguments)
        return
    if arguments:
        name = arguments[0]
        error = click.NoSuchOption(name) if name.startswith("-") else click.UsageError(f"unexpected argument {name!r}")
        raise error
    pipeline = load_pipeline(pipeline_file)
    handler = load_component(pipeline_file, exit_handler) if exit_handler else None
    runner = LocalRunner(max_parallel_nodes=parallel, exit_handler=handler)
    try:
        with _interruptible(), command_line(options, _again):
            result = runner.run(pipeline, parameters=parsed_parameters(pipeline, params))
    except PipelineFailedError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    print_reports(result.reports, f"{result.pipeline_name}, run {result.run_id}")


def _again(options: RunOptions | None) -> str:
    """The command that runs this again, or a part of it."""
    context = click.get_current_context()
    words = [*_program(context), "run"]
    for parameter in context.command.params:
        name = str(parameter.name)
        given = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if given and name not in _OF_PART:
            words.extend(_words(parameter, context.params[name]))
    words.extend(word for name, values in _part(options).items() for value in values for word in (name, value))
    own = context.params["arguments"]
    words.extend(["--", *own] if any(word.startswith("-") for word in own) else own)
    return shlex.join(words)


_OF_PART = ("arguments", "from_nodes", "to_nodes", "base")


def _part(options: RunOptions | None) -> dict[str, tuple[str, ...]]:
    if options is None:
        return {}
    base = (options.base_pipeline_run_id,) if options.base_pipeline_run_id else ()
    return {"--from": tuple(options.from_nodes or ()), "--to": tuple(options.to_nodes or ()), "--base": base}


def _words(parameter: click.Parameter, value: Any) -> list[str]:
    values = [str(item) for item in value] if isinstance(value, tuple) else [str(value)]
    if isinstance(parameter, click.Argument):
        return values
    if isinstance(parameter, click.Option) and parameter.is_flag:
        return [parameter.opts[0]]
    return [word for item in values for word in (parameter.opts[0], item)]


def _program(context: click.Context) -> list[str]:
    by_module = str(context.find_root().info_name).startswith("python")
    return [sys.executable, "-m", "mlops_tfx.cli"] if by_module else ["mlops-tfx"]


@contextmanager
def _interruptible() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except SystemExit as end:
        if end.code != (code := 128 + signal.SIGTERM):
            raise
    else:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: that would wait for threads which a node that could not be stopped has left.
    os._exit(code)
