"""The options by which commands find a metadata store, and a pipeline in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mlops_tfx.cli.completions import pipelines

if TYPE_CHECKING:
    from mlops_tfx.metadata import MetadataStore

F = TypeVar("F", bound=Callable[..., Any])


def store_options(function: F) -> F:
    """Adds ``--root`` and ``--pipeline``."""
    root = click.option(
        "--root",
        default=None,
        type=click.Path(),
        help="Pipeline root or metadata.sqlite; default: found below this folder.",
    )
    pipeline = click.option(
        "--pipeline", default=None, help="Pipeline name, where the store has several.", shell_complete=pipelines
    )
    return root(pipeline(function))


@contextmanager
def chosen_store(root: str | None, pipeline: str | None) -> Iterator[tuple[MetadataStore, str]]:
    """Opens the store and chooses the pipeline. Raises MetadataError with what there is to choose from."""
    from mlops_tfx.metadata.locate import choose_pipeline, locate_store
    from mlops_tfx.metadata.store import MetadataStore

    with MetadataStore(locate_store(root)) as store:
        yield store, choose_pipeline(store, pipeline)
