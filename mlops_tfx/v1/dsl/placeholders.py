"""``tfx.v1.dsl.placeholders``: values that are known when a node runs."""

from __future__ import annotations

from mlops_tfx.placeholders import exec_property, execution_invocation, input, output

__all__ = ["exec_property", "execution_invocation", "input", "output"]
