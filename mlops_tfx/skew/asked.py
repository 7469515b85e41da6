"""Which signatures are asked, and which of them can be looked into."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mlops_tfx.skew.checking import verify
from mlops_tfx.skew.findings import Findings
from mlops_tfx.skew.observation import Observer, UnobservableError, observe
from mlops_tfx.skew.paths import RequestPath, in_process
from mlops_tfx.skew.preparation import World
from mlops_tfx.skew.request import Request
from mlops_tfx.skew.signatures import Signature, read_signatures
from mlops_tfx.skew.training import Reference


def asked_signatures(request: Request, world: World, outputs: Collection[str], findings: Findings) -> list[Signature]:
    """Returns the signatures to compare; notes what is left out, by design or as a problem."""
    raw, transformed = world.preprocessing.raw_spec, world.preprocessing.features
    found, left_out = read_signatures(world.loaded, request.signatures, raw, transformed, world.model, outputs)
    for name, reason in left_out.items():
        if reason:
            findings.by_design.append(f"signature {name!r}: {reason}")
        else:
            findings.problems.append(
                f"signature {name!r} takes neither serialized rows nor the raw features by name; leave it out"
            )
    if world.model is None:
        findings.problems.append(
            "what was trained cannot be asked: the SavedModel has no function of the transformed features; export it "
            "with export_model, or give it a signature of these (training_signature)"
        )
    compared = []
    for signature in found:
        ignored = [name for name in signature.unknown if name in request.ignored_outputs]
        findings.by_design += [f"output {name!r} of {signature.name!r} is ignored, as asked for" for name in ignored]
        strange = [name for name in signature.unknown if name not in ignored]
        if world.model is not None:
            findings.problems += [
                f"output {name!r} of signature {signature.name!r} is neither an output of what was trained nor a "
                "transformed feature; add it to ignored_outputs, or name it as they are"
                for name in strange
            ]
        if signature.kinds:
            compared.append(signature)
    if not compared:
        findings.problems.append("no signature was compared")
    return compared


def observers(
    request: Request, world: World, signatures: Sequence[Signature], findings: Findings
) -> dict[str, Observer]:
    """Looks into the signatures that predict; returns by name what looks into each. Notes where that fails."""
    found: dict[str, Observer] = {}
    path, reference = in_process(world.preprocessing.raw_spec), world.references[0]
    for signature in signatures:
        if not signature.predictions or world.model is None:
            continue
        try:
            observer = observe(signature.function, world.model)
            problem = _not_verified(observer, path, signature, reference, request.label_keys)
        except UnobservableError as error:
            problem = str(error)
        else:
            found |= {signature.name: observer} if problem is None else {}
        if problem is not None:
            text = f"signature {signature.name!r}: the features inside its graph cannot be observed: {problem}"
            (findings.problems if request.require_observed else findings.notes).append(text)
    return found


def _not_verified(
    observer: Observer, path: RequestPath, signature: Signature, reference: Reference, labels: Sequence[str]
) -> str | None:
    sent = reference.rows.without(labels)
    reasons = path.inexpressible(sent, signature)
    kept = [row for row in range(len(sent)) if row not in reasons]
    if not kept:
        return "none of the sampled rows can be sent to it"
    return verify(observer, path, signature, reference.take(kept), sent.take(kept))
