"""What has to be there before anything is compared: the model, rows, and what training's path makes of them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from mlops_tfx.errors import ArtifactError, ConfigError, DataError, UserCodeError, did_you_mean
from mlops_tfx.skew import dictionary, rows
from mlops_tfx.skew.comparison import FEATURE, compare
from mlops_tfx.skew.edges import find_edges
from mlops_tfx.skew.findings import Findings, Refused
from mlops_tfx.skew.lengths import compare_lengths, lengths
from mlops_tfx.skew.synthesis import known_features, synthesise
from mlops_tfx.skew.trained_model import find_trained_model
from mlops_tfx.skew.training import Computed, Preprocessing, Reference, RejectedError, predict

if TYPE_CHECKING:
    from mlops_tfx.skew.request import Request
    from mlops_tfx.skew.trained_model import TrainedModel


@dataclass
class World:
    """What is loaded once, and what becomes of it.

    Attributes:
        loaded: the SavedModel.
        preprocessing: training's transform graph.
        model: what was trained; None if it was not found.
        references: what training's path gives: for the rows drawn, then for those made.
        refused: the rows that it refuses.
    """

    loaded: Any
    preprocessing: Preprocessing
    model: TrainedModel | None
    references: list[Reference] = field(default_factory=list)
    refused: rows.RowSet | None = None


def load_world(request: Request) -> World:
    """Loads the SavedModel and the transform graph. Raises ArtifactError and ConfigError."""
    try:
        loaded = tf.saved_model.load(request.model)
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise ArtifactError(f"expected a SavedModel at {request.model!r}: {error}") from error
    preprocessing = Preprocessing(request.transform_graph)
    model = find_trained_model(loaded, preprocessing.features, request.training_signature)
    return World(loaded, preprocessing, model)


def check_labels(request: Request, world: World) -> None:
    """Raises ConfigError for a label that the rows do not have."""
    for name in request.label_keys:
        if name not in world.preprocessing.raw_spec:
            hint = did_you_mean(name, world.preprocessing.raw_spec)
            raise ConfigError(f"label_key: the rows have no feature {name!r}{hint}")


def apply_graph(world: World, sampled: rows.RowSet) -> Reference:
    """Returns what training's path makes of the rows drawn. Raises DataError."""
    try:
        return world.preprocessing.apply(sampled, world.model)
    except UserCodeError as error:
        raise DataError(f"the transform graph cannot transform rows of the examples: {error}") from error


def hold_what_training_read(
    request: Request, world: World, reference: Reference, sample: rows.Sample, findings: Findings
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
    graph = reference.read
    findings.training_read = [
        compare(name, FEATURE, features[name], graph.features[name], findings.tolerances.of_feature(name))
        for name in sorted(features)
    ]
    for name in sorted(features):
        findings.training_read += compare_lengths(name, lengths(read.tensors[name]), lengths(graph.tensors[name]))
    return Reference(reference.rows, read, reference.written)


def add_synthesised(request: Request, world: World, findings: Findings) -> None:
    """Makes rows, and asks training's path which of them it takes."""
    (sampled,) = world.references
    chosen = features_to_change(request, world)
    made = synthesise(request.schema, chosen, sampled.rows, _known_values(request, world, chosen, sampled.rows))
    accepted, refused = world.preprocessing.apply_each(made, sampled.rows)
    if accepted:
        reference = world.preprocessing.apply(made.take(accepted), world.model)
        answered = _answered(reference, accepted, refused)
        if answered:
            world.references.append(reference.together(answered))
            findings.synthesised = len(answered)
    numbers = sorted(refused)
    findings.refused = [Refused(made.names[number], refused[number]) for number in numbers]
    world.refused = made.take(numbers) if numbers else None


def _known_values(
    request: Request, world: World, chosen: Sequence[str], sampled: rows.RowSet
) -> dict[str, list[tuple[str, Any]]]:
    """Values that training's graph or the model treat in a way of their own."""
    features = known_features(request.schema, chosen)
    names = {*world.preprocessing.raw_spec, *world.preprocessing.features}
    graphs = [os.path.join(request.transform_graph, "transform_fn"), request.model]
    parts = (
        find_edges(world.preprocessing, features, sampled),
        dictionary.vocabulary_words(request.transform_graph, features, sampled),
        dictionary.constants(graphs, features, names),
    )
    return {name: [value for part in parts for value in part.get(name, ())] for name in chosen}


def features_to_change(request: Request, world: World) -> list[str]:
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
