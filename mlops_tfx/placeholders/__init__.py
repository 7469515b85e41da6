"""Placeholders: values that are known only when a node runs. Names and behaviour are those of TFX's ``placeholder``.

    with Cond(evaluator.outputs["blessing"].future()[0].custom_property("blessed") == 1): ...
    Trainer(..., custom_config={"rate": tune.outputs["rate"].future()[0].value})
    Pusher(..., push_destination=RuntimeParameter("destination", str))

A placeholder is an immutable tree of expressions. It may stand wherever a parameter of a component is given, also
inside lists, dicts and configuration models, in Beam flags, in the pipeline root and in the command of a container. It
is evaluated by ``resolve`` with a `Known`.
"""

from mlops_tfx.placeholders.artifacts import ArtifactPlaceholder, FutureArtifacts, NodeArtifacts, input, output
from mlops_tfx.placeholders.building import dirname, join, join_path, make_dict, make_list, make_proto
from mlops_tfx.placeholders.checks import (
    known_at_start,
    problems_in_parameter,
    problems_in_pipeline,
    runtime_parameters_in,
)
from mlops_tfx.placeholders.containers import contains_placeholder, placeholders_in, resolve
from mlops_tfx.placeholders.encodings import ListSerializationFormat, ProtoSerializationFormat
from mlops_tfx.placeholders.expression import Placeholder, Predicate, logical_and, logical_not, logical_or
from mlops_tfx.placeholders.known import Known
from mlops_tfx.placeholders.runtime import (
    PIPELINE_ROOT,
    PIPELINE_RUN_ID,
    ROOT_PARAMETER,
    RuntimeParameter,
    environment_variable,
    exec_property,
    execution_invocation,
    runtime_info,
)

__all__ = [
    "PIPELINE_ROOT",
    "PIPELINE_RUN_ID",
    "ROOT_PARAMETER",
    "ArtifactPlaceholder",
    "FutureArtifacts",
    "Known",
    "ListSerializationFormat",
    "NodeArtifacts",
    "Placeholder",
    "Predicate",
    "ProtoSerializationFormat",
    "RuntimeParameter",
    "contains_placeholder",
    "dirname",
    "environment_variable",
    "exec_property",
    "execution_invocation",
    "input",
    "join",
    "join_path",
    "known_at_start",
    "logical_and",
    "logical_not",
    "logical_or",
    "make_dict",
    "make_list",
    "make_proto",
    "output",
    "placeholders_in",
    "problems_in_parameter",
    "problems_in_pipeline",
    "resolve",
    "runtime_info",
    "runtime_parameters_in",
]
