"""``mlops-tfx run``."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from mlops_tfx.cli import completions

if TYPE_CHECKING:
    from mlops_tfx.run_options import RunOptions


@click.command("run", context_settings={"ignore_unknown_options": True})
@click.argument("pipeline_file", type=click.Path())
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--parallel", type=int, default=None, help="Nodes that may run at the same time; default: all cores.")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A runtime parameter of the pipeline.")
@click.option(
    "--from",
    "from_nodes",
    multiple=True,
    metavar="NODE",
    shell_complete=completions.nodes,
    help="NODE and what depends on it; repeatable.",
)
@click.option(
    "--to",
    "to_nodes",
    multiple=True,
    metavar="NODE",
    shell_complete=completions.nodes,
    help="NODE and what it depends on; repeatable.",
)
@click.option(
    "--base",
    metavar="RUN_ID",
    shell_complete=completions.runs,
    help="The run that gives what others wrote; default: the latest.",
)
@click.option("--exit-handler", metavar="NAME", help="A component in PIPELINE_FILE that runs afterwards in any case.")
@click.option("--as-tfx", is_flag=True, help="Run a script written for TFX, unchanged; ARGUMENTS are the script's own.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON at the end; what the pipeline prints goes to stderr.")
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
    as_json: bool,
) -> None:
    """Run the pipeline that PIPELINE_FILE defines (file.py, or file.py:name)."""
    from mlops_tfx.run_options import RunOptions

    if base and not (from_nodes or to_nodes):
        raise click.UsageError("--base goes with --from or --to")
    options = RunOptions(from_nodes, to_nodes, base) if from_nodes or to_nodes else None
    if as_tfx and (parallel is not None or params or exit_handler):
        raise click.UsageError(
            "--parallel, --param and --exit-handler go without --as-tfx: the script makes its own runner"
        )
    if arguments and not as_tfx:
        raise _unexpected(arguments[0])
    with _interruptible(), _reported_as_json() if as_json else contextlib.nullcontext():
        if as_tfx:
            _run_script(pipeline_file, arguments, options)
        else:
            _run_pipeline(pipeline_file, options, parallel, params, exit_handler, show=not as_json)


def _unexpected(argument: str) -> click.UsageError:
    if not argument.startswith("-"):
        return click.UsageError(f"unexpected argument {argument!r}")
    known = [name for parameter in command.params for name in parameter.opts if name.startswith("--")]
    return click.NoSuchOption(argument, possibilities=difflib.get_close_matches(argument, known, cutoff=0.7))


def _run_script(path: str, arguments: tuple[str, ...], options: RunOptions | None) -> None:
    from mlops_tfx.compat import script
    from mlops_tfx.execution.resume import command_line

    with command_line(options, _again):
        script.run_script(path, arguments)


def _run_pipeline(
    path: str,
    options: RunOptions | None,
    parallel: int | None,
    params: tuple[str, ...],
    exit_handler: str | None,
    show: bool,
) -> None:
    from mlops_tfx.execution import LocalRunner
    from mlops_tfx.execution.loading import load_component, load_pipeline, parsed_parameters
    from mlops_tfx.execution.progress import print_reports
    from mlops_tfx.execution.resume import command_line

    pipeline = load_pipeline(path)
    handler = load_component(path, exit_handler) if exit_handler else None
    runner = LocalRunner(max_parallel_nodes=parallel, exit_handler=handler)
    with command_line(options, _again):
        result = runner.run(pipeline, parameters=parsed_parameters(pipeline, params))
    if show:
        print_reports(result.reports, f"{result.pipeline_name}, run {result.run_id}")


@contextmanager
def _reported_as_json() -> Iterator[None]:
    """Prints every run that ended in here as JSON, and the error if there was one, which goes on."""
    from mlops_tfx.execution.attempt import is_failure, message_of
    from mlops_tfx.execution.interruption import describe
    from mlops_tfx.execution.reports import runs_of_process

    stdout, error = sys.stdout, ""
    with runs_of_process() as runs:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                yield
        except BaseException as raised:
            ended_well = isinstance(raised, SystemExit) and not raised.code  # as absl.app.run ends
            told = message_of(raised) if is_failure(raised) else describe(raised)
            error = "" if ended_well else told
            raise
        finally:
            click.echo(json.dumps({"runs": runs, "error": error}, indent=2), file=stdout)


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
