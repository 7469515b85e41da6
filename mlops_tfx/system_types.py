"""ML Metadata's system types, as classes: the base types of artifacts (``TYPE_ANNOTATION``) and of executions.

Names and numbers are those of ``tfx.v1.dsl.standard_annotations``.
"""

from __future__ import annotations

from typing import ClassVar


class SystemType:
    """Base of all. ``MLMD_SYSTEM_BASE_TYPE`` is ML Metadata's number; None stands for no base type."""

    MLMD_SYSTEM_BASE_TYPE: ClassVar[int | None] = None


class SystemArtifact(SystemType):
    """Base of the types of artifacts."""


class SystemExecution(SystemType):
    """Base of the types of executions."""


class Dataset(SystemArtifact):
    """Data to train or evaluate on."""

    MLMD_SYSTEM_BASE_TYPE = 1


class Model(SystemArtifact):
    """A trained model."""

    MLMD_SYSTEM_BASE_TYPE = 2


class Metrics(SystemArtifact):
    """Figures about a model or about data."""

    MLMD_SYSTEM_BASE_TYPE = 3


class Statistics(SystemArtifact):
    """Statistics of data."""

    MLMD_SYSTEM_BASE_TYPE = 4


class Train(SystemExecution):
    """Trains a model."""

    MLMD_SYSTEM_BASE_TYPE = 1


class Transform(SystemExecution):
    """Transforms data."""

    MLMD_SYSTEM_BASE_TYPE = 2


class Process(SystemExecution):
    """Processes data or models otherwise."""

    MLMD_SYSTEM_BASE_TYPE = 3


class Evaluate(SystemExecution):
    """Evaluates a model."""

    MLMD_SYSTEM_BASE_TYPE = 4


class Deploy(SystemExecution):
    """Brings a model to where it is used."""

    MLMD_SYSTEM_BASE_TYPE = 5


_NAMES: dict[tuple[type[SystemType], int | None], str] = {
    (kind, member.MLMD_SYSTEM_BASE_TYPE): member.__name__
    for kind, members in (
        (SystemArtifact, (Dataset, Model, Metrics, Statistics)),
        (SystemExecution, (Train, Transform, Process, Evaluate, Deploy)),
    )
    for member in members
}


def base_type_name(annotation: type[SystemType] | str | None) -> str | None:
    """Returns the name of the system type behind an annotation, such as "Dataset"; names go through as they are.

    Raises:
        TypeError: the annotation is neither a class of this module, nor derived from one, nor a name.
    """
    if annotation is None or isinstance(annotation, str):
        return annotation
    for kind in (SystemArtifact, SystemExecution):
        if isinstance(annotation, type) and issubclass(annotation, kind):
            return _NAMES.get((kind, annotation.MLMD_SYSTEM_BASE_TYPE))
    raise TypeError(
        f"expected a class of standard_annotations, such as Dataset or Train, received type annotation {annotation!r}"
    )
