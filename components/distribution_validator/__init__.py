"""DistributionValidator: compares the distributions of two sets of statistics.

``component.py`` has the component; ``judgement.py`` turns its configuration into a schema, and TFDV's
answer into a verdict.
"""

from mlops_tfx.components.distribution_validator.component import DistributionValidator

__all__ = ["DistributionValidator"]
