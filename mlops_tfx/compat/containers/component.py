"""``create_container_component``: a component class whose work is a command in a container.

    Trainer = create_container_component(
        name="Trainer",
        image="project/trainer",
        command=["train", "--data", InputUriPlaceholder("examples"), "--model", OutputUriPlaceholder("model")],
        inputs={"examples": Examples},
        outputs={"model": Model},
        parameters={"steps": int},
    )

Inputs and parameters are the arguments of the class, by name.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlops_tfx.artifacts import Artifact, ValueArtifact
from mlops_tfx.channel import Channel
from mlops_tfx.compat.class_component import BaseComponent
from mlops_tfx.compat.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from mlops_tfx.compat.containers import engines, placeholders
from mlops_tfx.compat.executor_specs import ExecutorContainerSpec
from mlops_tfx.parameters import canonical_json
from mlops_tfx.placeholders import Known

if TYPE_CHECKING:
    from typing_extensions import Self


class ContainerComponent(BaseComponent):
    """Base of the classes that `create_container_component` makes. Arguments are given by name."""

    def __init__(self, **arguments: Any) -> None:
        declared = self.SPEC_CLASS.OUTPUTS
        super().__init__(spec=self.SPEC_CLASS(**arguments, **{name: Channel(declared[name].type) for name in declared}))
        self.container_engine: str | None = None
        spec = self.SPEC_CLASS
        for part in self._command():
            problem = placeholders.problem_with(part, spec.INPUTS, spec.OUTPUTS, spec.PARAMETERS)
            self.problems.extend([problem] if problem else [])

    def with_container_engine(self, engine: str) -> Self:
        """Says how the command is run: ``"docker"``, or ``"process"`` without the image; returns the node."""
        engines.engine(engine)
        self.container_engine = engine
        return self

    def cache_ingredients(self) -> Mapping[str, str]:
        """The image, the command, and what runs it."""
        engine = type(engines.engine(self.container_engine)).__name__
        command = canonical_json([repr(part) for part in self._command()])
        return {"image": self.executor_spec.image, "command": command, "container engine": engine}

    def run(self) -> None:
        """Runs the command with the staged paths."""
        inputs = {key: list(artifacts) for key, artifacts in (self._bound_inputs or {}).items()}
        outputs = {key: list(artifacts) for key, artifacts in self._bound_outputs.items()}
        invocation = self.context.invocation
        known = Known(inputs=inputs, outputs=outputs, exec_properties=self.exec_properties, invocation=invocation)
        command = [placeholders.argument(part, known) for part in self._command()]
        mounts = {_folder(artifact): False for artifacts in inputs.values() for artifact in artifacts}
        mounts.update({_folder(artifact): True for artifacts in outputs.values() for artifact in artifacts})
        mounts[self.context.temp_dir] = True
        engine = engines.engine(self.container_engine)
        engine.run(self.executor_spec.image, command, mounts, self.context.temp_dir, self.context.log)

    def _command(self) -> list[Any]:
        return [*(self.executor_spec.command or ()), *(self.executor_spec.args or ())]


def create_container_component(
    name: str,
    image: str,
    command: Sequence[Any],
    inputs: Mapping[str, type[Artifact]] | None = None,
    outputs: Mapping[str, type[Artifact]] | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> type[ContainerComponent]:
    """Makes a component class of a command in a container.

    What the command writes to the folders of its outputs is published like any other output. (TFX's local runner loses
    it: it mounts no folders.)

    Args:
        name: of the class.
        image: of the container.
        command: program and arguments: text, placeholders of `mlops_tfx.compat.containers.placeholders`, or those of
            `mlops_tfx.placeholders`.
        inputs: artifact classes by input name.
        outputs: artifact classes by output name.
        parameters: types by parameter name.

    Raises:
        ValueError: the name or the image is empty.
    """
    if not name:
        raise ValueError("expected a name for the component, received none")
    declared = {
        "PARAMETERS": {key: ExecutionParameter(type=type_) for key, type_ in (parameters or {}).items()},
        "INPUTS": {key: ChannelParameter(type=type_) for key, type_ in (inputs or {}).items()},
        "OUTPUTS": {key: ChannelParameter(type=type_) for key, type_ in (outputs or {}).items()},
    }
    spec_class = type(f"{name}_Spec", (ComponentSpec,), declared)
    namespace = {
        "__doc__": f"{image}: a command in a container.",
        "SPEC_CLASS": spec_class,
        "EXECUTOR_SPEC": ExecutorContainerSpec(image=image, command=command),
    }
    return type(name, (ContainerComponent,), namespace)


def _folder(artifact: Artifact) -> str:
    path = os.path.abspath(artifact.uri)
    return os.path.dirname(path) if isinstance(artifact, ValueArtifact) else path
