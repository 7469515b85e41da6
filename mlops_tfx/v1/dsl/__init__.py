"""``tfx.v1.dsl``: the language in which pipelines are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tfx.v1.lazy import SUBMODULE, offer

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Artifact
    from mlops_tfx.channel import Channel
    from mlops_tfx.control_flow import Cond
    from mlops_tfx.resolvers import Importer, Resolver
    from mlops_tfx.v1.dsl import components, experimental, io, placeholders, standard_annotations
    from mlops_tfx.v1.dsl.pipeline import ExecutionMode, Pipeline

__all__ = [
    "Artifact",
    "Channel",
    "Cond",
    "ExecutionMode",
    "Importer",
    "Pipeline",
    "Resolver",
    "components",
    "experimental",
    "io",
    "placeholders",
    "standard_annotations",
]

_HOMES = {
    "Artifact": "mlops_tfx.artifacts",
    "Channel": "mlops_tfx.channel",
    "Cond": "mlops_tfx.control_flow",
    "ExecutionMode": "mlops_tfx.v1.dsl.pipeline",
    "Importer": "mlops_tfx.resolvers",
    "Pipeline": "mlops_tfx.v1.dsl.pipeline",
    "Resolver": "mlops_tfx.resolvers",
    **dict.fromkeys(("components", "experimental", "io", "placeholders", "standard_annotations"), SUBMODULE),
}

__getattr__, __dir__ = offer(__name__, _HOMES)
