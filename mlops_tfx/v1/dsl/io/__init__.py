"""``tfx.v1.dsl.io``: files."""

from mlops_tfx.v1.dsl.io import fileio

__all__ = ["fileio"]
