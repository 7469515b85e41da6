"""Finds the features that explain what differs, from all results, and what it looks like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mlops_tfx.skew import attribution
from mlops_tfx.skew.causes import cause_of_rows
from mlops_tfx.skew.checking import Check
from mlops_tfx.skew.findings import Findings
from mlops_tfx.skew.paths import RequestPath, in_process
from mlops_tfx.skew.preparation import World, features_to_change
from mlops_tfx.skew.request import Request
from mlops_tfx.skew.rows import SAMPLED, SYNTHESISED
from mlops_tfx.skew.signatures import Signature
from mlops_tfx.skew.training import Reference


def blame(request: Request, check: Check, world: World, signatures: Sequence[Signature], findings: Findings) -> None:
    """Enters the suspects into the findings: of every signature that differs, or whose features do."""
    path = in_process(world.preprocessing.raw_spec)
    suspects: dict[str, attribution.Suspect] = {}
    for signature in signatures:
        results = [result for result in findings.results if result.signature == signature.name]
        if all(result.equal for result in results) or not signature.predictions:
            continue
        observer = check.observers.get(signature.name)
        for reference in world.references:
            kept = _expressible(path, signature, reference, request.label_keys)
            if observer is None and reference.rows.origin != SAMPLED:
                continue  # the names of the rows that differ tell what was changed in them
            if observer is None:
                names = features_to_change(request, world)
                found = attribution.by_replacing_raw_features(
                    path, signature, kept, request.label_keys, names, request.tolerances
                )
            else:
                differing = _differing(results, reference.rows.origin)
                sent = kept.rows.without(request.label_keys)
                found = attribution.by_substitution(
                    observer, path, signature, kept, sent, differing, request.tolerances
                )
            for suspect in found:
                suspects.setdefault(suspect.feature, suspect)
    for name in findings.skewed_features:
        suspects.setdefault(name, attribution.Suspect(name, False, f"{name} differs"))
    findings.suspects = [_explained(suspect, world, findings) for suspect in suspects.values()]


def _explained(suspect: attribution.Suspect, world: World, findings: Findings) -> attribution.Suspect:
    """The suspect with the raw features that it comes from, and what differs looks like."""
    text = suspect.text
    raw = sorted(world.preprocessing.sources.get(suspect.feature, ())) if not suspect.raw else []
    if raw:
        text += f"; it is computed from {', '.join(map(repr, raw))}"
    places = findings.skewed_features.get(suspect.feature, [])
    cause = cause_of_rows((outcome, rows) for _, outcome, rows in places if rows.origin == SYNTHESISED)
    return replace(suspect, text=f"{text}; it looks as if {cause}" if cause else text)


def _expressible(path: RequestPath, signature: Signature, reference: Reference, labels: Sequence[str]) -> Reference:
    reasons = path.inexpressible(reference.rows.without(labels), signature)
    return reference.together([row for row in range(len(reference)) if row not in reasons])


def _differing(results: Sequence[Any], origin: str) -> list[str]:
    found = [
        outcome.name for result in results if result.rows == origin for outcome in result.observed if not outcome.equal
    ]
    return list(dict.fromkeys(found))
