"""Executors that TFX's standard components have, for executors derived from them: ours do the work.

    class Executor(pusher_executor.Executor):
        def Do(self, input_dict, output_dict, exec_properties):
            if self.CheckBlessing(input_dict):
                deliver(self.GetModelPath(input_dict))

What TFX's executors call of themselves is called here, too; where it is not, a class that defines it anew is refused.
"""

from __future__ import annotations

import functools
import importlib
import json
import tempfile
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from mlops_tfx.artifacts import Artifact
from mlops_tfx.compat import calling, labelled_values, model_paths, user_functions
from mlops_tfx.compat.artifact_lists import get_single_instance
from mlops_tfx.compat.executors import Artifacts, BaseBeamExecutor
from mlops_tfx.component import Component, RunContext
from mlops_tfx.ports import OutputArtifacts, Outputs


class StandardExecutor(BaseBeamExecutor):
    """Does what one of our components does, with the artifacts and parameters it is given.

    Attributes:
        COMPONENT: name of the component in `mlops_tfx.components`.
        NOT_CALLED: what TFX's executor calls of itself and ours does not; a class that defines one is refused.

    Raises:
        TypeError: a derived class defines what is NOT_CALLED: when it is made, unless it has a ``Do`` of its own; else
            when that goes on to the one here.
    """

    COMPONENT: ClassVar[str] = ""
    NOT_CALLED: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not defines(cls, "Do"):
            cls._refuse_what_is_not_called()

    @classmethod
    def _refuse_what_is_not_called(cls) -> None:
        found = [name for name in (*cls.NOT_CALLED, "_make_beam_pipeline") if defines(cls, name)]
        if found:
            raise TypeError(
                f"{cls.__qualname__}: {', '.join(found)} would not be called: TFX's executor of {cls.COMPONENT} calls "
                f"it, ours does its work otherwise. Define Do, without super().Do(), or change what goes in or comes "
                "out before or after super().Do()"
            )

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Runs the component."""
        self._refuse_what_is_not_called()
        bound, places = self._bound(input_dict, output_dict, exec_properties)
        bound.run()
        for key, place in places.items():
            output_dict[key] = list(place)

    def _bound(
        self, inputs: Artifacts, outputs: Artifacts, properties: Mapping[str, Any]
    ) -> tuple[Component, dict[str, OutputArtifacts[Any]]]:
        cls: Any = getattr(importlib.import_module("mlops_tfx.components"), self.COMPONENT)
        parameters = {
            name: _value(annotation, properties[name])
            for name, annotation in cls.PARAMETERS.items()
            if properties.get(name) not in (None, "", "null") and name != "custom_executor_spec"
        }
        places: dict[str, OutputArtifacts[Any]] = {}
        written: dict[str, Artifact | OutputArtifacts[Any]] = {}
        for key, artifacts in outputs.items():
            if isinstance(cls.OUTPUTS[key], Outputs):
                written[key] = places[key] = OutputArtifacts(type(artifacts[0]), artifacts[0].uri)
            else:
                written[key] = get_single_instance(artifacts)
        known: RunContext | None = getattr(self._context, "run_context", None)
        context = known or RunContext("", "", self.COMPONENT, tempfile.mkdtemp())
        context = calling.with_flags(context, self._beam_pipeline_args)
        return cls(**parameters).bind(inputs, written, context), places


def defines(cls: type, name: str) -> bool:
    """Whether a class, or one that it is derived from, defines a method anew that an executor of ours has."""
    own = (base for base in cls.__mro__ if not base.__module__.startswith("mlops_tfx."))
    return any(name in vars(base) for base in own)


def _value(annotation: Any, value: Any) -> Any:
    """A parameter of TFX's as one of ours: JSON text of lists and dicts as such; messages are taken as text."""
    if annotation is bool:
        return bool(value)
    if isinstance(value, str) and value[:1] in ("[", "{") and "str" not in str(annotation).split(" | "):
        return json.loads(value)
    return value


class BulkInferrerExecutor(StandardExecutor):
    """``tfx.components.bulk_inferrer.executor.Executor``."""

    COMPONENT = "BulkInferrer"
    NOT_CALLED = ("_get_inference_spec", "_run_model_inference")


class DataViewBinderExecutor(StandardExecutor):
    """``tfx.components.experimental.data_view.binder_executor.DataViewBinderExecutor``."""

    COMPONENT = "DataViewBinder"


class TfGraphDataViewProviderExecutor(StandardExecutor):
    """``tfx.components.experimental.data_view.provider_executor.TfGraphDataViewProviderExecutor``."""

    COMPONENT = "TfGraphDataViewProvider"


class EvaluatorExecutor(StandardExecutor):
    """``tfx.components.evaluator.executor.Executor``."""

    COMPONENT = "Evaluator"
    NOT_CALLED = ("_get_slice_spec_from_feature_slicing_spec",)


class DistributionValidatorExecutor(StandardExecutor):
    """``tfx.components.distribution_validator.executor.Executor``."""

    COMPONENT = "DistributionValidator"


class ExampleDiffExecutor(StandardExecutor):
    """``tfx.components.example_diff.executor.Executor``."""

    COMPONENT = "ExampleDiff"


class ExampleValidatorExecutor(StandardExecutor):
    """``tfx.components.example_validator.executor.Executor``."""

    COMPONENT = "ExampleValidator"
    NOT_CALLED = ("_Validate",)


class ImportSchemaGenExecutor(StandardExecutor):
    """``tfx.components.schema_gen.import_schema_gen.executor.Executor``."""

    COMPONENT = "ImportSchemaGen"


class InfraValidatorExecutor(StandardExecutor):
    """``tfx.components.infra_validator.executor.Executor``."""

    COMPONENT = "InfraValidator"
    NOT_CALLED = (
        "_AddCleanup",
        "_Cleanup",
        "_CreateWarmupModel",
        "_Do",
        "_InstallGracefulShutdownHandler",
        "_PrepareModelPath",
        "_ValidateOnce",
        "_ValidateWithRetry",
    )


class SchemaGenExecutor(StandardExecutor):
    """``tfx.components.schema_gen.executor.Executor``."""

    COMPONENT = "SchemaGen"


class StatisticsGenExecutor(StandardExecutor):
    """``tfx.components.statistics_gen.executor.Executor``."""

    COMPONENT = "StatisticsGen"


class TransformExecutor(StandardExecutor):
    """``tfx.components.transform.executor.Executor``."""

    COMPONENT = "Transform"

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Transforms, with the functions of ``module_file`` or those that a derived class gives."""
        given = {
            "materialize": "transformed_examples" in output_dict,
            "disable_analyzer_cache": "updated_analyzer_cache" not in output_dict,
            **exec_properties,
        }
        if defines(type(self), "_GetPreprocessingFn") or defines(type(self), "_GetStatsOptionsUpdaterFn"):
            given["preprocessing_fn"] = self._GetPreprocessingFn(exec_properties, {})
            given["stats_options_updater_fn"] = self._GetStatsOptionsUpdaterFn(exec_properties)
            given.pop("module_file", None)
        super().Do(input_dict, output_dict, given)

    def _GetPreprocessingFn(self, inputs: Mapping[str, Any], unused_outputs: Mapping[str, Any]) -> Callable[..., Any]:
        """The user's ``preprocessing_fn``, with its ``custom_config`` if it takes one."""
        return _with_custom_config(user_functions.get_fn(inputs, "preprocessing_fn"), inputs)

    def _GetStatsOptionsUpdaterFn(self, inputs: Mapping[str, Any]) -> Callable[..., Any] | None:
        """The user's ``stats_options_updater_fn``, if there is one."""
        found = user_functions.try_get_fn(inputs, "stats_options_updater_fn")
        return found if found is None else _with_custom_config(found, inputs)


def _with_custom_config(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Callable[..., Any]:
    if not labelled_values.FunctionHasArg(function, "custom_config"):
        return function
    return functools.partial(function, custom_config=json.loads(inputs.get("custom_config") or "null") or {})


class TunerExecutor(StandardExecutor):
    """``tfx.components.tuner.executor.Executor``: calls ``tuner_fn``."""

    COMPONENT = "Tuner"


class GenericExecutor(StandardExecutor):
    """``tfx.components.trainer.executor.GenericExecutor``: calls ``run_fn``."""

    COMPONENT = "Trainer"

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Trains, with the arguments that ``_GetFnArgs`` gives."""
        self._refuse_what_is_not_called()
        component: Any = self._bound(input_dict, output_dict, exec_properties)[0]
        component.train(self._GetFnArgs(input_dict, output_dict, exec_properties))

    def _GetFnArgs(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> Any:
        """What ``run_fn`` is called with."""
        component: Any = self._bound(input_dict, output_dict, exec_properties)[0]
        return component.fn_args()


class PusherExecutor(StandardExecutor):
    """``tfx.components.pusher.executor.Executor``."""

    COMPONENT = "Pusher"

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Pushes the model of ``GetModelPath``, unless ``CheckBlessing`` refuses it."""
        self._refuse_what_is_not_called()
        pushed = get_single_instance(output_dict["pushed_model"])
        component: Any = self._bound(input_dict, output_dict, exec_properties)[0]
        asked = defines(type(self), "CheckBlessing")
        refused = not self.CheckBlessing(input_dict) if asked else component.is_refused()
        if refused or component.is_held_back():
            self._MarkNotPushed(pushed)
            return
        component.push_model(self.GetModelPath(input_dict))
        noted = pushed.custom_properties
        destination, version = noted["pushed_destination"], noted["pushed_version"]
        self._MarkPushed(pushed, pushed_destination=str(destination), pushed_version=str(version))

    def CheckBlessing(self, input_dict: Artifacts) -> bool:
        """Whether all blessings that there are were given."""
        blessings = [*input_dict.get("model_blessing", ()), *input_dict.get("infra_blessing", ())]
        return all(is_blessed(blessing) for blessing in blessings)

    def GetModelPath(self, input_dict: Artifacts) -> str:
        """Returns the folder of the model to push. Raises RuntimeError if there is none."""
        if input_dict.get("model"):
            return model_paths.serving_model_path(get_single_instance(input_dict["model"]).uri)
        if not input_dict.get("infra_blessing"):
            raise RuntimeError("there is no model to push: neither input 'model' nor 'infra_blessing' has an artifact")
        blessing = get_single_instance(input_dict["infra_blessing"])
        if not blessing.get_int_custom_property("has_model"):
            raise RuntimeError(f"{blessing!r} holds no model; InfraValidator puts it there with make_warmup=True")
        return model_paths.stamped_model_path(blessing.uri)

    def _MarkPushed(self, model_push: Artifact, pushed_destination: str, pushed_version: str | None = None) -> None:
        model_push.set_int_custom_property("pushed", 1)
        model_push.set_string_custom_property("pushed_destination", pushed_destination)
        if pushed_version is not None:
            model_push.set_string_custom_property("pushed_version", pushed_version)

    def _MarkNotPushed(self, model_push: Artifact) -> None:
        model_push.set_int_custom_property("pushed", 0)


def is_blessed(blessing: Artifact) -> bool:
    """Whether a ModelBlessing or InfraBlessing was given (``tfx.components.util.model_utils``)."""
    return blessing.get_int_custom_property("blessed") == 1
