"""BulkInferrer: a model's predictions for every row of Examples.

component.py    the component
requests.py     which signatures run, and which columns come out: what is wrong before any work
model.py        a SavedModel in a session
features.py     rows as the inputs of a signature
batches.py      reads a shard in batches that are bounded by rows and bytes
columns.py      predictions as Arrow columns
log_messages.py predictions as PredictionLogs, column by column
messages.py     protobuf messages of many rows at once
work.py         one shard from reading to writing; threads of this process
beam_mode.py    the same on a Beam runner
"""

from mlops_tfx.components.bulk_inferrer.component import BulkInferrer

__all__ = ["BulkInferrer"]
