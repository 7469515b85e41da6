"""``tfx.orchestration.airflow``: pipelines written for Airflow run here at once.

For a schedule, let Airflow call ``mlops-tfx run``: a task for the pipeline, or with ``--from`` and ``--to`` one for
each part of it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlops_tfx.v1.orchestration.local import LocalDagRunner

if TYPE_CHECKING:
    from mlops_tfx.execution import RunResult
    from mlops_tfx.pipeline import Pipeline

_LOG = logging.getLogger(__name__)


class AirflowPipelineConfig:
    """What Airflow is told of a pipeline, such as its schedule; nothing here follows it.

    Args:
        airflow_dag_config: arguments of Airflow's ``DAG``.
        **kwargs: TFX's settings for launchers in containers.
    """

    def __init__(self, airflow_dag_config: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        self.airflow_dag_config = dict(airflow_dag_config or {})
        self.settings = kwargs


class AirflowDagRunner(LocalDagRunner):
    """Runs a pipeline on this machine, where TFX's makes a DAG for Airflow of it.

    Args:
        config: not followed.
    """

    def __init__(self, config: AirflowPipelineConfig | Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.config = config if isinstance(config, AirflowPipelineConfig) else AirflowPipelineConfig(config)

    def run(self, pipeline: Pipeline, run_options: Any = None, **kwargs: Any) -> RunResult:
        """Runs a pipeline to its end, as LocalDagRunner does."""
        _LOG.warning(
            "AirflowDagRunner: %s runs now, on this machine; for its schedule let Airflow call 'mlops-tfx run'",
            pipeline.pipeline_name,
        )
        return super().run(pipeline, run_options, **kwargs)
