"""The components that compare data with other data, for the pipeline on the penguins."""

from __future__ import annotations

from mlops_tfx.channel import BaseChannel
from mlops_tfx.component import Component
from mlops_tfx.components import DistributionValidator, ExampleDiff, FeatureUsefulness

COMPARED = {
    "default_slice_config": {
        "feature": [{"path": {"step": ["island"]}, "distribution_comparator": {"infinity_norm": {"threshold": 0.1}}}]
    }
}


PAIRED = {"paired_example_skew": {"identifier_features": ["body_mass_g", "island"]}}


def comparing_nodes(examples: BaseChannel, statistics: BaseChannel, merged: BaseChannel) -> list[Component]:
    """Returns fresh nodes that compare what these channels bring."""
    return [
        DistributionValidator(statistics, merged, COMPARED),
        ExampleDiff(examples, examples, PAIRED),
        FeatureUsefulness(examples, "species"),
    ]
