"""How artifacts of a type are shown in a notebook, where not as `mlops_tfx.notebook.views` does: TFX's registry.

Register a subclass of `ArtifactVisualization` (``get_registry().register(Mine)``): ``InteractiveContext.show`` calls
its ``display`` for artifacts of its type.
"""

from __future__ import annotations

import abc
import functools
import html
import importlib
from typing import Any, ClassVar

from mlops_tfx.artifacts import Artifact, ExampleAnomalies, ExampleStatistics, ModelEvaluation, Schema
from mlops_tfx.channel import BaseChannel
from mlops_tfx.errors import ConfigError
from mlops_tfx.notebook import views


class ArtifactVisualization(abc.ABC):
    """Shows artifacts of one type.

    Attributes:
        ARTIFACT_TYPE: the type.
    """

    ARTIFACT_TYPE: ClassVar[type[Artifact]]

    @abc.abstractmethod
    def display(self, artifact: Artifact) -> Any:
        """Shows an artifact."""


class ArtifactVisualizationRegistry:
    """Knows what shows artifacts of a type."""

    def __init__(self) -> None:
        self.visualizations: dict[str, ArtifactVisualization] = {}

    def register(self, visualization_class: type[ArtifactVisualization]) -> None:
        """Lets a class show artifacts of its type from now on. Raises ConfigError if it names no type."""
        kind = getattr(visualization_class, "ARTIFACT_TYPE", None)
        if not isinstance(kind, type) or not issubclass(kind, Artifact) or not kind.TYPE_NAME:
            raise ConfigError(
                f"register: expected a visualization whose ARTIFACT_TYPE is a class of artifacts, received "
                f"{visualization_class!r} with ARTIFACT_TYPE={kind!r}"
            )
        self.visualizations[kind.TYPE_NAME] = visualization_class()

    def get_visualization(self, artifact_type_name: str) -> ArtifactVisualization | None:
        """Returns what shows artifacts of a type; None if nothing was registered for it."""
        return self.visualizations.get(artifact_type_name)


@functools.cache
def get_registry() -> ArtifactVisualizationRegistry:
    """Returns the registry of this process."""
    return ArtifactVisualizationRegistry()


def show(item: Any) -> None:
    """Shows HTML in a notebook, and the same as text elsewhere; of an artifact, a channel, a list or an execution.

    Artifacts whose type has something registered are shown by that.

    Raises:
        ConfigError: it is nothing of that kind, or a channel without artifacts yet.
    """
    group = item.get() if isinstance(item, BaseChannel) else item
    artifacts = [group] if isinstance(group, Artifact) else group if isinstance(group, list | tuple) else []
    own = [_registered(each) for each in artifacts]
    if not any(own):
        _show_html(views.of(item))
        return
    for artifact, visualization in zip(artifacts, own, strict=True):
        if visualization is None:
            _show_html(views.of(artifact))
        else:
            visualization.display(artifact)


def _registered(item: Any) -> ArtifactVisualization | None:
    return get_registry().get_visualization(item.TYPE_NAME) if isinstance(item, Artifact) else None


def _show_html(text: str) -> None:
    shown = views.View(text)
    if views.in_notebook():
        # Where there is a kernel there is IPython; mlops_tfx does not ask for it.
        importlib.import_module("IPython.display").display(shown)
    else:
        print(html.unescape(shown.text))  # noqa: T201  # what was asked for


class _Standard(ArtifactVisualization):
    """Shows an artifact as `InteractiveContext` does."""

    ARTIFACT_TYPE = Artifact

    def display(self, artifact: Artifact) -> None:
        """Shows an artifact."""
        _show_html(views.of(artifact))


class ExampleAnomaliesVisualization(_Standard):
    """Shows anomalies."""

    ARTIFACT_TYPE = ExampleAnomalies


class ExampleStatisticsVisualization(_Standard):
    """Shows statistics."""

    ARTIFACT_TYPE = ExampleStatistics


class ModelEvaluationVisualization(_Standard):
    """Shows metrics."""

    ARTIFACT_TYPE = ModelEvaluation


class SchemaVisualization(_Standard):
    """Shows a schema."""

    ARTIFACT_TYPE = Schema


STANDARD_VISUALIZATIONS = frozenset(
    [ExampleAnomaliesVisualization, ExampleStatisticsVisualization, ModelEvaluationVisualization, SchemaVisualization]
)


def register_standard_visualizations() -> None:
    """Registers what shows anomalies, statistics, evaluations and schemas."""
    for visualization in STANDARD_VISUALIZATIONS:
        get_registry().register(visualization)
