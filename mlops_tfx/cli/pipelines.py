"""``mlops-tfx pipelines``."""

from __future__ import annotations

import json

import click


@click.command("pipelines")
@click.option("--root", default=None, help="Pipeline root or metadata.sqlite; default: found below this folder.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(root: str | None, as_json: bool) -> None:
    """List the pipelines of a store, and how the latest run of each ended."""
    from mlops_tfx.history.overview import pipelines
    from mlops_tfx.metadata.locate import locate_store
    from mlops_tfx.metadata.store import MetadataStore

    with MetadataStore(locate_store(root)) as store:
        found = pipelines(store)
    data = [summary.to_dict() for summary in found]
    click.echo(json.dumps(data, indent=2) if as_json else "\n".join(str(summary) for summary in found))
