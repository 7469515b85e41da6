"""serve: a server that does not come up says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_tfx.errors import MlopsTfxError, ServingError
from mlops_tfx.serving.local import serve


def test_a_server_that_ends_at_once_shows_its_last_words(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with pytest.raises(MlopsTfxError, match=r"ended with code \d+:\n.*model_name"), serve("", blocked):
        pass


def test_a_model_that_never_comes_is_an_error_after_the_timeout(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match=r"'m' at localhost:.* is not available after 0.5 s"):
        with serve("m", tmp_path / "nothing", timeout=0.5):
            pass
