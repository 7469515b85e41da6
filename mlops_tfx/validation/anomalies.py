"""What TFDV finds wrong, as records that can be read without TensorFlow, and their text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import anomalies_pb2


@dataclass(frozen=True)
class Anomaly:
    """One feature's anomaly, readable without TensorFlow.

    Attributes:
        feature: the feature, with dots between the steps of its path; empty if it is about the dataset.
        severity: ``ERROR`` or ``WARNING``.
        types: TFDV's names of what is wrong, such as ``INT_TYPE_BIG_INT``.
        description: TFDV's sentences.
        expected: what the schema allows, in words.
        examples: values that the schema does not allow, the most frequent first where frequencies are known.
        rows: rows with such values; None if only the statistics are known.
        first_row: index of the first such row in the split, from 0; None if only the statistics are known.
    """

    feature: str
    severity: str
    types: tuple[str, ...]
    description: str
    expected: str = ""
    examples: tuple[Any, ...] = ()
    rows: int | None = None
    first_row: int | None = None

    def __str__(self) -> str:
        parts = [f"{self.feature or 'dataset'}: {self.description} [{', '.join(self.types)}]"]
        if self.expected:
            parts.append(f"the schema says {self.expected}")
        if self.examples:
            parts.append(f"seen {', '.join(repr(value) for value in self.examples)}")
        if self.rows:
            parts.append(f"in {self.rows} rows, the first of them row {self.first_row}")
        return "; ".join(parts)


def make_anomaly(feature: str, info: anomalies_pb2.AnomalyInfo, **seen: Any) -> Anomaly:
    """Reads TFDV's AnomalyInfo of one feature (empty: of the dataset); ``seen`` are further fields of Anomaly."""
    severity = info.Severity.Name(info.severity)
    types = tuple(info.Type.Name(reason.type) for reason in info.reason)
    sentences = info.description.strip() or " ".join(reason.description.strip() for reason in info.reason)
    return Anomaly(feature, severity, types, sentences, **seen)


def read_anomalies(found: anomalies_pb2.Anomalies) -> list[Anomaly]:
    """All anomalies of a dataset, its own first, then those of its features by name."""
    own = [make_anomaly("", found.dataset_anomaly_info)] if found.HasField("dataset_anomaly_info") else []
    infos = sorted(found.anomaly_info.items())
    return own + [make_anomaly(".".join(info.path.step) or key, info) for key, info in infos]


def describe_anomalies(where: str, anomalies: Sequence[Anomaly]) -> str:
    """Text of several lines: how many there are (``where``, such as ``split 'eval'``), then each of them."""
    count = f"{len(anomalies)} {'anomaly' if len(anomalies) == 1 else 'anomalies'}"
    return "\n".join([f"{where}: {count}", *(f"  {anomaly}" for anomaly in anomalies)])
