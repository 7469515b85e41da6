"""Transform: preprocesses examples with TensorFlow Transform, as a graph that goes into the exported model."""

from mlops_tfx.components.transform.stats_type import StatsType
from mlops_tfx.components.transform.transform import Transform

__all__ = ["StatsType", "Transform"]
