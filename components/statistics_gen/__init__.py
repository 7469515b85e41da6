"""StatisticsGen and MergeStatistics: descriptive statistics, computed by TensorFlow Data Validation, and merged.

Read ``component.py`` first; ``mlops_tfx/statistics/compute.py`` feeds TFDV's combiners, and ``partial_state.py``
beside it writes the file that makes statistics mergeable (ADR 20).
"""

from mlops_tfx.components.statistics_gen.component import StatisticsGen
from mlops_tfx.components.statistics_gen.merge import MergeStatistics
from mlops_tfx.components.statistics_gen.options import SliceFeature, StatsOptions

__all__ = ["MergeStatistics", "SliceFeature", "StatisticsGen", "StatsOptions"]
