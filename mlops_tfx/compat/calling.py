"""Calls executors written for TFX: with the context, the artifacts and the parameters that TFX would give them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Artifact
from mlops_tfx.compat import drivers, messages
from mlops_tfx.compat.executors import Artifacts, BaseBeamExecutor
from mlops_tfx.errors import UserCodeError
from mlops_tfx.ports import OutputArtifacts

if TYPE_CHECKING:
    from mlops_tfx.base_component import Component
    from mlops_tfx.run_context import RunContext

_ALWAYS_GIVEN = ("train_args", "eval_args")  # TFX's components put an empty message where there is none


def executor_context(executor_class: Any, spec: Any, component: Component) -> Any:
    """Returns the ``Context`` that an executor of this class is made with, for a component that runs."""
    context = component.context
    arguments: dict[str, Any] = {
        "extra_flags": list(getattr(spec, "extra_flags", ())),
        "tmp_dir": context.temp_dir,
        "unique_id": context.node_id,
        "executor_output_uri": os.path.join(context.temp_dir, "executor_output.pb"),
        "stateful_working_dir": context.stateful_working_dir,
        "pipeline_node": _Named(_Named(context.node_id, _Named(component.type_name))),
        "pipeline_info": _Named(context.pipeline_name),
        "pipeline_run_id": context.run_id,
    }
    if issubclass(executor_class, BaseBeamExecutor):
        arguments["beam_pipeline_args"] = beam_flags(spec, component)
    made = executor_class.Context(**arguments)
    made.run_context = context
    return made


def beam_flags(spec: Any, component: Component) -> list[str]:
    """Flags of the pipeline, of the node and of the executor spec."""
    return [*component.context.beam_pipeline_args, *getattr(spec, "beam_pipeline_args", ())]


def with_flags(context: RunContext, flags: Sequence[str]) -> RunContext:
    """Returns a context whose Beam pipelines have these flags."""
    from mlops_tfx.execution.beam import beam_pipeline

    return dataclasses.replace(
        context, beam_pipeline_args=tuple(flags), beam_pipeline=lambda: beam_pipeline(tuple(flags))
    )


@dataclass(frozen=True)
class _Named:
    """The few fields of TFX's PipelineInfo and PipelineNode that executors read."""

    id: Any
    type: Any = None

    @property
    def name(self) -> Any:
        return self.id

    @property
    def node_info(self) -> Any:
        return self.id


def call(spec: Any, component: Component, inputs: Artifacts, outputs: Artifacts, properties: dict[str, Any]) -> None:
    """Calls ``Do``; what it returns goes to the properties of the outputs.

    Raises:
        UserCodeError: ``Do`` raised.
    """
    from mlops_tfx.execution.beam import watching_workers
    from mlops_tfx.execution.user_code import user_code

    executor_class = spec.executor_class
    executor = executor_class(executor_context(executor_class, spec, component))
    with user_code(f"{executor_class.__qualname__}.Do"), watching_workers(beam_flags(spec, component)):
        returned = executor.Do(inputs, outputs, properties)
    for key, entry in getattr(returned, "output_artifacts", {}).items():
        for artifact, said in zip(outputs.get(key, ()), entry.artifacts, strict=False):
            artifact.custom_properties.update(drivers.custom_properties_of(said))
            for name, value in said.properties.items():
                artifact.set_property(name, drivers.plain_value(value))


def call_for(spec: Any, component: Component) -> None:
    """Calls an executor in place of the ``run()`` of a component that was not written for TFX."""
    inputs = {name: found for name in component.INPUTS if (found := _listed(getattr(component, name)))}
    bound = {name: getattr(component, name) for name in component.outputs}
    outputs = {name: _listed(value) for name, value in bound.items()}
    call(spec, component, inputs, outputs, properties_of(component))
    for name, artifacts in outputs.items():
        keep(bound[name], artifacts, f"{component.id}.outputs[{name!r}]")


def properties_of(component: Component) -> dict[str, Any]:
    """Parameters as TFX's components give them: messages, lists and dicts as JSON text; what is not given is absent."""
    found = {}
    for name, annotation in component.PARAMETERS.items():
        value = component.exec_properties.get(name)
        if name == "custom_executor_spec":
            continue
        if value is not None:
            found[name] = messages.as_text(value)
        elif name in _ALWAYS_GIVEN:
            found[name] = "{}"
        elif "dict[" in str(annotation) or "list[" in str(annotation):
            found[name] = "null"
    return found


def keep(output: Artifact | OutputArtifacts[Any], artifacts: Sequence[Artifact], where: str) -> None:
    """Takes over the artifacts that there are in an output when the executor is done.

    Raises:
        UserCodeError: one lies elsewhere, or is not the one that was to be written.
    """
    if isinstance(output, Artifact):
        if len(artifacts) != 1 or artifacts[0] is not output:
            raise UserCodeError(f"{where}: expected the artifact that was given, received {list(artifacts)!r}")
        return
    for artifact in artifacts:
        if not filesystem.is_local(artifact.uri) or not _is_below(artifact.uri, output.uri):
            raise UserCodeError(f"{where}: expected a uri below {output.uri!r}, received uri={artifact.uri!r}")
    output.keep(artifacts)


def _is_below(path: str, folder: str) -> bool:
    return os.path.commonpath([os.path.abspath(path), os.path.abspath(folder)]) == os.path.abspath(folder)


def _listed(value: Any) -> list[Any]:
    if isinstance(value, OutputArtifacts):  # a place for several artifacts; TFX gives one
        return list(value) or value.make(1)
    return [value] if isinstance(value, Artifact) else list(value or ())
