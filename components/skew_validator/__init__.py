"""SkewValidator: whether served answers are those of training; see mlops_tfx.skew for how it is found out."""

from mlops_tfx.components.skew_validator.component import SkewValidator

__all__ = ["SkewValidator"]
