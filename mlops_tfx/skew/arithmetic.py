"""TensorFlow's arithmetic as the graph has it, without the graph optimizer.

The optimizer changes last places: x / c becomes x * (1 / c) where c is known to be a constant, which depends on how a
graph is loaded; chains of operations are fused. So the same transform graph gives values that differ by a unit in the
last place when Transform applies it and when a server does. Without the optimizer equal graphs give equal bits, and
whatever is then not equal was not written equally.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tensorflow.core.protobuf import config_pb2
from tensorflow.python.eager import context


@contextlib.contextmanager
def as_written() -> Iterator[None]:
    """Within it, functions that this thread calls run without the graph optimizer.

    The public switch (``tf.config.optimizer.set_experimental_options``) is one for all threads, and a training in
    another thread must not lose its optimizer; the settings of calls are this thread's own.
    """
    options = context.context().function_call_options
    before = config_pb2.ConfigProto.FromString(options.config_proto_serialized or b"")
    plain = config_pb2.ConfigProto()
    plain.CopyFrom(before)
    plain.graph_options.rewrite_options.disable_meta_optimizer = True
    options.config_proto_serialized = plain
    try:
        yield
    finally:
        options.config_proto_serialized = before
