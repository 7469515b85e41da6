"""Pipeline with TFX's arguments and defaults."""

from __future__ import annotations

import enum
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlops_tfx import pipeline
from mlops_tfx.channel import BaseChannel
from mlops_tfx.connection import as_connection
from mlops_tfx.control_flow import PipelineInputs
from mlops_tfx.errors import ConfigError, WiringError
from mlops_tfx.node import Node
from mlops_tfx.placeholders import Placeholder


class ExecutionMode(enum.Enum):
    """Whether a run ends (SYNC), or nodes go on for ever (ASYNC)."""

    SYNC = 1
    ASYNC = 2


class Pipeline(pipeline.Pipeline):
    """An immutable graph of nodes, made with TFX's arguments. It may itself be a node of another pipeline.

    Args:
        pipeline_name: at most 63 characters; names the pipeline in the metadata store.
        pipeline_root: folder for all outputs; a path, or a uri on an object store (``s3://``, ``gs://``), or a
            placeholder for it.
        metadata_connection_config: the metadata store, as a message of ML Metadata or as settings of
            `mlops_tfx.connection`; a sqlite file ``metadata.sqlite`` in the root by default.
        components: the nodes, in any order.
        enable_cache: reuse results whose inputs, parameters, code and library versions are unchanged. As in TFX, not
            unless asked for.
        beam_pipeline_args: flags for every node's Beam pipelines.
        platform_config: for TFX's orchestrators in clusters; refused unless None.
        execution_mode: SYNC; ASYNC is refused.
        inputs: what it takes from the pipeline around, where it is a part of one.
        outputs: what it gives to the pipeline around: channels of its nodes by name.
        dsl_context_registry: TFX's bookkeeping of ``with`` blocks; not used here.

    Raises:
        WiringError: lists everything that is wrong with the definition, all at once.
    """

    def __init__(
        self,
        pipeline_name: str,
        pipeline_root: str | os.PathLike[str] | Placeholder = "",
        metadata_connection_config: Any = None,
        components: Iterable[Node] = (),
        enable_cache: bool = False,
        beam_pipeline_args: Sequence[str | Placeholder] | None = None,
        platform_config: Any = None,
        execution_mode: ExecutionMode = ExecutionMode.SYNC,
        inputs: PipelineInputs | None = None,
        outputs: Mapping[str, BaseChannel[Any]] | None = None,
        dsl_context_registry: Any = None,
    ) -> None:
        problems = _refused(platform_config, execution_mode)
        try:
            connection = as_connection(metadata_connection_config)
        except ConfigError as error:
            problems.append(f"metadata_connection_config: {error}")
        if problems:
            raise WiringError(problems)
        super().__init__(
            pipeline_name,
            pipeline_root,
            connection,
            components,
            enable_cache=enable_cache,
            beam_pipeline_args=beam_pipeline_args or (),
            inputs=inputs,
            outputs=outputs,
        )
        self.platform_config = platform_config
        self.execution_mode = execution_mode


def _refused(platform_config: Any, execution_mode: Any) -> list[str]:
    problems = []
    if platform_config is not None:
        problems.append(
            f"platform_config: expected None, received {type(platform_config).__name__}: it configures orchestrators "
            "in clusters; on one machine there is nothing to configure"
        )
    if execution_mode is not ExecutionMode.SYNC:
        problems.append(
            f"execution_mode: expected ExecutionMode.SYNC, received {execution_mode!r}: there are no nodes that go on "
            "for ever here; run the pipeline again and again, for instance by cron"
        )
    return problems
