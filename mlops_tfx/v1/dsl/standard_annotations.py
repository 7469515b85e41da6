"""``tfx.v1.dsl.standard_annotations``: ML Metadata's system types, for artifacts and for executions."""

from __future__ import annotations

from mlops_tfx.system_types import Dataset, Deploy, Evaluate, Metrics, Model, Process, Statistics, Train, Transform

__all__ = ["Dataset", "Deploy", "Evaluate", "Metrics", "Model", "Process", "Statistics", "Train", "Transform"]
