"""The components that compare data with other data, for the pipeline on the penguins."""

from __future__ import annotations

from mlops_tfx.component import Component
from mlops_tfx.components import DistributionValidator

COMPARED = {
    "default_slice_config": {
        "feature": [{"path": {"step": ["island"]}, "distribution_comparator": {"infinity_norm": {"threshold": 0.1}}}]
    }
}


def comparing_nodes(statistics: Component, merged: Component) -> list[Component]:
    """Returns fresh nodes that compare what these two made."""
    return [DistributionValidator(statistics.outputs["statistics"], merged.outputs["statistics"], COMPARED)]
