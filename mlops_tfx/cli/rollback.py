"""``mlops-tfx rollback``."""

from __future__ import annotations

import json

import click

from mlops_tfx.cli.store_option import chosen_store, store_options


@click.command("rollback")
@store_options
@click.option("--to", "to_version", type=int, default=None, help="The version; default: the one before.")
@click.option("--destination", default=None, help="The folder of versions, where the pipeline pushes to several.")
@click.option("--label", default=None, help="Move this label instead, in --model-config-file.")
@click.option("--model-config-file", default=None, help="The model config file of the servers, with version_labels.")
@click.option("--model", default=None, help="The model in that file, where several have the label.")
@click.option("--allow-again", type=int, default=None, metavar="VERSION",
              help="Undo only this: the model of the version may be pushed again.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    root: str | None,
    pipeline: str | None,
    to_version: int | None,
    destination: str | None,
    label: str | None,
    model_config_file: str | None,
    model: str | None,
    allow_again: int | None,
    as_json: bool,
) -> None:
    """Publish an earlier version of a pushed model as the newest, or move a label back; and record it."""
    from mlops_tfx.deployment import labels, rollback

    if (label is None) != (model_config_file is None):
        raise click.UsageError("--label and --model-config-file go together")
    if label is None and model is not None:
        raise click.UsageError("--model goes with --label")
    if allow_again is not None and (label is not None or to_version is not None):
        raise click.UsageError("--allow-again goes with neither --to nor --label")
    if label is not None and destination is not None:
        raise click.UsageError("--destination does not go with --label: the model config file says where versions are")
    done: rollback.Rollback | rollback.Allowance | labels.LabelMove
    with chosen_store(root, pipeline) as (store, name):
        if allow_again is not None:
            done = rollback.allow_again(store, name, allow_again, destination=destination)
        elif label is not None and model_config_file is not None:
            done = labels.roll_back_label(store, name, label, model_config_file, model=model, to_version=to_version)
        else:
            done = rollback.roll_back(store, name, to_version=to_version, destination=destination)
    click.echo(json.dumps(done.to_dict(), indent=2) if as_json else str(done))
