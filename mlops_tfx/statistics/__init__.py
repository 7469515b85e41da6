"""Statistics by TensorFlow Data Validation's combiners, fed with record batches: in any process, without Beam.

settings.py          what to compute
compute.py           read this first: partial statistics of a shard, merged, finished
slicing.py           a batch's slices
top_values.py        exact counts of values as a combiner
partial_state.py     partial statistics as bytes, which MergeStatistics and other processes read
"""
