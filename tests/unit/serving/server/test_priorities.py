"""Loading lets requests have their turns."""

from __future__ import annotations

import sys

import pytest

from mlops_tfx.serving.server.priorities import ShortTurns


def test_turns_are_short_until_the_last_block_ends() -> None:
    usual, turns = sys.getswitchinterval(), ShortTurns()
    with turns:
        short = sys.getswitchinterval()
        with turns:
            assert sys.getswitchinterval() == short
        assert sys.getswitchinterval() == short
    assert short == pytest.approx(usual / 50, rel=0.05)
    assert sys.getswitchinterval() == pytest.approx(usual)


def test_a_load_that_fails_ends_them() -> None:
    usual, turns = sys.getswitchinterval(), ShortTurns()
    with pytest.raises(ValueError, match="broken"), turns:
        raise ValueError("broken")
    assert sys.getswitchinterval() == pytest.approx(usual)
