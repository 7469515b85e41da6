"""Settings for every test: quiet libraries, and no program is given a GPU or the network it did not ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Set before any test imports TensorFlow: its start-up messages would drown what a failing test says.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # the same floating point results on every processor


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The root of the repository."""
    return Path(__file__).resolve().parent.parent
