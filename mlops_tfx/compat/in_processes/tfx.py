"""The module ``tfx`` of Python processes that were started by one in which `mlops_tfx.compat.install` was called.

The folder of this file is on their PYTHONPATH.
"""

from mlops_tfx.compat import install

install()
