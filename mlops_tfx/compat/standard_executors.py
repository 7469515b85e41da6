"""Executors that TFX's standard components have, for executors derived from them: ours do the work.

class Executor(pusher_executor.Executor):
def Do(self, input_dict, output_dict, exec_properties):
if self.CheckBlessing(input_dict):
deliver(self.GetModelPath(input_dict))
"""

from __future__ import annotations

import importlib
import json
import tempfile
from collections.abc import Mapping
from typing import Any, ClassVar

from mlops_tfx.artifacts import Artifact
from mlops_tfx.compat import model_paths
from mlops_tfx.compat.artifact_lists import get_single_instance
from mlops_tfx.compat.executors import Artifacts, BaseBeamExecutor
from mlops_tfx.component import Component, RunContext
from mlops_tfx.ports import OutputArtifacts, Outputs


class StandardExecutor(BaseBeamExecutor):
    """Does what one of our components does, with the artifacts and parameters it is given.

    Attributes:
        COMPONENT: name of the component in `mlops_tfx.components`.
    """

    COMPONENT: ClassVar[str] = ""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Runs the component."""
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
        return cls(**parameters).bind(inputs, written, context), places


def _value(annotation: Any, value: Any) -> Any:
    """A parameter of TFX's as one of ours: JSON text of lists and dicts as such; messages are taken as text."""
    if isinstance(value, str) and value[:1] in ("[", "{") and "str" not in str(annotation).split(" | "):
        return json.loads(value)
    return value


class BulkInferrerExecutor(StandardExecutor):
    """``tfx.components.bulk_inferrer.executor.Executor``."""

    COMPONENT = "BulkInferrer"


class DataViewBinderExecutor(StandardExecutor):
    """``tfx.components.experimental.data_view.binder_executor.DataViewBinderExecutor``."""

    COMPONENT = "DataViewBinder"


class TfGraphDataViewProviderExecutor(StandardExecutor):
    """``tfx.components.experimental.data_view.provider_executor.TfGraphDataViewProviderExecutor``."""

    COMPONENT = "TfGraphDataViewProvider"


class EvaluatorExecutor(StandardExecutor):
    """``tfx.components.evaluator.executor.Executor``."""

    COMPONENT = "Evaluator"


class ExampleValidatorExecutor(StandardExecutor):
    """``tfx.components.example_validator.executor.Executor``."""

    COMPONENT = "ExampleValidator"


class SchemaGenExecutor(StandardExecutor):
    """``tfx.components.schema_gen.executor.Executor``."""

    COMPONENT = "SchemaGen"


class StatisticsGenExecutor(StandardExecutor):
    """``tfx.components.statistics_gen.executor.Executor``."""

    COMPONENT = "StatisticsGen"


class TransformExecutor(StandardExecutor):
    """``tfx.components.transform.executor.Executor``."""

    COMPONENT = "Transform"


class GenericExecutor(StandardExecutor):
    """``tfx.components.trainer.executor.GenericExecutor``: calls ``run_fn``."""

    COMPONENT = "Trainer"

    def _GetFnArgs(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> Any:
        """What ``run_fn`` is called with."""
        component: Any = self._bound(input_dict, output_dict, exec_properties)[0]
        return component.fn_args()


class PusherExecutor(StandardExecutor):
    """``tfx.components.pusher.executor.Executor``."""

    COMPONENT = "Pusher"

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
