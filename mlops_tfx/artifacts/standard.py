"""The artifact types of the standard components: TFX's 21, and those beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from mlops_tfx.artifacts.artifact import Artifact
from mlops_tfx.artifacts.properties import Property, PropertyType
from mlops_tfx.artifacts.values import Boolean, Bytes, Float, Integer, JsonValue, String
from mlops_tfx.errors import ArtifactError, ConfigError, did_you_mean


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


class DataView(Artifact):
    """A SavedModel that takes records apart: ``tfx_bsl``'s TFGraphRecordDecoder. Not among TFX's public types."""


class Config(Artifact):
    """Files that configure something. Not among TFX's public types."""


class ExternalArtifact(Artifact):
    """Files from elsewhere. Not among TFX's public types, and given up there for types that say what the files are."""


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


STANDARD_TYPES: tuple[type[Artifact], ...] = (
    Boolean, Bytes, ExampleAnomalies, ExampleStatistics, Examples, Float, HyperParameters, InferenceResult,
    InfraBlessing, Integer, JsonValue, Model, ModelBlessing, ModelEvaluation, ModelRun, PushedModel, Schema, String,
    TransformCache, TransformGraph, TunerResults,
)  # fmt: skip
