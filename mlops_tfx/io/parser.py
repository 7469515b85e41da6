"""Serialized tf.Examples and tf.SequenceExamples to the tensors that a schema describes, inside a TensorFlow graph."""

from __future__ import annotations

from typing import Any

from mlops_tfx.errors import ConfigError

SEQUENCE_EXAMPLE = "FORMAT_TF_SEQUENCE_EXAMPLE"


class Parser:
    """Parses batches of records.

    Args:
        schema: a tensorflow_metadata Schema; its tensor representations, or without them its features, decide.
        payload: what the records hold; in tf.SequenceExamples, sequence features lie below ``##SEQUENCE##``.

    Attributes:
        names: the tensors.

    Raises:
        ConfigError: the schema describes tensors that these records cannot give; names the tensor.
    """

    def __init__(self, schema: Any, payload: str = "FORMAT_TF_EXAMPLE") -> None:
        from tfx_bsl.tfxio import tensor_representation_util as representations

        try:
            tensors = representations.InferTensorRepresentationsFromMixedSchema(schema)
        except (ValueError, NotImplementedError) as error:
            raise ConfigError(f"the schema does not describe tensors: {error}") from error
        self._specs: dict[str, Any] = {}
        self._sequences: dict[str, Any] = {}
        self._tensor_of: dict[str, str] = {}
        types = _types(schema)
        for name, representation in tensors.items():
            self._add(name, representation, types, payload)
        self.names = tuple(tensors)

    def _add(self, name: str, representation: Any, types: dict[tuple[str, ...], int], payload: str) -> None:
        from tfx_bsl.tfxio import tensor_representation_util as representations

        missing = [
            ".".join(path.steps())
            for path in representations.GetSourceColumnsFromTensorRepresentation(representation)
            if path.steps() not in types
        ]
        if missing:
            raise ConfigError(f"tensor {name!r}: expected features of the schema, received {', '.join(missing)}")
        steps = representations.GetSourceValueColumnFromTensorRepresentation(representation).steps()
        if len(steps) > 1:
            if payload != SEQUENCE_EXAMPLE:
                raise ConfigError(
                    f"tensor {name!r}: expected {SEQUENCE_EXAMPLE}, whose records have sequence features "
                    f"({'.'.join(steps)}), received payload_format={payload!r}"
                )
            inner = type(representation)()
            inner.CopyFrom(representation)
            del inner.ragged_tensor.feature_path.step[0]
            self._sequences[name] = representations.CreateTfExampleParserConfig(inner, types[steps])
            return
        # The parser looks up dense and varlen features by their key; the other specs name their features themselves.
        key = steps[0] if representation.WhichOneof("kind") in ("dense_tensor", "varlen_sparse_tensor") else name
        if key in self._tensor_of:
            raise ConfigError(
                f"tensors {self._tensor_of[key]!r} and {name!r} are both made of feature {key!r}; "
                "give one of them a ragged representation, or make it in the model"
            )
        self._tensor_of[key] = name
        self._specs[key] = representations.CreateTfExampleParserConfig(representation, types[steps])

    def parse(self, serialized: Any) -> dict[str, Any]:
        """Returns the tensors of a vector of serialized records by name; the first dimension is the batch."""
        import tensorflow as tf

        # The context of a tf.SequenceExample lies where a tf.Example has its features; TensorFlow's parser of sequences
        # knows no sparse features.
        parsed = tf.io.parse_example(serialized, self._specs) if self._specs else {}
        tensors = {self._tensor_of[key]: value for key, value in parsed.items()}
        if self._sequences:
            tensors.update(tf.io.parse_sequence_example(serialized, None, self._sequences)[1])
        return tensors


def _types(schema: Any) -> dict[tuple[str, ...], int]:
    types: dict[tuple[str, ...], int] = {(feature.name,): feature.type for feature in schema.feature}
    for feature in schema.feature:
        types.update({(feature.name, inner.name): inner.type for inner in feature.struct_domain.feature})
    return types
