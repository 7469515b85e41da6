"""The validation from start to end: rows, training's path, the others, and who is to blame."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from mlops_tfx import filesystem
from mlops_tfx.errors import ArtifactError, ConfigError, DataError, UserCodeError, did_you_mean
from mlops_tfx.skew import attribution, rows
from mlops_tfx.skew.bulk_path import bulk_path
from mlops_tfx.skew.checking import ONE_BY_ONE, TOGETHER, Check, Tolerances, verify
from mlops_tfx.skew.comparison import FEATURE, compare
from mlops_tfx.skew.findings import Findings, Refused
from mlops_tfx.skew.observation import Observer, UnobservableError, observe
from mlops_tfx.skew.paths import IN_PROCESS, Path, RequestPath, in_process, served
from mlops_tfx.skew.signatures import Signature, read_signatures
from mlops_tfx.skew.synthesis import synthesise
from mlops_tfx.skew.trained_model import find_trained_model
from mlops_tfx.skew.training import Computed, Preprocessing, Reference, RejectedError, predict
from mlops_tfx.transformation.saved_graph import vocabulary_files

if TYPE_CHECKING:
    from mlops_tfx.artifacts import Examples
    from mlops_tfx.skew.trained_model import TrainedModel


@dataclass(frozen=True)
class Request:
    """What is validated, and how.

    Attributes:
        model: the SavedModel.
        transform_graph: the folder of the TransformGraph.
        examples: raw rows.
        transformed_examples: what training read; none if it is not kept.
        schema: of the raw rows.
        splits: to draw from.
        num_rows: rows to draw.
        one_by_one: rows that are also sent alone.
        seed: of the draw.
        paths: names among PATHS.
        signatures: names; none for all.
        training_signature: the signature that is what was trained; None to find it.
        label_keys: raw features that requests do not have.
        ignored_outputs: outputs that are not compared.
        tolerances: what counts as equal.
        require_observed: whether a signature into which one cannot look is a problem.
        folder: for files while it runs.
        log: takes lines for people.
    """

    model: str
    transform_graph: str
    examples: Sequence[Examples]
    transformed_examples: Sequence[Examples]
    schema: Any
    splits: Sequence[str]
    num_rows: int
    one_by_one: int
    seed: int
    paths: Collection[str]
    signatures: Sequence[str]
    training_signature: str | None
    label_keys: Sequence[str]
    ignored_outputs: Collection[str]
    tolerances: Tolerances
    require_observed: bool
    folder: str
    log: Callable[[str], None]


@dataclass
class _World:
    """What is loaded once."""

    loaded: Any
    preprocessing: Preprocessing
    model: TrainedModel | None
    references: list[Reference] = field(default_factory=list)
    refused: rows.RowSet | None = None


def validate(request: Request) -> Findings:
    """Validates.

    Raises:
        ArtifactError: the model cannot be loaded.
        ConfigError: a label or signature is unknown.
        DataError: the examples cannot be read, or the graph does not fit them.
    """
    world = _load(request)
    sample = rows.draw(request.examples, request.splits, request.num_rows, request.seed)
    _check_labels(request, world)
    source = world.model.source if world.model is not None else None
    findings = Findings(request.tolerances, source, sample.rows, 0, sample.counts)
    reference = _what_training_read(request, world, _transformed(world, sample.rows), sample, findings)
    try:
        outputs: Collection[str] = {**reference.read.predictions, **reference.written.predictions}
    except RejectedError as error:
        findings.problems.append(f"what was trained ({source}) does not answer for the sampled rows: {error}")
        return findings
    world.references.append(reference)
    _synthesise(request, world, findings)
    signatures = _signatures(request, world, outputs, findings)
    observers = _observers(request, world, signatures, findings)
    check = Check(request.tolerances, tuple(request.label_keys), observers)
    with _paths(request, world) as paths:
        for path in paths:
            for signature in signatures:
                findings.results += _run(check, path, signature, world, request.one_by_one)
                _check_refused(check, path, signature, world, findings)
            request.log(f"{path.name}: {sum(not r.equal for r in findings.results if r.path == path.name)} differences")
    _attribute(request, check, world, signatures, findings)
    findings.digests = _digests(request, findings)
    return findings


def _load(request: Request) -> _World:
    try:
        loaded = tf.saved_model.load(request.model)
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise ArtifactError(f"expected a SavedModel at {request.model!r}: {error}") from error
    preprocessing = Preprocessing(request.transform_graph)
    model = find_trained_model(loaded, preprocessing.features, request.training_signature)
    return _World(loaded, preprocessing, model)


def _check_labels(request: Request, world: _World) -> None:
    for name in request.label_keys:
        if name not in world.preprocessing.raw_spec:
            hint = did_you_mean(name, world.preprocessing.raw_spec)
            raise ConfigError(f"label_key: the rows have no feature {name!r}{hint}")


def _transformed(world: _World, sampled: rows.RowSet) -> Reference:
    try:
        return world.preprocessing.apply(sampled, world.model)
    except UserCodeError as error:
        raise DataError(f"the transform graph cannot transform rows of the examples: {error}") from error


def _what_training_read(
    request: Request, world: _World, reference: Reference, sample: rows.Sample, findings: Findings
) -> Reference:
    """Compares the transformed examples with the graph; returns what training read, as far as it is known."""
    if not request.transformed_examples:
        findings.by_design.append("transformed_examples are not given: training's features are what the graph computes")
        return reference
    known = set(request.transformed_examples[0].splits)
    missing = [split for split in sample.counts if split not in known]
    if missing:
        findings.problems.append(f"transformed_examples have no split {missing[0]!r}{did_you_mean(missing[0], known)}")
        return reference
    found, counts = rows.read_places(request.transformed_examples, sample.places)
    if found is None or counts != sample.counts:
        findings.problems.append(
            f"transformed_examples have {counts} rows and examples {sample.counts}: their rows cannot be paired"
        )
        return reference
    read = Computed(found, world.preprocessing, world.model, True)
    try:
        features = read.features
    except DataError as error:
        findings.problems.append(f"transformed_examples do not fit the transform graph: {error}")
        return reference
    findings.training_read = [
        compare(name, FEATURE, features[name], reference.read.features[name], request.tolerances.features)
        for name in sorted(features)
    ]
    return Reference(reference.rows, read, reference.written)


def _synthesise(request: Request, world: _World, findings: Findings) -> None:
    """Makes rows, and asks training's path which of them it takes."""
    (sampled,) = world.references
    made = synthesise(request.schema, _features_to_change(request, world), sampled.rows)
    accepted, refused = world.preprocessing.apply_each(made, sampled.rows)
    if accepted:
        reference = world.preprocessing.apply(made.take(accepted), world.model, sampled.rows.take([0]))
        answered = _answered(reference, accepted, refused)
        if answered:
            world.references.append(reference.take(answered))
            findings.synthesised = len(answered)
    numbers = sorted(refused)
    findings.refused = [Refused(made.names[number], refused[number]) for number in numbers]
    world.refused = made.take(numbers) if numbers else None


def _features_to_change(request: Request, world: _World) -> list[str]:
    """The raw features on which predictions depend; all but the label where that is not known."""
    sources = world.preprocessing.sources
    used = list(sources) if world.model is None else [name for name in world.model.specs if name in sources]
    raw = frozenset().union(*(sources[name] for name in used)) - set(request.label_keys)
    return [feature.name for feature in request.schema.feature if feature.name in raw]


def _answered(reference: Reference, numbers: Sequence[int], refused: dict[int, str]) -> list[int]:
    """The rows that the model takes, too; notes why it refuses the others."""
    with contextlib.suppress(RejectedError):
        predict(reference.written.model, reference.written.tensors)
        return list(range(len(reference)))
    kept = []
    for place, number in enumerate(numbers):
        try:
            alone = reference.take([place]).written
            predict(alone.model, alone.tensors)
            kept.append(place)
        except RejectedError as error:
            refused[number] = str(error)
    return kept


def _signatures(
    request: Request, world: _World, outputs: Collection[str], findings: Findings
) -> list[Signature]:
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


def _observers(
    request: Request, world: _World, signatures: Sequence[Signature], findings: Findings
) -> dict[str, Observer]:
    """Looks into the signatures that predict."""
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


@contextlib.contextmanager
def _paths(request: Request, world: _World) -> Iterator[list[Path]]:
    wanted, spec = set(request.paths), world.preprocessing.raw_spec
    with (
        served(request.model, request.folder, spec, wanted) as network,
        bulk_path(request.model, request.folder, spec, wanted) as bulk,
    ):
        here: list[Path] = [in_process(spec)] if IN_PROCESS in wanted else []
        yield [*here, *network, *bulk]


def _run(check: Check, path: Path, signature: Signature, world: _World, alone: int) -> Iterator[Any]:
    for reference in world.references:
        yield check.run(path, signature, reference, TOGETHER)
        chosen = _alone(reference.rows, alone)
        if chosen:
            yield check.run(path, signature, reference.take(chosen), ONE_BY_ONE)


def _alone(row_set: rows.RowSet, count: int) -> list[int]:
    """Rows to send alone: those that lack something first, for a batch without it is a case of its own."""
    lacking = [row for row, name in enumerate(row_set.names) if name.endswith((": missing", ": an empty list"))]
    others = [row for row in range(len(row_set)) if row not in set(lacking)]
    room = max(0, count - len(lacking))
    spread = np.unique(np.linspace(0, len(others) - 1, min(room, len(others))).astype(int)) if others and room else []
    return [*lacking[:count], *(others[place] for place in spread)]


def _check_refused(check: Check, path: Path, signature: Signature, world: _World, findings: Findings) -> None:
    """Every path must refuse what training's path refuses."""
    if world.refused is None:
        return
    sent = check.sent(world.refused, signature)
    reasons = path.inexpressible(sent, signature)
    for row, refused in enumerate(findings.refused):
        if row in reasons:
            continue
        try:
            path.answer(sent.take([row]), signature)
        except RejectedError:
            refused.refused_by += 1
        else:
            refused.accepted_by.append(f"{path.name}, signature {signature.name!r},")


def _attribute(
    request: Request, check: Check, world: _World, signatures: Sequence[Signature], findings: Findings
) -> None:
    path = in_process(world.preprocessing.raw_spec)
    suspects: dict[str, attribution.Suspect] = {}
    for signature in signatures:
        results = [result for result in findings.results if result.signature == signature.name]
        if all(result.equal for result in results) or not signature.predictions:
            continue
        observer = check.observers.get(signature.name)
        for reference in world.references:
            kept = _expressible(path, signature, reference, request.label_keys)
            if observer is None:
                names = _features_to_change(request, world)
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
    findings.suspects = list(suspects.values())


def _expressible(path: RequestPath, signature: Signature, reference: Reference, labels: Sequence[str]) -> Reference:
    reasons = path.inexpressible(reference.rows.without(labels), signature)
    return reference.take([row for row in range(len(reference)) if row not in reasons])


def _differing(results: Sequence[Any], origin: str) -> list[str]:
    found = [
        outcome.name
        for result in results
        if result.rows == origin
        for outcome in result.observed
        if not outcome.equal
    ]
    return list(dict.fromkeys(found))


def _digests(request: Request, findings: Findings) -> dict[str, Any]:
    """Digests of graph, vocabularies and model; notes vocabularies of which the model has another version."""
    vocabularies = {name: _file_digest(path) for name, path in vocabulary_files(request.transform_graph).items()}
    assets = os.path.join(request.model, tf.saved_model.ASSETS_DIRECTORY)
    names = filesystem.listdir(assets) if filesystem.isdir(assets) else []
    in_model = {name: _file_digest(os.path.join(assets, name)) for name in names}
    for name, path in vocabulary_files(request.transform_graph).items():
        other = in_model.get(os.path.basename(path))
        if other is not None and other != vocabularies[name]:
            findings.notes.append(f"the model carries another version of the vocabulary {name!r} than the graph")
    return {
        "transform_graph": filesystem.digest(request.transform_graph),
        "vocabularies": vocabularies,
        "model": filesystem.digest(request.model),
        "model_assets": in_model,
    }


def _file_digest(path: str) -> str:
    with filesystem.open(path, "rb") as file:
        return filesystem.file_digest(file)
