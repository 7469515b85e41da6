"""An artifact for people: what the store says of it, its files, and the beginning of what is text."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.history.lineage import describe

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Artifact

_TEXT = (".txt", ".json", ".pbtxt", ".md", ".csv", ".html")
_MOST_FILES = 40
_MOST_TEXT = 4000


@dataclass(frozen=True)
class Contents:
    """What an artifact is and has.

    Attributes:
        artifact: id, type, uri, state and properties.
        files: size in bytes by path within the artifact.
        summary: what its files say, by file or split: texts, counts of anomalies, statistics.
    """

    artifact: dict[str, Any]
    files: dict[str, int]
    summary: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For a terminal."""
        of = self.artifact
        found = [f"{of['type']} {of['id']} ({of['state']})", f"  uri: {of['uri']}"]
        for name, value in {**of["properties"], **of["custom_properties"]}.items():
            found.append(f"  {name}: {value}")
        found.append(f"  files: {len(self.files)}, {sum(self.files.values()):,} bytes")
        found += [f"    {size:>12,}  {path}" for path, size in list(self.files.items())[:_MOST_FILES]]
        if len(self.files) > _MOST_FILES:
            found.append(f"    and {len(self.files) - _MOST_FILES} more")
        for name, content in self.summary.items():
            text = content if isinstance(content, str) else json.dumps(content, indent=2)
            found += [f"  {name}:", *(f"    {line}" for line in text.rstrip().splitlines())]
        return found


def contents(artifact: Artifact) -> Contents:
    """Reads what there is. An artifact whose files are gone has none."""
    uri = artifact.uri
    if not filesystem.exists(uri):
        return Contents(describe(artifact), {}, {"gone": f"nothing is at {uri}"})
    if not filesystem.isdir(uri):
        return Contents(describe(artifact), {filesystem.basename(uri): filesystem.size(uri)}, {"value": _text(uri)})
    paths = sorted(filesystem.walk_files(uri))
    files = {path.removeprefix(uri).lstrip("/"): filesystem.stat(path).size for path in paths}
    summary: dict[str, Any] = {}
    for path, name in zip(paths, files, strict=True):
        if name.endswith("FeatureStats.pb"):
            summary[name] = _statistics(path)
        elif name.endswith("SchemaDiff.pb"):
            summary[name] = _anomalies(path)
        elif name.endswith(_TEXT):
            summary[name] = _text(path)
    return Contents(describe(artifact), files, summary)


def _text(path: str) -> str:
    text = filesystem.read_bytes(path).decode("utf-8", "replace")
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}\n... {len(text) - _MOST_TEXT:,} more characters"


def _statistics(path: str) -> list[str]:
    from mlops_tfx.io.protos import read_statistics

    lines = []
    for dataset in read_statistics(path).datasets:
        lines.append(f"{dataset.num_examples:,} rows")
        for feature in dataset.features:
            name = feature.name or ".".join(feature.path.step)
            lines.append(f"{name}: {_feature(feature)}")
    return lines


def _feature(feature: Any) -> str:
    if feature.HasField("num_stats"):
        numbers = feature.num_stats
        common = numbers.common_stats
        told = f"mean {numbers.mean:.4g}, min {numbers.min:.4g}, max {numbers.max:.4g}"
    else:
        common = (
            feature.string_stats.common_stats if feature.HasField("string_stats") else feature.bytes_stats.common_stats
        )
        told = f"{feature.string_stats.unique:,} values" if feature.HasField("string_stats") else "bytes"
    return f"{told}; {common.num_missing:,} missing"


def _anomalies(path: str) -> dict[str, str]:
    from mlops_tfx.io.protos import read_anomalies

    return {name: info.description for name, info in read_anomalies(path).anomaly_info.items()} or {
        "none": "no anomaly"
    }
