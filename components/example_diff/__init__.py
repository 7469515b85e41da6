"""ExampleDiff: row-level differences between two sets of examples, joined by key.

``component.py`` has the component. Rows are dealt out to partitions on disk by the hash of their key
(``partitions.py``), each partition is joined and compared as arrays (``comparison.py``), and the totals are written as
TFDV's records (``results.py``).
"""

from mlops_tfx.components.example_diff.component import ExampleDiff

__all__ = ["ExampleDiff"]
