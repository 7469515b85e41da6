from __future__ import annotations

from collections.abc import Iterator

import pytest

from mlops_tfx import compat


@pytest.fixture
def as_tfx() -> Iterator[None]:
    compat.install()
    yield
    compat.uninstall()
