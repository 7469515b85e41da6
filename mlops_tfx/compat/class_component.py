"""``tfx.dsl.components.base.base_component``: component classes written for TFX, as nodes of ours.

    class HelloComponent(BaseComponent):
        SPEC_CLASS = HelloSpec
        EXECUTOR_SPEC = ExecutorClassSpec(Executor)

        def __init__(self, input_data, name):
            spec = HelloSpec(input_data=input_data, output_data=Channel(type=Examples), name=name)
            super().__init__(spec=spec)

The spec's inputs, outputs and parameters become ports and parameters, and ``run()`` calls the executor's ``Do``. So
such a node has all that others have: the cache with the digest of its code, staging, recovery.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from mlops_tfx import filesystem
from mlops_tfx.artifacts import Artifact
from mlops_tfx.base_component import Component
from mlops_tfx.channel import BaseChannel
from mlops_tfx.compat import drivers, json_values
from mlops_tfx.compat.component_spec import ChannelParameter, ComponentSpec
from mlops_tfx.compat.executor_specs import ExecutorClassSpec, ExecutorSpec, beam_flags, executor_context
from mlops_tfx.errors import ConfigError, UserCodeError
from mlops_tfx.placeholders import contains_placeholder
from mlops_tfx.ports import InputPort, Inputs, OptionalInputs, OutputArtifacts, OutputPort, new_artifact
from mlops_tfx.system_types import base_type_name

if TYPE_CHECKING:
    from typing_extensions import Self

_DRIVER = "driver"


class BaseComponent(Component):
    """Base of component classes written for TFX.

    Args:
        spec: inputs, outputs and parameters.
        custom_executor_spec: executes the component instead of EXECUTOR_SPEC.

    Attributes:
        SPEC_CLASS: the class of ``spec``.
        EXECUTOR_SPEC: how the component is executed.
        DRIVER_CLASS: works out parameters before it runs.
        PLATFORM_CONFIG: a platform's configuration, kept with every node of the class.

    Raises:
        ValueError: ``spec`` is not of SPEC_CLASS.
        TypeError: an attribute of the class, its spec's TYPE_ANNOTATION or ``custom_executor_spec`` has a wrong type.
    """

    SPEC_CLASS: ClassVar[Any] = ComponentSpec
    EXECUTOR_SPEC: ClassVar[Any] = None
    DRIVER_CLASS: ClassVar[Any] = drivers.BaseDriver
    PLATFORM_CONFIG: ClassVar[Any] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Not Component's own, which reads annotations: TFX's classes declare nothing by them.
        super(Component, cls).__init_subclass__(**kwargs)

    def __init__(self, spec: ComponentSpec, custom_executor_spec: ExecutorSpec | None = None) -> None:
        super().__init__()
        self._check_class(spec, custom_executor_spec)
        self.spec = spec
        self.executor_spec = (custom_executor_spec or self.EXECUTOR_SPEC).copy()
        self.driver_class = self.DRIVER_CLASS
        self.platform_config = self.PLATFORM_CONFIG
        self._parameters.update(spec.exec_properties)
        promised = {name: value for name, value in spec.exec_properties.items() if contains_placeholder(value)}
        self._unresolved.update(promised)
        ports = _output_ports(spec)
        self.__dict__.update(
            BASE_TYPE=base_type_name(type(spec).TYPE_ANNOTATION),
            INPUTS=_input_ports(spec),
            OUTPUTS=ports,
        )
        for name, channel in spec.inputs.items():
            self._inputs[name] = channel
        self._set_outputs({name: port.artifact_type for name, port in ports.items()})
        spec.outputs.update(self.outputs)

    def _check_class(self, spec: ComponentSpec, custom_executor_spec: ExecutorSpec | None) -> None:
        name = type(self).__qualname__
        if not isinstance(spec, self.SPEC_CLASS):
            raise ValueError(f"{name}: expected a spec of class {self.SPEC_CLASS.__qualname__}, received {spec!r}")
        if custom_executor_spec is not None and not isinstance(custom_executor_spec, ExecutorSpec):
            raise TypeError(f"{name}: expected an ExecutorSpec, received custom_executor_spec={custom_executor_spec!r}")
        if not isinstance(custom_executor_spec or self.EXECUTOR_SPEC, ExecutorSpec):
            raise TypeError(f"{name}: expected EXECUTOR_SPEC to be an ExecutorSpec, received {self.EXECUTOR_SPEC!r}")
        if not isinstance(self.DRIVER_CLASS, type):
            raise TypeError(f"{name}: expected DRIVER_CLASS to be a class, received {self.DRIVER_CLASS!r}")

    def with_values(self, values: Mapping[str, Any]) -> Self:
        """Returns a copy whose ``unresolved`` are replaced by values. Raises ConfigError for one of another type."""
        settled = copy.copy(self)
        known = {}
        for name, value in values.items():
            declared = self.spec.PARAMETERS[name]
            try:
                declared.type_check(name, value)
            except TypeError as error:
                raise ConfigError(f"parameter {name!r}: {error}") from error
            known[name] = declared.as_property(value)
        settled.__dict__.update(_parameters={**self._parameters, **known}, _unresolved={})
        return settled

    def with_platform_config(self, config: Any) -> Self:
        """Keeps a platform's configuration with the node, and returns the node."""
        self.platform_config = config
        return self

    def output_keys(self) -> Sequence[str]:
        """The outputs of the spec."""
        return tuple(self.OUTPUTS)

    def cache_ingredients(self) -> Mapping[str, str]:
        """The code of executor and driver, and what the driver says."""
        from mlops_tfx.execution.user_code import code_ingredients

        found = {"executor": str(getattr(self.executor_spec, "class_path", ""))}
        for code in (getattr(self.executor_spec, "executor_class", None), self.driver_class):
            found.update(code_ingredients(function=code))
        module_file = self.exec_properties.get("module_file")
        if isinstance(module_file, str) and module_file:
            found.update(code_ingredients(module_file))
        if self._has_driver():
            found[_DRIVER] = _to_text(self._drive())
        return found

    def run(self) -> None:
        """Calls the executor."""
        from mlops_tfx.execution.beam import watching_workers
        from mlops_tfx.execution.user_code import user_code

        driven = self._driven()
        outputs = {key: _list_of(value) for key, value in self._bound_outputs.items()}
        for key, properties in driven.artifact_properties.items():
            for artifact, values in zip(outputs.get(key, ()), properties, strict=False):
                artifact.custom_properties.update(values)
        inputs = {key: list(value) for key, value in (self._bound_inputs or {}).items()}
        executor = self._executor()
        with user_code(f"{type(executor).__qualname__}.Do"), watching_workers(beam_flags(self.executor_spec, self)):
            returned = executor.Do(inputs, outputs, dict(driven.exec_properties))
        _take_properties(returned, outputs)
        for key, artifacts in outputs.items():
            _keep(self._bound_outputs[key], artifacts, f"{self.id}.outputs[{key!r}]")

    # What run() is made of --------------------------------------------------------------------------------------

    def _has_driver(self) -> bool:
        return self.driver_class is not drivers.BaseDriver

    def _drive(self) -> drivers.Driven:
        types = {key: port.artifact_type for key, port in self.OUTPUTS.items()}
        return drivers.drive(self.driver_class, self.id, self._bound_inputs or {}, types, self.exec_properties)

    def _driven(self) -> drivers.Driven:
        """What the driver said when the cache was asked, so that it is asked once."""
        if not self._has_driver():
            return drivers.Driven(self.exec_properties)
        said = self.context.cache_ingredients.get(_DRIVER)
        return self._drive() if said is None else _from_text(said)

    def _executor(self) -> Any:
        if not isinstance(self.executor_spec, ExecutorClassSpec):
            raise UserCodeError(f"expected an ExecutorClassSpec, received {self.executor_spec!r}")
        executor_class = self.executor_spec.executor_class
        return executor_class(executor_context(executor_class, self.executor_spec, self))

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        spec = copy.copy(self.spec)
        spec.inputs, spec.outputs = {}, {}
        return {**state, "spec": spec}


class BaseBeamComponent(BaseComponent):
    """Base of component classes written for TFX whose executor has Beam pipelines."""


class ExecutorArtifacts(OutputArtifacts[Artifact]):
    """An output of an executor: one artifact, unless the executor makes a list of several of it."""

    def __init__(self, artifact: Artifact, folder: str) -> None:
        super().__init__(type(artifact), folder)
        self._artifacts = [artifact]

    def keep(self, artifacts: Sequence[Artifact]) -> None:
        """Takes the artifacts that there are when the executor is done."""
        self._artifacts = list(artifacts)


class ExecutorOutputPort(OutputPort[Artifact]):
    """An output of a component class written for TFX.

    Args:
        artifact_type: the class of its artifacts.
        name: its name.
        channel: the channel of the spec, whose further properties the artifacts get.
    """

    def __init__(self, artifact_type: type[Artifact], name: str, channel: Any = None) -> None:
        super().__init__(artifact_type)
        self.name = name
        self.properties = dict(getattr(channel, "additional_properties", None) or {})
        self.custom_properties = dict(getattr(channel, "additional_custom_properties", None) or {})

    def prepare(self, folder: str) -> ExecutorArtifacts:
        artifact = new_artifact(self.artifact_type, folder)
        for name, value in self.properties.items():
            artifact.set_property(name, value)
        artifact.custom_properties.update(self.custom_properties)
        return ExecutorArtifacts(artifact, folder)


def _input_ports(spec: ComponentSpec) -> dict[str, InputPort[Any]]:
    ports: dict[str, InputPort[Any]] = {}
    for name, declared in spec.INPUTS.items():
        empty = declared.allow_empty or (declared.optional and name not in spec.inputs)
        ports[name] = OptionalInputs() if empty else Inputs()
        ports[name].name, ports[name].artifact_type = name, declared.type
    return ports


def _output_ports(spec: ComponentSpec) -> dict[str, OutputPort[Any]]:
    return {name: _output_port(name, declared, spec.outputs.get(name)) for name, declared in _written(spec)}


def _written(spec: ComponentSpec) -> Iterator[tuple[str, ChannelParameter]]:
    for name, declared in spec.OUTPUTS.items():
        if name in spec.outputs or not declared.optional:
            yield name, declared


def _output_port(name: str, declared: ChannelParameter, channel: BaseChannel[Any] | None) -> ExecutorOutputPort:
    return ExecutorOutputPort(declared.type if channel is None else channel.type, name, channel)


def _list_of(value: Artifact | OutputArtifacts[Any]) -> list[Artifact]:
    return [value] if isinstance(value, Artifact) else list(value)


def _keep(output: Any, artifacts: Sequence[Artifact], where: str) -> None:
    for artifact in artifacts:
        if not filesystem.is_local(artifact.uri) or not _is_below(artifact.uri, output.uri):
            raise UserCodeError(f"{where}: expected a uri below {output.uri!r}, received uri={artifact.uri!r}")
    output.keep(artifacts)


def _is_below(path: str, folder: str) -> bool:
    return os.path.commonpath([os.path.abspath(path), os.path.abspath(folder)]) == os.path.abspath(folder)


def _take_properties(returned: Any, outputs: Mapping[str, Sequence[Artifact]]) -> None:
    """Takes over what ``Do`` returned, if it returned an ExecutorOutput."""
    for key, entry in getattr(returned, "output_artifacts", {}).items():
        for artifact, said in zip(outputs.get(key, ()), entry.artifacts, strict=False):
            artifact.custom_properties.update(drivers.custom_properties_of(said))
            for name, value in said.properties.items():
                artifact.set_property(name, drivers.plain_value(value))


def _to_text(driven: drivers.Driven) -> str:
    return json_values.dumps({"exec_properties": driven.exec_properties, "artifacts": driven.artifact_properties})


def _from_text(text: str) -> drivers.Driven:
    said = json_values.loads(text)
    return drivers.Driven(said["exec_properties"], said["artifacts"])
