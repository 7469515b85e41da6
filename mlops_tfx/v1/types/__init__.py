"""``tfx.v1.types``: base classes of components and channels, and the types of artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tfx.v1.lazy import SUBMODULE, offer

if TYPE_CHECKING:
    from mlops_tfx.channel import BaseChannel
    from mlops_tfx.compat.class_component import BaseBeamComponent, BaseComponent
    from mlops_tfx.function_component import FunctionComponent as BaseFunctionalComponent
    from mlops_tfx.function_component import FunctionComponentFactory as BaseFunctionalComponentFactory
    from mlops_tfx.node import Node as BaseNode
    from mlops_tfx.v1.types import standard_artifacts

__all__ = [
    "BaseBeamComponent",
    "BaseChannel",
    "BaseComponent",
    "BaseFunctionalComponent",
    "BaseFunctionalComponentFactory",
    "BaseNode",
    "standard_artifacts",
]

_HOMES = {
    "BaseBeamComponent": "mlops_tfx.compat.class_component",
    "BaseChannel": "mlops_tfx.channel",
    "BaseComponent": "mlops_tfx.compat.class_component",
    "BaseFunctionalComponent": "mlops_tfx.function_component:FunctionComponent",
    "BaseFunctionalComponentFactory": "mlops_tfx.function_component:FunctionComponentFactory",
    "BaseNode": "mlops_tfx.node:Node",
    "standard_artifacts": SUBMODULE,
}

__getattr__, __dir__ = offer(__name__, _HOMES)
