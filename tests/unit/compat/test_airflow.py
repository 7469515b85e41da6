"""Pipelines written for Airflow: they run at once, and say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_tfx.component import component
from mlops_tfx.pipeline import Pipeline

pytestmark = pytest.mark.usefixtures("as_tfx")


@component
def Wait() -> None:
    """Has nothing to do."""


@pytest.mark.parametrize("wrapped", [True, False])
def test_it_runs_here_and_now(tmp_path: Path, caplog: pytest.LogCaptureFixture, wrapped: bool) -> None:
    from tfx.orchestration.airflow.airflow_dag_runner import AirflowDagRunner, AirflowPipelineConfig

    settings = {"schedule_interval": None}
    runner = AirflowDagRunner(AirflowPipelineConfig(settings) if wrapped else settings)
    assert runner.config.airflow_dag_config == settings
    pipeline = Pipeline(pipeline_name="scheduled", pipeline_root=str(tmp_path), components=[Wait()])
    assert list(runner.run(pipeline).outputs) == ["Wait"]
    assert "scheduled runs now, on this machine" in caplog.text
