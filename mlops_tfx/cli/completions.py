"""What the shell offers for names in a store: pipelines, runs, nodes, outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

from mlops_tfx.errors import MlopsTfxError

if TYPE_CHECKING:
    from mlops_tfx.metadata import MetadataStore

Names = Callable[[click.Context, click.Parameter, str], list[str]]


def _offering(names: Callable[[MetadataStore, str | None], Iterable[str]]) -> Names:
    """Offers what a function finds in the store that the command line means; nothing where there is none."""

    def offer(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
        from mlops_tfx.metadata.locate import locate_store
        from mlops_tfx.metadata.store import MetadataStore

        try:
            with MetadataStore(locate_store(ctx.params.get("root")), read_only=True) as store:
                found = sorted(set(names(store, ctx.params.get("pipeline"))))
        except MlopsTfxError:
            return []  # whoever presses Tab is not told of errors: the command itself will say what is wrong
        return [name for name in found if name.startswith(incomplete)]

    return offer


def _chosen(store: MetadataStore, pipeline: str | None) -> str:
    from mlops_tfx.metadata.locate import choose_pipeline

    return choose_pipeline(store, pipeline)


@_offering
def pipelines(store: MetadataStore, pipeline: str | None) -> Iterable[str]:
    """Names of pipelines."""
    return store.pipelines()


@_offering
def runs(store: MetadataStore, pipeline: str | None) -> Iterable[str]:
    """Ids of runs."""
    return store.runs(_chosen(store, pipeline))


@_offering
def nodes(store: MetadataStore, pipeline: str | None) -> Iterable[str]:
    """Names of nodes that have run."""
    return (record.label for record in store.executions(_chosen(store, pipeline)))


@_offering
def targets(store: MetadataStore, pipeline: str | None) -> Iterable[str]:
    """Nodes, and outputs of nodes."""
    for record in store.executions(_chosen(store, pipeline)):
        yield from (f"{record.label}.{key}" for key in record.outputs)
        if len(record.outputs) == 1:
            yield record.label
