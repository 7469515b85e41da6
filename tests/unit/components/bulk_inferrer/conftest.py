"""One model for all tests of this folder."""

from __future__ import annotations

import pytest

from mlops_tfx.artifacts import Model
from tests.unit.components.bulk_inferrer.cases import save_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return save_model(tmp_path_factory.mktemp("model"))
