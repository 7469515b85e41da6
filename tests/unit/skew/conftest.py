"""One finished training for all tests of this folder."""

from __future__ import annotations

import pytest

from tests.unit.skew.world import World, make_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("skew"))
