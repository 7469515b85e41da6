"""What the clients are made of; import them from ``mlops_tfx.serving.client``.

conversation.py   operations as generators that yield what to send: written once for sync and async; retries
interface.py      the methods, blocking; aio.py the same, to be awaited
grpc_protocol.py  operations over gRPC; rest_protocol.py over REST
channels.py       connections: gRPC channels; http.py: HTTP connections; tls.py: certificates
inputs.py         what users have -> named tensors or tf.Examples, as the signature takes them
tables.py         frames and tables, and dicts and rows, as Arrow; arrow_values.py: these as what is sent
fitting.py        values in the dtype of a signature, or an error
json_values.py    arrays and examples as TF Serving's JSON
descriptions.py   metadata, states, answers
"""
