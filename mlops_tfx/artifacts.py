"""Artifacts: what nodes hand to each other. A type, a place (``uri``) and properties.

The 21 standard types, their names, declared properties and base types are those of TFX 1.16
(``tfx.types.standard_artifacts``), so that a metadata store written by either can be read by the other.
"""

from __future__ import annotations

import copy
import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from mlops_tfx import filesystem
from mlops_tfx.artifact_access import ArtifactAccess
from mlops_tfx.errors import ArtifactError, ConfigError, did_you_mean
from mlops_tfx.system_types import SystemArtifact, base_type_name

if TYPE_CHECKING:
    from typing_extensions import Self

PropertyValue = int | float | str

CONTENT_DIGEST = "content_digest"
"""The custom property with the digest of an artifact's payload."""


class PropertyType(enum.Enum):
    """The types that a declared property may have."""

    INT = 1
    FLOAT = 2
    STRING = 3
    JSON_VALUE = 4
    PROTO = 5
    BOOLEAN = 6


_DEFAULTS: Mapping[PropertyType, Any] = {
    PropertyType.INT: 0,
    PropertyType.FLOAT: 0.0,
    PropertyType.STRING: "",
    PropertyType.BOOLEAN: False,
}
_PYTHON_TYPES: Mapping[PropertyType, tuple[type, ...]] = {
    PropertyType.INT: (int,),
    PropertyType.FLOAT: (float, int),
    PropertyType.STRING: (str,),
    PropertyType.JSON_VALUE: (dict, list, str, float, int, bool, type(None)),
    PropertyType.PROTO: (object,),
    PropertyType.BOOLEAN: (bool,),
}
_NO_BOOL = (PropertyType.INT, PropertyType.FLOAT)


@dataclass(frozen=True)
class Property:
    """Declares a property of an artifact type."""

    type: PropertyType


class ArtifactState(enum.IntEnum):
    """The states of ML Metadata's Artifact."""

    UNKNOWN = 0
    PENDING = 1
    LIVE = 2
    MARKED_FOR_DELETION = 3
    DELETED = 4


class Artifact(ArtifactAccess):
    """Something a node made: a folder or file at ``uri``, with properties.

    Subclass it for a type of your own and set ``TYPE_NAME``; ``PROPERTIES`` declares typed properties, which read and
    write as attributes (``examples.span``). Everything else goes to ``custom_properties``.

    Attributes:
        uri: where the payload lies. While a component runs, a payload on an object store is copied here when ``uri`` is
            first read, and ``uri`` is the path of the copy.
        id: the id in the metadata store; 0 before it is published.
        properties: values of declared properties.
        custom_properties: further values (int, float or str).
    """

    TYPE_NAME: ClassVar[str] = "Artifact"
    BASE_TYPE: ClassVar[str | None] = None
    TYPE_ANNOTATION: ClassVar[type[SystemArtifact] | None] = None
    PROPERTIES: ClassVar[Mapping[str, Property]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "TYPE_NAME" not in cls.__dict__:
            cls.TYPE_NAME = cls.__name__
        if "TYPE_ANNOTATION" in cls.__dict__:
            cls.BASE_TYPE = base_type_name(cls.TYPE_ANNOTATION)

    def __init__(
        self,
        uri: str = "",
        *,
        id: int = 0,
        properties: Mapping[str, PropertyValue] | None = None,
        custom_properties: Mapping[str, PropertyValue] | None = None,
        state: ArtifactState = ArtifactState.UNKNOWN,
    ) -> None:
        self._recorded_uri = uri
        self._copy: filesystem.LocalCopy | None = None
        self.id = id
        self.state = state
        self.properties: dict[str, PropertyValue] = {}
        self.custom_properties: dict[str, PropertyValue] = dict(custom_properties or {})
        for name, value in (properties or {}).items():
            self.set_property(name, value)

    @property
    def uri(self) -> str:
        """Where the payload lies; see the class."""
        return self.local_uri() if self._copy is not None else self._recorded_uri

    @uri.setter
    def uri(self, uri: str) -> None:
        self._recorded_uri, self._copy = uri, None

    @property
    def recorded_uri(self) -> str:
        """Where the payload lies for everybody: what the metadata store has. Reading it copies nothing."""
        return self._recorded_uri

    def local_uri(self, part: str = ".") -> str:
        """Returns the place of a part (a relative path) of the payload, after copying that part here if need be."""
        if self._copy is not None:
            return self._copy.path(part)
        return self._recorded_uri if part == "." else filesystem.join(self._recorded_uri, part)

    def readable_uri(self, part: str = ".") -> str:
        """Returns where a part of the payload can be streamed from (``filesystem.open``); copies nothing."""
        if self._copy is not None:
            return self._copy.readable(part)
        return self._recorded_uri if part == "." else filesystem.join(self._recorded_uri, part)

    def on_this_machine(self, *, streamed: bool = False) -> Self:
        """Returns a copy of a remote artifact whose ``uri`` is a local path; a local artifact as it is.

        ``streamed``: ``readable_uri`` answers with places that other machines can read, too. `release` ends its use.
        """
        if filesystem.is_local(self._recorded_uri):
            return self
        version = self.custom_properties.get(CONTENT_DIGEST) or filesystem.digest(self._recorded_uri)
        near = copy.copy(self)
        near.properties, near.custom_properties = dict(self.properties), dict(self.custom_properties)
        near.__dict__["_copy"] = filesystem.LocalCopy(self._recorded_uri, str(version), streamed=streamed)
        return near

    def release(self) -> None:
        """Lets the local copy be removed when room is needed."""
        if self._copy is not None:
            self._copy.close()

    def set_property(self, name: str, value: PropertyValue) -> None:
        """Sets a declared property. Raises ArtifactError for an undeclared name or a value of another type."""
        declared = self.PROPERTIES.get(name)
        if declared is None:
            hint = did_you_mean(name, self.PROPERTIES)
            raise ArtifactError(f"{self.TYPE_NAME} has no declared property {name!r}{hint}")
        wrong_bool = isinstance(value, bool) and declared.type in _NO_BOOL
        if not isinstance(value, _PYTHON_TYPES[declared.type]) or wrong_bool:
            expected = declared.type.name
            raise ArtifactError(
                f"property {name!r} of {self.TYPE_NAME}: expected {expected}, received {name}={value!r}"
            )
        self.properties[name] = value

    def __getattr__(self, name: str) -> Any:
        # Only called when normal lookup fails, so a declared property never hides a real attribute.
        declared = type(self).PROPERTIES.get(name)
        if declared is None or name.startswith("__"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return self.__dict__.get("properties", {}).get(name, _DEFAULTS.get(declared.type))

    def __setattr__(self, name: str, value: Any) -> None:
        if name in type(self).PROPERTIES and not isinstance(getattr(type(self), name, None), property):
            self.set_property(name, value)
        else:
            super().__setattr__(name, value)

    def __repr__(self) -> str:
        return f"{self.TYPE_NAME}(id={self.id}, uri={self._recorded_uri!r})"


def _split_names(artifact: Artifact) -> list[str]:
    text = artifact.properties.get("split_names", "")
    return list(json.loads(str(text))) if text else []


class _SplitArtifact(Artifact):
    """An artifact whose payload is one folder per split: ``{uri}/Split-{name}``."""

    TYPE_NAME = "_SplitArtifact"

    @property
    def splits(self) -> list[str]:
        """Names of the splits, in order."""
        return _split_names(self)

    @splits.setter
    def splits(self, names: Sequence[str]) -> None:
        self.set_property("split_names", json.dumps(list(names)))

    def path(self, split: str) -> str:
        """Returns the folder of one split. Raises ArtifactError if there is no such split."""
        self._check_split(split)
        return self.local_uri(f"Split-{split}")

    def readable_path(self, split: str) -> str:
        """Returns where one split can be streamed from; errors as for `path`."""
        self._check_split(split)
        return self.readable_uri(f"Split-{split}")

    def _check_split(self, split: str) -> None:
        if split not in self.splits:
            hint = did_you_mean(split, self.splits)
            raise ArtifactError(f"{self.TYPE_NAME} at {self.recorded_uri!r} has no split {split!r}{hint}")

    def kept_splits(self, excluded: Sequence[str] | None) -> list[str]:
        """Returns the splits without the excluded ones. Raises ConfigError for an unknown one, or if none is left."""
        for split in excluded or ():
            if split not in self.splits:
                hint = did_you_mean(split, self.splits)
                raise ConfigError(
                    f"exclude_splits: {self.TYPE_NAME} at {self.recorded_uri!r} has no split {split!r}{hint}"
                )
        kept = [split for split in self.splits if split not in (excluded or ())]
        if not kept:
            raise ConfigError(
                f"{self.TYPE_NAME} at {self.recorded_uri!r}: expected at least one split to work on, received "
                f"splits={self.splits!r}, exclude_splits={list(excluded or ())!r}"
            )
        return kept


_SPAN = {"span": Property(PropertyType.INT)}
_SPLIT_NAMES = {"split_names": Property(PropertyType.STRING)}


class Examples(_SplitArtifact):
    """Rows of data, in splits: ``Split-{name}/data_tfrecord-*.gz`` (or ``data_parquet-*.parquet``)."""

    BASE_TYPE = "Dataset"
    PROPERTIES = {**_SPAN, "version": Property(PropertyType.INT), **_SPLIT_NAMES}


class ExampleStatistics(_SplitArtifact):
    """Statistics of every split: ``Split-{name}/FeatureStats.pb``."""

    BASE_TYPE = "Statistics"
    PROPERTIES = {**_SPAN, **_SPLIT_NAMES}


class ExampleAnomalies(_SplitArtifact):
    """Anomalies of every split: ``Split-{name}/SchemaDiff.pb``."""

    PROPERTIES = {**_SPAN, **_SPLIT_NAMES}


class ExamplesDiff(Artifact):
    """Differences between two sets of examples: ``SplitPair-{test}_{base}/skew_stats-*`` and its kin."""


class ExampleValidationMetrics(_SplitArtifact):
    """Figures about examples besides statistics, such as how useful each feature is."""

    PROPERTIES = {**_SPAN, **_SPLIT_NAMES}


class Schema(Artifact):
    """A tensorflow_metadata Schema: ``schema.pbtxt``."""


class TransformGraph(Artifact):
    """The output folder of tf.Transform: ``transform_fn``, ``transformed_metadata``, ``metadata``."""


class TransformCache(Artifact):
    """The analyzer cache of tf.Transform."""


class Model(Artifact):
    """A trained model: ``Format-Serving`` (a SavedModel) and, optionally, ``Format-TFMA``."""

    BASE_TYPE = "Model"


class PushedModel(Artifact):
    """A model that was pushed; ``pushed_destination`` and ``pushed_version`` are custom properties."""

    BASE_TYPE = "Model"


class ModelRun(Artifact):
    """What training wrote besides the model: logs for TensorBoard, checkpoints."""


class ModelBlessing(Artifact):
    """An Evaluator's verdict: an empty file ``BLESSED`` or ``NOT_BLESSED``."""


class ModelEvaluation(Artifact):
    """An Evaluator's result, in TFMA's files."""


class InfraBlessing(Artifact):
    """An InfraValidator's verdict: an empty file ``INFRA_BLESSED`` or ``INFRA_NOT_BLESSED``."""


class SkewBlessing(Artifact):
    """A verdict on whether served answers are those of training: a file ``SKEW_BLESSED`` or ``SKEW_NOT_BLESSED``."""


class InferenceResult(Artifact):
    """A BulkInferrer's PredictionLogs."""


class HyperParameters(Artifact):
    """The best hyperparameters found: ``best_hyperparameters.txt``."""


class TunerResults(Artifact):
    """All trials of a Tuner: ``tuner_results.json``."""


class ValueArtifact(Artifact):
    """A single value in one file at ``uri``. ``None`` is an empty file and ``__is_null__`` = 1."""

    _value: Any = None
    _has_value: bool = False

    @classmethod
    def annotate_as(cls, type_annotation: type[SystemArtifact] | None = None) -> type[Self]:
        """Returns a subclass with a system type, such as ``String_Model``; the class itself for None."""
        if type_annotation is None:
            return cls
        name = f"{cls.__name__}_{type_annotation.__name__}"
        made: type[Self] = type(name, (cls,), {"TYPE_ANNOTATION": type_annotation, "__module__": cls.__module__})
        return made

    @property
    def value(self) -> Any:
        """The value; read from the file at the first use."""
        return self._value if self._has_value else self.read()

    @value.setter
    def value(self, value: Any) -> None:
        self.write(value)

    def read(self) -> Any:
        """Reads the value from the file. Raises ArtifactError if it cannot be decoded."""
        data = filesystem.read_bytes(self.uri)
        if self.custom_properties.get("__is_null__") == 1:
            value = None
        else:
            try:
                value = self.decode(data)
            except ValueError as error:
                raise ArtifactError(f"{self.TYPE_NAME} at {self.recorded_uri!r} cannot be decoded: {error}") from error
        self._value, self._has_value = value, True
        return value

    def write(self, value: Any) -> None:
        """Writes the value to the file. Raises ArtifactError for a value of another type."""
        self.custom_properties["__is_null__"] = 1 if value is None else 0
        filesystem.write_bytes(self.uri, b"" if value is None else self.encode(value))
        self._value, self._has_value = value, True

    def encode(self, value: Any) -> bytes:
        """Value to bytes; every subclass defines its own."""
        raise NotImplementedError(f"{type(self).__name__} must define encode()")

    def decode(self, data: bytes) -> Any:
        """Bytes to value; every subclass defines its own."""
        raise NotImplementedError(f"{type(self).__name__} must define decode()")

    def _expect(self, value: Any, *types: type) -> None:
        wrong_bool = isinstance(value, bool) and bool not in types
        if wrong_bool or not isinstance(value, types):
            expected = " or ".join(t.__name__ for t in types)
            raise ArtifactError(f"{self.TYPE_NAME}: expected {expected}, received value={value!r}")


class Bytes(ValueArtifact):
    """Raw bytes."""

    def encode(self, value: Any) -> bytes:
        self._expect(value, bytes)
        return bytes(value)

    def decode(self, data: bytes) -> bytes:
        return data


class String(ValueArtifact):
    """Text, UTF-8."""

    def encode(self, value: Any) -> bytes:
        self._expect(value, str)
        return str(value).encode("utf-8")

    def decode(self, data: bytes) -> str:
        return data.decode("utf-8")


class Boolean(ValueArtifact):
    """``1`` or ``0``."""

    def encode(self, value: Any) -> bytes:
        self._expect(value, bool)
        return b"1" if value else b"0"

    def decode(self, data: bytes) -> bool:
        if data.strip() not in (b"0", b"1"):
            raise ValueError(f"expected 0 or 1, received {data!r}")
        return data.strip() == b"1"


class Integer(ValueArtifact):
    """A decimal integer."""

    def encode(self, value: Any) -> bytes:
        self._expect(value, int)
        return str(value).encode()

    def decode(self, data: bytes) -> int:
        return int(data)


class Float(ValueArtifact):
    """A float as text; ``Infinity``, ``-Infinity`` and ``NaN`` as in TFX."""

    def encode(self, value: Any) -> bytes:
        self._expect(value, float, int)
        text = str(float(value))
        return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(text, text).encode()

    def decode(self, data: bytes) -> float:
        return float(data)


class JsonValue(ValueArtifact):
    """Anything that JSON can express."""

    def encode(self, value: Any) -> bytes:
        try:
            return json.dumps(value, sort_keys=True).encode()
        except TypeError as error:
            raise ArtifactError(f"JsonValue: expected a JSON value, received value={value!r}: {error}") from error

    def decode(self, data: bytes) -> Any:
        return json.loads(data)


STANDARD_TYPES: tuple[type[Artifact], ...] = (
    Boolean, Bytes, ExampleAnomalies, ExampleStatistics, Examples, Float, HyperParameters, InferenceResult,
    InfraBlessing, Integer, JsonValue, Model, ModelBlessing, ModelEvaluation, ModelRun, PushedModel, Schema, String,
    TransformCache, TransformGraph, TunerResults,
)  # fmt: skip
