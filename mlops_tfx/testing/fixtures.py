"""The pytest plugin: ``pytest_plugins = ["mlops_tfx.testing.fixtures"]`` in conftest.py gives ``pipeline_test``."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_tfx.testing.isolated import PipelineTest


@pytest.fixture
def pipeline_test(tmp_path: Path) -> PipelineTest:
    """Runs pipelines in a root and a store of the test's own; see `PipelineTest`."""
    return PipelineTest(tmp_path / "pipeline_root")
