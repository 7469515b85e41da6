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
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from mlops_tfx.artifacts import Artifact
from mlops_tfx.base_component import Component
from mlops_tfx.channel import BaseChannel
from mlops_tfx.compat import calling, drivers, json_values
from mlops_tfx.compat.component_spec import ChannelParameter, ComponentSpec
from mlops_tfx.compat.executor_specs import ExecutorClassSpec, ExecutorSpec
from mlops_tfx.errors import ConfigError
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

    @classmethod
    def adopt_executor(cls) -> None:
        """Executor and driver are what such a class is made of: `run` calls them."""

    def __init__(self, spec: ComponentSpec, custom_executor_spec: ExecutorSpec | None = None) -> None:
        super().__init__()
        self._check_class(spec, custom_executor_spec)
        self.spec = spec
        self._executor_spec = (custom_executor_spec or self.EXECUTOR_SPEC).copy()
        if not isinstance(self._executor_spec, ExecutorClassSpec) and type(self).run is BaseComponent.run:
            self.problems.append(
                f"expected an ExecutorClassSpec or BeamExecutorSpec, received {self._executor_spec!r}; make components "
                "that run in containers with create_container_component"
            )
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

    @property
    def executor_spec(self) -> Any:
        """How this component is executed."""
        return self._executor_spec

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
        found.update(code_ingredients(function=self.driver_class))
        module_file = self.exec_properties.get("module_file")
        if isinstance(module_file, str) and module_file:
            found.update(code_ingredients(module_file))
        if self._has_driver():
            found[_DRIVER] = _to_text(self._drive())
        return found

    def run(self) -> None:
        """Calls the executor."""
        driven = self._driven()
        outputs = {key: _list_of(value) for key, value in self._bound_outputs.items()}
        for key, properties in driven.artifact_properties.items():
            for artifact, values in zip(outputs.get(key, ()), properties, strict=False):
                artifact.custom_properties.update(values)
        inputs = {key: list(value) for key, value in (self._bound_inputs or {}).items()}
        calling.call(self.executor_spec, self, inputs, outputs, dict(driven.exec_properties))
        for key, artifacts in outputs.items():
            calling.keep(self._bound_outputs[key], artifacts, f"{self.id}.outputs[{key!r}]")

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


def _to_text(driven: drivers.Driven) -> str:
    return json_values.dumps({"exec_properties": driven.exec_properties, "artifacts": driven.artifact_properties})


def _from_text(text: str) -> drivers.Driven:
    said = json_values.loads(text)
    return drivers.Driven(said["exec_properties"], said["artifacts"])
