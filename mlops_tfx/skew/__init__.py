"""Whether served answers are those of training, and if not, which feature is to blame.

What happens, in order:

validation.py     the whole, from start to end; request.py is what is asked, findings.py what comes out
preparation.py    loads the model and the graph; rows.py draws rows, synthesis.py makes others
values.py         what features are given in these: by the schema and the sample; dictionary.py words and constants that
                  graphs know; edges.py the numbers at which training's features jump
training.py       training's own path; trained_model.py finds what was trained in a SavedModel
sources.py        which raw features each transformed one is computed from
signatures.py     what the model's signatures take and give; asked.py chooses which are asked
stability.py      does an answer depend on its row alone, or on chance, state and the rows beside it?
observation.py    looks into a signature's graph: what does the model get in place of each feature?
paths.py          in this process, gRPC, REST; bulk_path.py as BulkInferrer; raw_tensors.py rows as named tensors
arithmetic.py     TensorFlow without its graph optimizer, where equal graphs give equal bits
checking.py       sends rows along a path and compares; comparison.py and ulps.py compare arrays, lengths.py rows of
                  sparse and ragged features
blame.py          which feature explains what differs; attribution.py finds it out by replacing features, causes.py
                  says what it looks like
report.py         the findings as JSON and as a page; digests.py of graph, vocabularies and model
"""
