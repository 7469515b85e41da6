"""FeatureUsefulness: which features say something about the label, and which are dead weight.

``component.py`` has the component. ``sample.py`` draws rows, ``encoding.py`` turns columns into arrays,
``information.py`` computes mutual information, ``lift.py`` lift, ``report.py`` writes it down.
"""

from mlops_tfx.components.feature_usefulness.component import FeatureUsefulness

__all__ = ["FeatureUsefulness"]
