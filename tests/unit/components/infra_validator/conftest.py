"""One model and its examples for all tests of this folder."""

from __future__ import annotations

import pytest

from mlops_tfx.artifacts import Examples, Model
from tests.unit.components.infra_validator.cases import save_model, write_examples


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return save_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    return write_examples(tmp_path_factory.mktemp("examples"))
