"""Writes differences as the records that TFDV's feature_skew_detector writes, and reads them back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_tfx.components.example_diff.comparison import Differences, SkewedPair

STATS_FILE, SAMPLE_FILE, MATCH_FILE, CONFUSION_FILE = "skew_stats", "sample_pairs", "match_stats", "confusion"
_LISTED = 10


def write_differences(folder: str, found: Differences, with_confusion: bool) -> None:
    """Writes the files of one pair of splits; TFDV's ``skew_results_iterator`` and its kin read them."""
    from tensorflow_data_validation.skew.protos import feature_skew_results_pb2 as protos

    skews = [
        protos.FeatureSkew(feature_name=name, diff_count=skew.diff_count, **asdict(skew))
        for name, skew in sorted(found.skews.items())
    ]
    _write(folder, STATS_FILE, skews)
    _write(folder, SAMPLE_FILE, [_sampled(pair, protos) for _, pair in found.sample])
    _write(folder, MATCH_FILE, [protos.MatchStats(**asdict(found.match_stats))])
    if with_confusion:
        _write(folder, CONFUSION_FILE, [_confused(*entry, protos) for entry in sorted(found.confusion.items())])


def _confused(key: tuple[str, bytes, bytes], count: int, protos: Any) -> Any:
    record = protos.ConfusionCount(feature_name=key[0], count=count)
    record.base.bytes_value, record.test.bytes_value = key[1:]
    return record


def _sampled(pair: SkewedPair, protos: Any) -> Any:
    return protos.SkewPair(
        base=_example(pair.base),
        test=_example(pair.test),
        **{f"{kind}_features": names for kind, names in pair.features.items()},
    )


def _example(features: dict[str, bytes]) -> bytes:
    """A serialized tf.Example of serialized features."""
    entries = b"".join(
        _field(1, _field(1, name.encode()) + _field(2, feature))
        for name, feature in sorted(features.items(), key=lambda item: item[0].encode())
    )
    return _field(1, entries)


def _field(number: int, data: bytes) -> bytes:
    from mlops_tfx.io import wire

    return bytes([number << 3 | 2]) + wire.varint(len(data)) + data


def _write(folder: str, name: str, records: Sequence[Any]) -> None:
    import pyarrow as pa

    from mlops_tfx.io import tfrecord

    serialized = [record.SerializeToString(deterministic=True) for record in records]
    framed = tfrecord.frame(pa.array(serialized, pa.binary())).to_pylist() if serialized else []
    filesystem.write_bytes(f"{folder}/{name}-00000-of-00001", b"".join(framed))


def describe_differences(name: str, found: Differences) -> str:
    """Some lines of text: how many pairs were found, and the features that differ most often."""
    stats = found.match_stats
    lines = [
        f"split pair {name}: {stats.matching_pairs_count} pairs of {stats.base_with_id_count} base and "
        f"{stats.test_with_id_count} test rows; {stats.ids_missing_in_base_count} identifiers are not in base, "
        f"{stats.ids_missing_in_test_count} not in test, {stats.duplicate_id_count} not unique"
    ]
    differing = sorted((item for item in found.skews.items() if item[1].diff_count), key=lambda i: -i[1].diff_count)
    for feature, skew in differing[:_LISTED]:
        lines.append(
            f"  {feature}: {skew.diff_count} differ ({skew.mismatch_count} in value, {skew.base_only} only in base, "
            f"{skew.test_only} only in test), {skew.match_count} are equal"
        )
    if len(differing) > _LISTED:
        lines.append(f"  and {len(differing) - _LISTED} more features")
    return "\n".join(lines if differing else [*lines, "  no feature differs"])
