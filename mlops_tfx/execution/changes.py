"""What differs between two executions of a node, as far as the store tells.

Our executions keep the ingredients of their cache key. Those of TFX keep parameters and inputs, and neither code nor
versions; beside one of ours, even its parameters are in another form, and what went in and came out is what remains.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import CONTENT_DIGEST
from mlops_tfx.execution.cache import differences
from mlops_tfx.execution.task import INGREDIENTS
from mlops_tfx.parameters import canonical_json

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Artifact
    from mlops_tfx.metadata import ExecutionRecord, MetadataStore

BOTH_FOREIGN = "of what TFX ran on both sides, parameters and inputs are known; code by the hash in module_path only"
ONE_FOREIGN = "of what TFX ran on one side, inputs and outputs are compared; code, versions and parameters cannot be"


@dataclass(frozen=True)
class Change:
    """One ingredient of the cache key that differs; ``before`` or ``after`` is None where it was not there."""

    name: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.name}: new"
        if self.after is None:
            return f"{self.name}: gone"
        if _is_digest(self.before) or _is_digest(self.after):
            return f"{self.name}: content changed"
        return f"{self.name}: {self.before} -> {self.after}"


def changes_between(before: ExecutionRecord, after: ExecutionRecord) -> tuple[tuple[Change, ...], str]:
    """Returns what went in differently, and what the store does not tell; "" if it tells all."""
    if not (before.is_foreign or after.is_foreign):
        return tuple(Change(*found) for found in differences(ingredients_of(before), ingredients_of(after))), ""
    changes = [Change(f"input {key}", *texts) for key, texts in _content_changes(before.inputs, after.inputs).items()]
    if not (before.is_foreign and after.is_foreign):
        return tuple(changes), ONE_FOREIGN
    parameters = differences(_parameters(before), _parameters(after))
    return (*(Change(f"parameter {name}", *texts) for name, *texts in parameters), *changes), BOTH_FOREIGN


def as_made(record: ExecutionRecord, store: MetadataStore) -> ExecutionRecord:
    """The record with the parameters of the execution that made its outputs, where TFX reused them.

    A CACHED execution of TFX has its parameters as they were before its driver looked for spans and files.
    """
    if not record.is_foreign or record.state.name != "CACHED":
        return record
    outputs = [artifact for group in record.outputs.values() for artifact in group]
    makers = [made for made in store.executions_with_outputs(outputs) if made.state.name == "COMPLETE"]
    return replace(record, properties=makers[0].properties) if makers else record


def changed_outputs(before: ExecutionRecord, after: ExecutionRecord) -> tuple[str, ...]:
    """Names of the outputs whose content differs, or that only one has, if both ended well."""
    done = all(record.state.name in ("COMPLETE", "CACHED") for record in (before, after))
    return tuple(_content_changes(before.outputs, after.outputs)) if done else ()


def ingredients_of(record: ExecutionRecord) -> Mapping[str, str]:
    """What the cache key of an execution was made of; empty where the store does not tell."""
    text = record.properties.get(INGREDIENTS)
    return dict(json.loads(str(text))) if text else {}


def _parameters(record: ExecutionRecord) -> dict[str, str]:
    return {name: canonical_json(value) for name, value in record.properties.items()}


def _content_changes(
    before: Mapping[str, Sequence[Artifact]], after: Mapping[str, Sequence[Artifact]]
) -> dict[str, tuple[str | None, str | None]]:
    changed: dict[str, tuple[str | None, str | None]] = {}
    for key in sorted({*before, *after}):
        one, other = before.get(key), after.get(key)
        if one is None or other is None:
            changed[key] = (_text(one), _text(other))
        # What is the same artifact needs not be read.
        elif [a.id for a in one] != [a.id for a in other] and _contents(one) != _contents(other):
            changed[key] = (_text(one), _text(other))
    return changed


def _contents(artifacts: Sequence[Artifact]) -> list[Any]:
    return [_content(artifact) for artifact in artifacts]


def _content(artifact: Artifact) -> str:
    """The digest of the content; of what TFX wrote, from its files; of what is gone, where it lay."""
    recorded = artifact.custom_properties.get(CONTENT_DIGEST)
    if recorded:
        return str(recorded)
    return filesystem.digest(artifact.uri) if filesystem.exists(artifact.uri) else artifact.recorded_uri


def _text(artifacts: Sequence[Artifact] | None) -> str | None:
    return None if artifacts is None else ", ".join(f"{a.TYPE_NAME} {a.id}" for a in artifacts) or "nothing"


def _is_digest(text: str) -> bool:
    return len(text) == 64 and all(c in "0123456789abcdef" for c in text)
