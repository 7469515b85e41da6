"""The schema guard: requests are checked against the Schema that lies beside the model.

rules.py     what the schema asks of one feature
schema.py    from schema.pbtxt to rules
columns.py   many rows of one feature, as arrays
checks.py    what a request holds: serialized tf.Examples or tensors
parsing.py   many serialized tf.Examples, parsed for the guard
parsed.py    the same, as the model has parsed them while it answered
findings.py  what was found, and its text
guard.py     the interceptor: counts, annotates, refuses
"""
