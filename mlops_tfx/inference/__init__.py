"""Models run on rows of examples, in this process.

signatures.py    which signatures run, and which columns come out
batches.py       reads a shard in batches that are bounded by rows and bytes
features.py      rows as the inputs of a signature
loaded_model.py  a SavedModel in a session
columns.py       predictions as Arrow columns
log_messages.py  predictions as PredictionLogs, column by column
messages.py      protobuf messages of many rows at once
bulk.py          one shard from reading to writing; all shards in threads of this process
"""
