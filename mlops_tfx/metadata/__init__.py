"""The metadata store: which nodes ran, on what, with which result. The only code that imports ml_metadata.

The shape of the store (types, contexts, events, properties) is that of TFX 1.16, so that either reads what the other
wrote. ``ml_metadata`` itself is imported when a store is opened.
"""

from mlops_tfx.metadata.identity import LOOP_ELEMENT, run_id_of_part
from mlops_tfx.metadata.records import LOOP_INDEX, SKIPPED, ExecutionRecord, ExecutionState, NodeIdentity
from mlops_tfx.metadata.store import MetadataStore

__all__ = [
    "LOOP_ELEMENT",
    "LOOP_INDEX",
    "SKIPPED",
    "ExecutionRecord",
    "ExecutionState",
    "MetadataStore",
    "NodeIdentity",
    "run_id_of_part",
]
