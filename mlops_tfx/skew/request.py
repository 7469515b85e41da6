"""What is validated, and how."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Examples
    from mlops_tfx.skew.checking import Tolerances


@dataclass(frozen=True)
class Request:
    """What is validated, and how.

    Attributes:
        model: the SavedModel.
        transform_graph: the folder of the TransformGraph.
        examples: raw rows.
        transformed_examples: what training read; none if it is not kept.
        schema: of the raw rows.
        splits: to draw from.
        num_rows: rows to draw.
        one_by_one: rows that are also sent alone.
        seed: of the draw.
        paths: names among PATHS.
        signatures: names; none for all.
        training_signature: the signature that is what was trained; None to find it.
        label_keys: raw features that requests do not have.
        ignored_outputs: outputs that are not compared.
        tolerances: what counts as equal.
        require_observed: whether a signature into which one cannot look is a problem.
        folder: for files while it runs.
        log: takes lines for people.
    """

    model: str
    transform_graph: str
    examples: Sequence[Examples]
    transformed_examples: Sequence[Examples]
    schema: Any
    splits: Sequence[str]
    num_rows: int
    one_by_one: int
    seed: int
    paths: Collection[str]
    signatures: Sequence[str]
    training_signature: str | None
    label_keys: Sequence[str]
    ignored_outputs: Collection[str]
    tolerances: Tolerances
    require_observed: bool
    folder: str
    log: Callable[[str], None]
