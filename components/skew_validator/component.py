"""SkewValidator: proof that what is served equals what training saw, or the feature in which it does not."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Artifact, Examples, Model, Schema, SkewBlessing, TransformGraph
from mlops_tfx.component import Component, Input, Inputs, OptionalInputs, Output
from mlops_tfx.errors import ArtifactError, ConfigError, did_you_mean

if TYPE_CHECKING:
    from mlops_tfx.skew.findings import Findings
    from mlops_tfx.skew.request import Request

BLESSED, NOT_BLESSED = "SKEW_BLESSED", "SKEW_NOT_BLESSED"
REPORT, PAGE = "skew.json", "skew.html"
_PATHS = ("in_process", "grpc", "rest", "bulk_inferrer")
# Custom properties are for reading; ML Metadata on MySQL takes 64 KiB of text.
_MAX_REASON = 4000
_SHOWN_REASONS = 10


class SkewReport(Artifact):
    """What a SkewValidator compared, and what it found: ``skew.json`` and ``skew.html``."""


class SkewValidator(Component):
    """Compares training's own path with every way in which the model is served, element by element.

    Training's own path is the transform graph, applied as Transform does, and what was trained behind it. Against it
    stand the SavedModel's signatures in this process, a model server over gRPC and REST with serialized rows and with
    raw tensors, and bulk inference. Predictions are compared, and the transformed features: those that a signature
    returns, and those that the model gets inside a signature's graph. So a feature that is computed otherwise than in
    training is named. What cannot be compared is refused, unless it cannot be expressed by design, which is listed.

    Args:
        model: the model, of which ``Format-Serving`` is compared.
        transform_graph: the transform graph it was trained with.
        examples: raw rows to draw from.
        schema: what rows may be; rows are made from it, too.
        transformed_examples: what training read; compared with the graph, and what everything else is held against.
        example_splits: splits to draw from; default: all.
        label_key: the label or labels among the raw features, which requests do not have.
        num_rows: rows to draw.
        one_by_one: rows that are also sent alone, of those drawn and of those made.
        seed: of the draw; the same rows for the same seed and data.
        paths: what to compare: any of ``in_process``, ``grpc``, ``rest`` and ``bulk_inferrer``.
        signatures: the signatures to compare; default: all that take raw rows.
        training_signature: the signature that takes transformed features, where the SavedModel has no other way to
            ask what was trained; default: found by itself.
        ignored_outputs: outputs that are not compared.
        written_ulps: in this process both sides run without TensorFlow's graph optimizer: equal graphs give equal bits.
            So the tolerance is 0: preprocessing that was written twice and rounds once otherwise is found.
        feature_ulps: tolerance, in units in the last place, for features that servers compute with the optimizer, which
            multiplies by 1 / c for a division by c.
        feature_absolute: a difference of features that counts as none, however many units it is.
        prediction_ulps: tolerance for predictions of servers, in which such differences of features add up.
        prediction_absolute: a difference of predictions that counts as none, for values next to zero.
        require_observed: whether a signature into whose graph one cannot look is refused. Otherwise its predictions
            alone are compared, to ``written_ulps``.

    Writes ``SKEW_BLESSED`` or ``SKEW_NOT_BLESSED`` (``blessing``), ``skew.json`` and ``skew.html`` (``report``). Custom
    properties of both: ``blessed``, ``skewed_features`` (JSON) and, if refused, ``not_blessed_reason``.
    """

    HEAVY_IMPORTS = ("tensorflow", "tensorflow_transform")

    model: Input[Model]
    transform_graph: Input[TransformGraph]
    examples: Inputs[Examples]
    schema: Input[Schema]
    transformed_examples: OptionalInputs[Examples] = OptionalInputs()
    example_splits: tuple[str, ...] | None = None
    label_key: str | tuple[str, ...] = ()
    num_rows: int = 256
    one_by_one: int = 32
    seed: int = 0
    paths: tuple[str, ...] = _PATHS
    signatures: tuple[str, ...] = ()
    training_signature: str | None = None
    ignored_outputs: tuple[str, ...] = ()
    written_ulps: int = 0
    feature_ulps: int = 4
    feature_absolute: float = 0.0
    prediction_ulps: int = 256
    prediction_absolute: float = 1e-6
    require_observed: bool = True
    blessing = Output(SkewBlessing)
    report = Output(SkewReport)

    def check(self) -> Iterable[str]:
        """Paths that are none, and numbers out of range."""
        for path in self.paths:
            if path not in _PATHS:
                yield f"parameter 'paths': no path {path!r}{did_you_mean(path, _PATHS)}"
        if not self.paths:
            yield f"parameter 'paths': expected at least one of {', '.join(_PATHS)}, received none"
        for name in ("paths", "signatures", "example_splits"):
            given = getattr(self, name) or ()
            if len(set(given)) < len(given):
                yield f"parameter {name!r}: expected each name once, received {name}={list(given)!r}"
        if self.example_splits is not None and not self.example_splits:
            yield "parameter 'example_splits': expected at least one split, received none; leave it out for all"
        if self.num_rows < 1:
            yield f"parameter 'num_rows': expected at least 1, received num_rows={self.num_rows}"
        least = ("one_by_one", "seed", "written_ulps", "feature_ulps", "feature_absolute", "prediction_ulps",
                 "prediction_absolute")  # fmt: skip
        for name in least:
            value = getattr(self, name)
            if not value >= 0:
                yield f"parameter {name!r}: expected a number from 0, received {name}={value!r}"

    def run(self) -> None:
        """Compares and gives the verdict."""
        from mlops_tfx.skew.validation import validate

        for output in (self.blessing, self.report):
            filesystem.makedirs(output.uri)
        findings = validate(self._request())
        self._write(findings)

    def _request(self) -> Request:
        from mlops_tfx.io.protos import SCHEMA_FILE, read_schema
        from mlops_tfx.skew.checking import Tolerances
        from mlops_tfx.skew.comparison import Tolerance
        from mlops_tfx.skew.request import Request

        folder = os.path.join(self.model.uri, "Format-Serving")
        if not filesystem.isdir(folder) or not filesystem.listdir(folder):
            raise ArtifactError(f"expected a model in the folder {folder!r}, found nothing; train it again")
        return Request(
            model=folder,
            transform_graph=self.transform_graph.uri,
            examples=self.examples,
            transformed_examples=self.transformed_examples,
            schema=read_schema(os.path.join(self.schema.uri, SCHEMA_FILE)),
            splits=self._splits(),
            num_rows=self.num_rows,
            one_by_one=self.one_by_one,
            seed=self.seed,
            paths=self.paths,
            signatures=self.signatures,
            training_signature=self.training_signature,
            label_keys=(self.label_key,) if isinstance(self.label_key, str) else self.label_key,
            ignored_outputs=self.ignored_outputs,
            tolerances=Tolerances(
                written=Tolerance(self.written_ulps),
                features=Tolerance(self.feature_ulps, self.feature_absolute),
                predictions=Tolerance(self.prediction_ulps, self.prediction_absolute),
            ),
            require_observed=self.require_observed,
            folder=filesystem.local_path(self.context.temp_dir),
            log=self.context.log,
        )

    def _splits(self) -> list[str]:
        known = list(dict.fromkeys(split for artifact in self.examples for split in artifact.splits))
        for split in self.example_splits or ():
            if split not in known:
                raise ConfigError(f"example_splits: the examples have no split {split!r}{did_you_mean(split, known)}")
        if not known:
            where = " and ".join(artifact.recorded_uri for artifact in self.examples)
            raise ArtifactError(f"expected examples with at least one split, received none at {where}")
        return [split for split in known if self.example_splits is None or split in self.example_splits]

    def _write(self, findings: Findings) -> None:
        from mlops_tfx.skew.report import as_html, as_json

        data = as_json(findings)
        text = json.dumps(data, indent=2, ensure_ascii=False)
        filesystem.write_bytes(os.path.join(self.report.uri, REPORT), text.encode("utf-8", "backslashreplace"))
        filesystem.write_bytes(os.path.join(self.report.uri, PAGE), as_html(findings).encode())
        name = BLESSED if findings.blessed else NOT_BLESSED
        filesystem.write_bytes(os.path.join(self.blessing.uri, name), b"")
        reasons = findings.reasons
        for output in (self.blessing, self.report):
            properties = output.custom_properties
            properties["blessed"] = int(findings.blessed)
            properties["skewed_features"] = json.dumps(sorted(findings.skewed_features))[:_MAX_REASON]
            if reasons:
                properties["not_blessed_reason"] = "; ".join(reasons)[:_MAX_REASON]
        self.context.report_rows(len(findings.sampled) + findings.synthesised)
        for reason in reasons[:_SHOWN_REASONS]:
            self.context.log(f"not blessed: {reason}")
        if len(reasons) > _SHOWN_REASONS:
            self.context.log(f"not blessed: {len(reasons) - _SHOWN_REASONS} more reasons, see {self.report.uri}")
        for advice in findings.advice:
            self.context.log(f"what to do: {advice}")
