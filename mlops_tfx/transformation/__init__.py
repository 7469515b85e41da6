"""Transform graphs: raw rows in, transformed rows out.

tensors.py      how the features of a schema become tensors; what tracing preprocessing_fn tells
raw_batches.py  checks that rows can become these tensors
saved_graph.py  applies a written graph to record batches
flattening.py   transformed rows in the columns of transformed examples
"""
