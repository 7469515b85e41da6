"""Choosing a model by what became of it: evaluated, tried on a server, pushed."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence

from mlops_tfx.artifacts import Artifact, InfraBlessing, Model, ModelBlessing, PushedModel
from mlops_tfx.errors import ConfigError, SkipSignal
from mlops_tfx.resolvers.decorator import history

Lists = Mapping[str, Sequence[Artifact]]


class Policy(enum.IntEnum):
    """What must have become of a model; TFX's names and numbers."""

    LATEST_EXPORTED = 1
    LATEST_EVALUATOR_BLESSED = 2
    LATEST_INFRA_VALIDATOR_BLESSED = 3
    LATEST_BLESSED = 4
    LATEST_PUSHED = 5


_KEYS: Mapping[str, type[Artifact]] = {
    "model": Model, "model_blessing": ModelBlessing, "model_infra_blessing": InfraBlessing, "model_push": PushedModel,
}  # fmt: skip
_ASKED: Mapping[Policy, tuple[str, ...]] = {
    Policy.LATEST_EXPORTED: (),
    Policy.LATEST_EVALUATOR_BLESSED: ("model_blessing",),
    Policy.LATEST_INFRA_VALIDATOR_BLESSED: ("model_infra_blessing",),
    Policy.LATEST_BLESSED: ("model_blessing", "model_infra_blessing"),
    Policy.LATEST_PUSHED: ("model_push",),
}


def latest_policy_model(artifacts: Lists, policy: int, raise_skip_signal: bool = True) -> dict[str, list[Artifact]]:
    """The newest model that fits a policy, with the artifacts that show it.

    Unlike TFX's, it knows the blessings and pushes of the standard components; TFX asks for types of names that they do
    not have, and finds neither infra-blessed nor pushed models.

    Args:
        artifacts: lists named ``model`` and, to consider these alone, ``model_blessing`` and ``model_infra_blessing``.
        policy: a `Policy`.
        raise_skip_signal: where no model fits, raise SkipSignal; else give empty lists.

    Returns:
        Lists of one: ``model``, and ``model_blessing``, ``model_infra_blessing`` or ``model_push`` as the policy asks.

    Raises:
        ConfigError: other names, or artifacts of another type.
        SkipSignal: no model fits.
    """
    wanted = _ASKED[Policy(policy)]
    _check(artifacts)
    for model in sorted(artifacts["model"], key=lambda model: model.id, reverse=True):
        shown = {key: _newest(key, model, artifacts) for key in wanted}
        if all(shown.values()):
            return {"model": [model], **shown}
    if raise_skip_signal:
        count = len(artifacts["model"])
        raise SkipSignal(f"none of {count} models fits the policy {Policy(policy).name}")
    return {"model": [], **{key: [] for key in wanted}}


def _check(artifacts: Lists) -> None:
    allowed = {"model", "model_blessing", "model_infra_blessing"}
    if "model" not in artifacts or not set(artifacts) <= allowed:
        raise ConfigError(
            f"expected lists named 'model' and maybe others of {sorted(allowed)}, received {sorted(artifacts)}"
        )
    for key, found in artifacts.items():
        wrong = [artifact for artifact in found if not isinstance(artifact, _KEYS[key])]
        if wrong:
            raise ConfigError(f"{key}: expected artifacts of type {_KEYS[key].TYPE_NAME}, received {wrong!r}")


def _newest(key: str, model: Artifact, artifacts: Lists) -> list[Artifact]:
    given = {artifact.id for name in ("model_blessing", "model_infra_blessing") for artifact in artifacts.get(name, ())}
    narrowed = key != "model_push" and any(name in artifacts for name in ("model_blessing", "model_infra_blessing"))
    found = [a for a in _made_from(model) if isinstance(a, _KEYS[key]) and _is_good(a)]
    if narrowed:
        found = [artifact for artifact in found if artifact.id in given]
    return sorted(found, key=lambda artifact: artifact.id)[-1:]


def _made_from(model: Artifact) -> Iterator[Artifact]:
    """What executions put out that took the model as their ``model``: not as a baseline."""
    for execution in history().executions_with_inputs([model]):
        if model.id in {artifact.id for artifact in execution.inputs.get("model", ())}:
            yield from (artifact for found in execution.outputs.values() for artifact in found)


def _is_good(artifact: Artifact) -> bool:
    if isinstance(artifact, ModelBlessing):
        return artifact.custom_properties.get("blessed") == 1
    if isinstance(artifact, InfraBlessing):
        return artifact.custom_properties.get("blessing_status") in ("INFRA_BLESSED", "INFRA_DELEGATED")
    return True
