"""The model with its requests as warmup records: ``assets.extra/tf_serving_warmup_requests``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf

from mlops_tfx import filesystem

if TYPE_CHECKING:
    from mlops_tfx.components.infra_validator.requests import Query

STAMPED_MODEL = "stamped_model"
_FILE = os.path.join("assets.extra", "tf_serving_warmup_requests")
_MAX_RECORDS = 1000  # a server refuses a model with more


def stamp(model: str, folder: str, queries: Sequence[Query]) -> None:
    """Copies a model to ``folder`` and writes its warmup records, one per request of one row, as TFX does."""
    filesystem.copy_tree(model, folder)
    path = os.path.join(folder, _FILE)
    filesystem.makedirs(os.path.dirname(path))
    single = [query for query in queries if query.stop == query.start + 1]
    with tf.io.TFRecordWriter(path) as writer:
        for query in single[:_MAX_RECORDS]:
            writer.write(query.as_log())
