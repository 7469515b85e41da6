"""Evaluator, and how to read what it measured.

Read ``component.py`` first, then ``evaluation.py``: the pass over the data. ``metrics.py`` plans what is computed,
``combiners.py`` and ``histograms.py`` compute it, ``results.py`` and ``blessing.py`` write it down.
"""

from mlops_tfx.components.evaluator.component import Evaluator
from mlops_tfx.components.evaluator.report import read_metrics

__all__ = ["Evaluator", "read_metrics"]
