"""``tfx.components.util.examples_utils`` and ``tfxio_utils``: formats of Examples, and their rows."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlops_tfx.artifacts import Artifact
from mlops_tfx.compat.artifact_lists import get_split_uri
from mlops_tfx.protos import example_gen_pb2

CUSTOM_SPLIT_PATTERN_PROPERTY_NAME = "custom_split_pattern"
_PAYLOAD, _FILE = "payload_format", "file_format"


def get_payload_format(examples: Artifact) -> int:
    """Returns what the records hold, as a number of PayloadFormat."""
    return int(example_gen_pb2.PayloadFormat.Value(get_payload_format_string(examples)))


def get_payload_format_string(examples: Artifact) -> str:
    """Returns what the records hold, such as FORMAT_TF_EXAMPLE."""
    return examples.get_string_custom_property(_PAYLOAD) or "FORMAT_TF_EXAMPLE"


def set_payload_format(examples: Artifact, payload_format: int) -> None:
    """Says what the records hold."""
    examples.set_string_custom_property(_PAYLOAD, example_gen_pb2.PayloadFormat.Name(payload_format))


def get_file_format(examples: Artifact) -> str:
    """Returns how the records are stored: ``tfrecords_gzip`` or ``parquet``."""
    return examples.get_string_custom_property(_FILE) or "tfrecords_gzip"


def set_file_format(examples: Artifact, file_format: str) -> None:
    """Says how the records are stored."""
    examples.set_string_custom_property(_FILE, file_format)


def get_custom_split_patterns_key_and_property(split_to_pattern: Mapping[str, str]) -> tuple[str, str]:
    """Returns name and value of the custom property that says which files each split has."""
    return CUSTOM_SPLIT_PATTERN_PROPERTY_NAME, json.dumps(dict(split_to_pattern))


def get_split_file_patterns(artifacts: Sequence[Artifact], split: str) -> list[str]:
    """Returns a pattern of the files of a split for every artifact. Raises ValueError for one that lacks the split."""
    return [_pattern(artifact, split) for artifact in artifacts]


def _pattern(artifact: Artifact, split: str) -> str:
    patterns = artifact.get_string_custom_property(CUSTOM_SPLIT_PATTERN_PROPERTY_NAME)
    if not patterns:
        return os.path.join(get_split_uri([artifact], split), "*")
    if split not in json.loads(patterns):
        raise ValueError(f"expected a pattern for split {split!r}, received {patterns}")
    return os.path.join(artifact.uri, json.loads(patterns)[split])


def get_tf_dataset_factory_from_artifact(
    examples: Sequence[Artifact], telemetry_descriptors: Sequence[str] | None = None
) -> Callable[..., Any]:
    """Returns ``factory(file_patterns, options, schema)``, which makes a ``tf.data.Dataset`` of rows."""
    return _accessor(examples).tf_dataset_factory  # type: ignore[no-any-return]


def get_record_batch_factory_from_artifact(
    examples: Sequence[Artifact], telemetry_descriptors: Sequence[str] | None = None
) -> Callable[..., Any]:
    """Returns ``factory(file_patterns, options, schema)``, which yields record batches of rows."""
    return _accessor(examples).record_batch_factory  # type: ignore[no-any-return]


def get_data_view_decode_fn_from_artifact(
    examples: Sequence[Artifact], telemetry_descriptors: Sequence[str] | None = None
) -> Callable[..., Any] | None:
    """Returns a function from a vector of records to tensors by name; None if no view of the data is bound."""
    from mlops_tfx.io.examples import payload_of

    bytes_only = payload_of(list(examples)) == "FORMAT_PROTO" and get_data_view_uri(examples[0]) is None  # type: ignore[arg-type]  # Examples, if they are what they should be
    return None if bytes_only else _accessor(examples).data_view_decode_fn


def get_data_view_uri(examples: Artifact) -> str | None:
    """Returns where the view of the data lies that is bound to examples; None if none is."""
    return examples.get_string_custom_property("data_view_uri") or None


def _accessor(examples: Sequence[Artifact]) -> Any:
    from mlops_tfx.io import dataset

    return dataset.data_accessor(list(examples))  # type: ignore[arg-type]  # Examples, if they are what they should be
