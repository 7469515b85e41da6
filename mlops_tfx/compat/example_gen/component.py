"""ExampleGens as component classes written for TFX derive from them: with EXECUTOR_SPEC and DRIVER_CLASS."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from mlops_tfx import components, config, ingestion
from mlops_tfx.artifacts import Examples
from mlops_tfx.compat import calling, drivers, json_values
from mlops_tfx.compat.example_gen import driver
from mlops_tfx.compat.executors import BaseExecutor
from mlops_tfx.errors import ConfigError
from mlops_tfx.ingestion.file_based import as_text

if TYPE_CHECKING:
    from mlops_tfx.run_context import RunContext

_DRIVER = "driver"
_DEFAULT_DRIVERS = (driver.FileBasedDriver, driver.QueryBasedDriver)


class _TfxExampleGen:
    """What TFX's classes have beyond ours.

    An executor with ``GetInputSourceToExamplePTransform`` alone is a reader of ours; one that overrides ``Do`` or
    ``GenerateExamplesByBeam`` writes the artifact itself. A driver of the user's own decides on span and patterns.
    """

    DRIVER_CLASS: ClassVar[Any] = driver.FileBasedDriver

    @classmethod
    def adopt_executor(cls) -> None:
        """Executor and driver are asked for when they are needed. Raises TypeError unless they are classes."""
        spec: Any = cls.EXECUTOR_SPEC  # type: ignore[attr-defined]  # of the class this one is mixed into
        if spec is not None and not isinstance(getattr(spec, "executor_class", None), type):
            raise TypeError(
                f"{cls.__qualname__}: expected EXECUTOR_SPEC to be a BeamExecutorSpec or ExecutorClassSpec, received "
                f"{spec!r}"
            )
        if not isinstance(cls.DRIVER_CLASS, type):
            raise TypeError(f"{cls.__qualname__}: expected DRIVER_CLASS to be a class, received {cls.DRIVER_CLASS!r}")

    def _executor(self: Any) -> Any:
        found: Any = getattr(self.executor_spec, "executor_class", self.executor_spec)
        # TFX's executors for Avro and Parquet read faster as functions; classes derived from them do not.
        return found.READER if "READER" in getattr(found, "__dict__", {}) else found

    def _new_executor(self: Any, executor_class: Any) -> Any:
        if not issubclass(executor_class, BaseExecutor):
            return executor_class()
        return executor_class(calling.executor_context(executor_class, self.executor_spec, self))

    def cache_ingredients(self: Any) -> Mapping[str, str]:
        """As for ours; and the driver's code, and what it says."""
        from mlops_tfx.execution.user_code import code_ingredients

        found: Mapping[str, str] = super().cache_ingredients()  # type: ignore[misc]  # of the class this one is mixed into
        if not self._has_driver():
            return found
        said = self._driven()
        text = json_values.dumps({"exec_properties": said.exec_properties, "artifacts": said.artifact_properties})
        return {**found, **code_ingredients(function=self.DRIVER_CLASS), _DRIVER: text}

    def run(self: Any) -> None:
        """Writes the artifacts."""
        if self._writes_itself():
            self._call_executor()
        else:
            super().run()  # type: ignore[misc]
        said = self._driven().artifact_properties if self._has_driver() else {}
        for artifact, properties in zip(self.examples, said.get("examples", ()), strict=False):
            artifact.custom_properties.update(properties)

    def _has_driver(self) -> bool:
        return self.DRIVER_CLASS not in _DEFAULT_DRIVERS

    def _driven(self: Any) -> drivers.Driven:
        """What the driver says: it is asked once per step of a node, and not again when it has been recorded."""
        recorded = None if self._context is None else self._context.cache_ingredients.get(_DRIVER)
        if recorded is not None:
            said = json_values.loads(recorded)
            return drivers.Driven(said["exec_properties"], said["artifacts"])
        if "_said" not in self.__dict__:
            given = self._given_properties()
            self.__dict__["_said"] = drivers.drive(self.DRIVER_CLASS, self.id, {}, {"examples": Examples}, given)
        said_now: drivers.Driven = self.__dict__["_said"]
        return said_now

    def _given_properties(self: Any) -> dict[str, Any]:
        """Parameters as TFX has them: configurations as JSON text, defaults filled in."""
        from mlops_tfx.io import inputs, partition

        found = {name: as_text(value) for name, value in self.exec_properties.items() if name != "custom_executor_spec"}
        splits = inputs.split_patterns(self.input_config)
        found["input_config"] = _input_json(splits)
        if not self.output_config and len(splits) == 1:
            shares = [config.SplitConfig.Split(name=name, hash_buckets=n) for name, n in partition.DEFAULT_SPLITS]
            found["output_config"] = config.Output(split_config=config.SplitConfig(splits=shares)).model_dump_json(
                exclude_none=True
            )
        return found

    def _tfx_properties(self: Any) -> dict[str, Any]:
        said = self._driven().exec_properties if self._has_driver() else self._given_properties()
        return {**said, "_beam_pipeline_args": list(self.context.beam_pipeline_args)}

    def _writes_itself(self: Any) -> bool:
        executor = self._executor()
        if not (isinstance(executor, type) and issubclass(executor, BaseExecutor)):
            return False
        return not (hasattr(executor, "is_reader") and executor.is_reader())

    def _call_executor(self: Any) -> None:
        from mlops_tfx.io import ingest

        properties = self._tfx_properties()
        if not self._has_driver():
            properties.update(self._span_properties())
        outputs = {"examples": self.examples.make(1)}
        calling.call(self.executor_spec, self, {}, outputs, properties)
        calling.keep(self.examples, outputs["examples"], f"{self.id}.outputs['examples']")
        for artifact in self.examples:
            span, fingerprint = properties.get("span") or 0, properties.get("input_fingerprint") or ""
            ingest.set_input_properties(artifact, span, properties.get("version"), fingerprint)

    def beam_context(self: Any) -> RunContext:
        """With the flags of the executor spec, too."""
        return calling.with_flags(self.context, calling.beam_flags(self.executor_spec, self))

    def problems_with_reader(self, executor: Any) -> Iterator[str]:
        """None: executors that write the artifact themselves are called."""
        return iter(())

    def _span_properties(self) -> dict[str, Any]:
        raise NotImplementedError


class _FileBased(_TfxExampleGen):
    def _find(self: Any) -> Any:
        from mlops_tfx.io import inputs

        if not self._has_driver():
            return super()._find()  # type: ignore[misc]  # of the class this one is mixed into
        said = self._driven().exec_properties
        resolved = config.Input.model_validate_json(said["input_config"])
        found = inputs.find_spans(
            said.get("input_base") or self.input_base, resolved, may_be_empty=self._reads_anything()
        )
        return [dataclasses.replace(found[-1], span=said.get("span") or 0, version=said.get("version"))]

    def _span_properties(self: Any) -> dict[str, Any]:
        from mlops_tfx.io import inputs

        found = self._find()
        if len(found) != 1:
            raise ConfigError(
                f"expected a range of one span, because {self._executor().__qualname__} writes one artifact, received "
                f"spans {[one.span for one in found]}"
            )
        splits = [(split.name, split.pattern) for split in found[0].splits]
        return {
            "input_config": _input_json(splits),
            "span": found[0].span,
            "version": found[0].version,
            "input_fingerprint": inputs.fingerprint(found[0].splits),
        }


class FileBasedExampleGen(_FileBased, ingestion.FileBasedExampleGen):
    """`mlops_tfx.ingestion.FileBasedExampleGen` with TFX's class attributes."""

    EXECUTION_TYPE = ingestion.FileBasedExampleGen.EXECUTION_TYPE


class CsvExampleGen(_FileBased, components.CsvExampleGen):
    """`mlops_tfx.components.CsvExampleGen` with TFX's class attributes."""

    EXECUTION_TYPE = components.CsvExampleGen.EXECUTION_TYPE


class ImportExampleGen(_FileBased, components.ImportExampleGen):
    """`mlops_tfx.components.ImportExampleGen` with TFX's class attributes."""

    EXECUTION_TYPE = components.ImportExampleGen.EXECUTION_TYPE


class _QueryBased(_TfxExampleGen):
    DRIVER_CLASS: ClassVar[Any] = driver.QueryBasedDriver

    def queries(self: Any) -> dict[str, str]:
        if not self._has_driver() or self._bound_inputs is None:
            own: dict[str, str] = super().queries()  # type: ignore[misc]  # of the class this one is mixed into
            return own
        resolved = config.Input.model_validate_json(self._driven().exec_properties["input_config"])
        return {split.name: split.pattern for split in resolved.splits}

    def _span_properties(self: Any) -> dict[str, Any]:
        from mlops_tfx.ingestion.queries import query_of_span, spans_of

        spans = spans_of(self.range_config, self.queries())
        if len(spans) != 1:
            raise ConfigError(f"expected a range of one span, received spans {spans}")
        splits = [(name, query_of_span(query, spans[0])) for name, query in self.queries().items()]
        return {"input_config": _input_json(splits), "span": spans[0], "version": None}

    def _given_properties(self: Any) -> dict[str, Any]:
        queries = list(super().queries().items())  # type: ignore[misc]  # of the class this one is mixed into
        return {**super()._given_properties(), "input_config": _input_json(queries)}


class QueryBasedExampleGen(_QueryBased, ingestion.QueryBasedExampleGen):
    """`mlops_tfx.ingestion.QueryBasedExampleGen` with TFX's class attributes."""

    EXECUTION_TYPE = ingestion.QueryBasedExampleGen.EXECUTION_TYPE


class BigQueryExampleGen(_QueryBased, components.BigQueryExampleGen):
    """`mlops_tfx.components.BigQueryExampleGen` with TFX's class attributes."""

    EXECUTION_TYPE = "tfx.extensions.google_cloud_big_query.example_gen.component.BigQueryExampleGen"


def _input_json(splits: list[tuple[str, str]]) -> str:
    made = [config.Input.Split(name=name, pattern=pattern) for name, pattern in splits]
    return config.Input(splits=made).model_dump_json()
