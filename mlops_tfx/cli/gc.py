"""``mlops-tfx gc``."""

from __future__ import annotations

import json

import click

from mlops_tfx.cli import completions
from mlops_tfx.cli.store_option import chosen_store, store_options


@click.command("gc")
@store_options
@click.option("--pipeline-root", default=None, help="Where the outputs lie; default: the folder of the store.")
@click.option("--keep-runs", type=click.IntRange(min=0), default=3, show_default=True, help="Latest runs to keep.")
@click.option("--keep-days", type=click.FloatRange(min=0), default=0.0, help="Keep what is younger.")
@click.option(
    "--pin",
    metavar="TARGET",
    multiple=True,
    shell_complete=completions.targets,
    help="Never delete this artifact; repeatable.",
)
@click.option(
    "--unpin", metavar="TARGET", multiple=True, shell_complete=completions.targets, help="Take a pin away; repeatable."
)
@click.option("--ended", metavar="RUN_ID", multiple=True, shell_complete=completions.runs,
              help="A run that has ended though the store says RUNNING: marked failed; repeatable.")  # fmt: skip
@click.option("--delete", is_flag=True, help="Delete what is listed. Without it nothing is changed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    root: str | None,
    pipeline: str | None,
    pipeline_root: str | None,
    keep_runs: int,
    keep_days: float,
    pin: tuple[str, ...],
    unpin: tuple[str, ...],
    ended: tuple[str, ...],
    delete: bool,
    as_json: bool,
) -> None:
    """List the files that nothing blessed, pushed, pinned or recent depends on; delete them with --delete.

    The store keeps its rows: lineage still answers.
    """
    from mlops_tfx.history import garbage
    from mlops_tfx.history.targets import find_artifact
    from mlops_tfx.metadata.locate import locate_store, root_of

    place = pipeline_root or root_of(locate_store(root))
    with chosen_store(root, pipeline) as (store, pipeline_name):
        store.annotate([find_artifact(store, pipeline_name, target) for target in pin], {garbage.PINNED: 1})
        store.annotate([find_artifact(store, pipeline_name, target) for target in unpin], {garbage.PINNED: None})
        for run_id in ended:
            garbage.end_run(store, pipeline_name, run_id)
        plan = garbage.plan(store, pipeline_name, place, keep_runs, keep_days)
        if delete:
            garbage.collect(store, plan)
    if as_json:
        click.echo(json.dumps({**plan.to_dict(), "deleted": delete}, indent=2))
        return
    for each in plan.doomed:
        click.echo(str(each))
    for reason, count in plan.kept.items():
        click.echo(f"kept: {count} ({reason})")
    what = "deleted" if delete else "could be deleted; delete them with --delete"
    click.echo(f"{len(plan.doomed)} artifacts, {plan.size:,} bytes {what}")
