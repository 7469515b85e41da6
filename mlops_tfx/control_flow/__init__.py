"""Blocks of nodes that run on a condition."""

from mlops_tfx.control_flow.cond import Cond

__all__ = ["Cond"]
