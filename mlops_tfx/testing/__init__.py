"""Tests of pipelines: recorded outputs in place of heavy nodes, assertions on artifacts, a fixture for pytest.

    pytest_plugins = ["mlops_tfx.testing.fixtures"]  # in conftest.py

    def test_the_model_is_blessed(pipeline_test):
        result = pipeline_test.run(create_pipeline(), recorded="tests/recorded", only=["Evaluator"])
        assert is_blessed(artifact(result, "Evaluator", "blessing"))

docs/testing-pipelines.md is the guide.
"""

from mlops_tfx.execution.testing import run_component
from mlops_tfx.testing.artifacts import (
    artifact,
    artifacts,
    is_blessed,
    read_schema,
    read_split,
    read_statistics,
    read_value,
)
from mlops_tfx.testing.isolated import PipelineTest
from mlops_tfx.testing.recordings import Recording, record, record_run

__all__ = [
    "PipelineTest",
    "Recording",
    "artifact",
    "artifacts",
    "is_blessed",
    "read_schema",
    "read_split",
    "read_statistics",
    "read_value",
    "record",
    "record_run",
    "run_component",
]
