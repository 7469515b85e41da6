"""BulkInferrer: a model's predictions for every row of Examples.

component.py    the component
requests.py     what is wrong with the parameters, before any work
columns.py      predictions as Arrow columns
log_messages.py predictions as PredictionLogs, column by column
messages.py     protobuf messages of many rows at once
work.py         one shard from reading to writing; threads of this process
beam_mode.py    the same on a Beam runner
"""

from mlops_tfx.components.bulk_inferrer.component import BulkInferrer

__all__ = ["BulkInferrer"]
