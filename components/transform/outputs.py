"""The transformed examples: where the rows of which input go, and what their artifacts say of themselves."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_tfx.errors import DataError

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Examples


@dataclass(frozen=True)
class Target:
    """A split of an input artifact, and the artifact for its transformed rows; None if they are not kept."""

    examples: Examples
    result: Examples | None
    split: str

    @property
    def folder(self) -> str | None:
        """The folder of the transformed split."""
        return None if self.result is None else os.path.join(self.result.uri, f"Split-{self.split}")


def describe(source: Examples, result: Examples, splits: Sequence[str], file_format: str) -> None:
    """Sets the properties of transformed examples; span and version are those of the source."""
    from mlops_tfx.io.examples import PAYLOADS_BY_FORMAT

    result.splits = list(splits)
    for name in ("span", "version"):
        if name in source.properties:
            result.set_property(name, source.properties[name])
        if name in source.custom_properties:
            result.custom_properties[name] = source.custom_properties[name]
    result.custom_properties["payload_format"] = PAYLOADS_BY_FORMAT[file_format]
    result.custom_properties["file_format"] = file_format


def check_transformed(
    targets: Sequence[Target], pieces: Sequence[int], rows: Sequence[int]
) -> dict[str, dict[str, int]]:
    """Compares the rows that were transformed with those that there are.

    Args:
        targets: what was transformed.
        pieces: how many pieces each of them had.
        rows: the rows of every piece, in the same order.

    Returns:
        The rows by uri of the input artifact, then by split.

    Raises:
        DataError: rows got lost.
    """
    from mlops_tfx.io.row_counts import check_rows_read

    found: dict[str, dict[str, int]] = {}
    start = 0
    for target, count in zip(targets, pieces, strict=True):
        total = sum(rows[start : start + count])
        start += count
        check_rows_read([target.examples], target.split, total, "transformed")
        found.setdefault(target.examples.uri, {})[target.split] = total
    return found


def check_payload(payload: str, view: str | None) -> None:
    """Raises DataError for a payload whose records are not features by name, and of which there is no view."""
    if payload == "FORMAT_PROTO" and view is None:
        raise DataError(
            "examples: Transform reads tf.Examples, tf.SequenceExamples and Parquet, received "
            "payload_format='FORMAT_PROTO'; bind a view to them (DataViewBinder), or convert records to tf.Examples, "
            "in an ExampleGen of your own or in a component before Transform"
        )
