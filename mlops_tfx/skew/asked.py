"""Which signatures are asked, and which of them can be looked into."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from mlops_tfx.errors import did_you_mean
from mlops_tfx.skew.checking import verify
from mlops_tfx.skew.findings import Findings
from mlops_tfx.skew.observation import Observer, UnobservableError, observe
from mlops_tfx.skew.paths import RequestPath, in_process
from mlops_tfx.skew.preparation import World
from mlops_tfx.skew.request import Request
from mlops_tfx.skew.signatures import Signature, read_signatures
from mlops_tfx.skew.stability import instability_of_signature, python_inside, reads_the_clock
from mlops_tfx.skew.trained_model import TrainedModel
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
    else:
        findings.problems += _leaks(request, world.model, world)
        findings.problems += [text for signature in found for text in _strange_outputs(request, signature, outputs)]
    ignored = {signature.name: set(signature.unknown) & set(request.ignored_outputs) for signature in found}
    findings.by_design += [f"output {output!r} of {name!r} is ignored, as asked for"
                           for name, names in ignored.items() for output in sorted(names)]  # fmt: skip
    compared = [signature for signature in found if signature.kinds]
    if not compared:
        findings.problems.append("no signature was compared")
    return compared


def _strange_outputs(request: Request, signature: Signature, outputs: Collection[str]) -> Iterator[str]:
    for name in signature.unknown:
        if name not in request.ignored_outputs:
            yield (
                f"output {name!r} of signature {signature.name!r} is neither an output of what was trained nor a "
                f"transformed feature{did_you_mean(name, filter(None, outputs))}; name it as training does, or add it "
                "to ignored_outputs"
            )


def _leaks(request: Request, model: TrainedModel, world: World) -> Iterator[str]:
    """Features of the model that are made of the label."""
    for name in sorted(model.specs):
        labels = sorted(world.preprocessing.sources.get(name, frozenset()) & set(request.label_keys))
        if labels:
            yield (
                f"the model takes the feature {name!r}, which is computed from the label {labels[0]!r}: training knew "
                "the answer, and requests do not have it; leave the feature out of the model's inputs"
            )


def stable(request: Request, world: World, signatures: Sequence[Signature], findings: Findings) -> list[Signature]:
    """Returns the signatures whose answers depend on nothing but the row; says what the others depend on."""
    found = []
    path, rows = in_process(world.preprocessing.raw_spec), world.references[0].rows
    for signature in signatures:
        sent = rows if signature.transformed else rows.without(request.label_keys)
        reasons = path.inexpressible(sent, signature)
        kept = sent.take([row for row in range(len(sent)) if row not in reasons])
        problem = instability_of_signature(path, signature, kept) if len(kept) else None
        for reason in (python_inside(signature.function), reads_the_clock(signature.function)):
            if reason is not None:
                findings.problems.append(f"signature {signature.name!r} {reason}")
        if problem is None:
            found.append(signature)
        else:
            findings.unstable.append(problem)
    return found


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
