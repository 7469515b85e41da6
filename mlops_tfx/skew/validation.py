"""The validation from start to end: rows, training's path, the others, and who is to blame."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator

import numpy as np

from mlops_tfx.skew import rows
from mlops_tfx.skew.asked import asked_signatures, observers, stable
from mlops_tfx.skew.blame import blame
from mlops_tfx.skew.bulk_path import bulk_path
from mlops_tfx.skew.checking import ONE_BY_ONE, TOGETHER, Check
from mlops_tfx.skew.digests import digests
from mlops_tfx.skew.findings import Findings
from mlops_tfx.skew.noise import with_noise
from mlops_tfx.skew.paths import IN_PROCESS, Path, in_process, served
from mlops_tfx.skew.preparation import (
    World,
    add_synthesised,
    apply_graph,
    check_labels,
    hold_what_training_read,
    load_world,
)
from mlops_tfx.skew.request import Request
from mlops_tfx.skew.signatures import Signature
from mlops_tfx.skew.stability import instability_of_graph, instability_of_model
from mlops_tfx.skew.training import Reference, RejectedError


def validate(request: Request) -> Findings:
    """Validates.

    Raises:
        ArtifactError: the model cannot be loaded.
        ConfigError: a label or signature is unknown.
        DataError: the examples cannot be read, or the graph does not fit them.
    """
    world = load_world(request)
    sample = rows.draw(request.examples, request.splits, request.num_rows, request.seed)
    check_labels(request, world)
    source = world.model.source if world.model is not None else None
    findings = Findings(request.tolerances, source, sample.rows, 0, sample.counts)
    findings.digests = digests(request, findings)
    graph = apply_graph(world, sample.rows)
    try:
        if _is_stable(request, findings, graph):
            _compare(request, world, findings, hold_what_training_read(request, world, graph, sample, findings))
    except RejectedError as error:
        findings.problems.append(f"what was trained ({source}) does not answer for the sampled rows: {error}")
    return findings


def _is_stable(request: Request, findings: Findings, graph: Reference) -> bool:
    """Whether training's path depends on rows alone; measures how much it rounds. Raises RejectedError."""
    places = alone_rows(graph.rows, request.one_by_one)
    alone = graph.alone(places)
    problem = instability_of_graph(graph, alone, places) or instability_of_model(graph)
    if problem is not None:
        findings.unstable.append(problem)
        return False
    findings.tolerances = with_noise(request.tolerances, graph, alone, places)
    return True


def _compare(request: Request, world: World, findings: Findings, reference: Reference) -> None:
    """Compares every path with training's. Raises RejectedError if what was trained does not answer."""
    outputs: Collection[str] = {**reference.read.predictions, **reference.written.predictions}
    world.references.append(reference)
    add_synthesised(request, world, findings)
    alone = [reference.alone(alone_rows(reference.rows, request.one_by_one)) for reference in world.references]
    signatures = stable(request, world, asked_signatures(request, world, outputs, findings), findings)
    check = Check(findings.tolerances, tuple(request.label_keys), observers(request, world, signatures, findings))
    with _paths(request, world) as paths:
        for path in paths:
            for signature in signatures:
                for together, one_by_one in zip(world.references, alone, strict=True):
                    findings.results.append(check.run(path, signature, together, TOGETHER))
                    if len(one_by_one):
                        findings.results.append(check.run(path, signature, one_by_one, ONE_BY_ONE))
                _check_refused(check, path, signature, world, findings)
            request.log(f"{path.name}: {sum(not r.equal for r in findings.results if r.path == path.name)} differences")
    blame(request, check, world, signatures, findings)


@contextlib.contextmanager
def _paths(request: Request, world: World) -> Iterator[list[Path]]:
    wanted, spec = set(request.paths), world.preprocessing.raw_spec
    with (
        served(request.model, request.folder, spec, wanted) as network,
        bulk_path(request.model, request.folder, spec, wanted) as bulk,
    ):
        here: list[Path] = [in_process(spec)] if IN_PROCESS in wanted else []
        yield [*here, *network, *bulk]


def alone_rows(row_set: rows.RowSet, count: int) -> list[int]:
    """Returns rows to send alone: those that lack something first, for a batch without it is a case of its own."""
    lacking = [row for row, name in enumerate(row_set.names) if name.endswith((": missing", ": an empty list"))]
    others = [row for row in range(len(row_set)) if row not in set(lacking)]
    room = max(0, count - len(lacking))
    spread = np.unique(np.linspace(0, len(others) - 1, min(room, len(others))).astype(int)) if others and room else []
    return [*lacking[:count], *(others[place] for place in spread)]


def _check_refused(check: Check, path: Path, signature: Signature, world: World, findings: Findings) -> None:
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
