"""Heavy imports: errors pass, the garbage collector rests meanwhile and works again afterwards."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_tfx.execution.heavy_imports import import_heavy, warm_up

MODULE = """
import gc
was_enabled = gc.isenabled()
kept = [[number] for number in range(5000)]
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    gc.unfreeze()
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_the_collector_rests_while_a_module_is_imported_and_sets_its_objects_aside(modules: Path) -> None:
    (modules / "heavy_one.py").write_text(MODULE, encoding="utf-8")
    frozen = gc.get_freeze_count()
    import_heavy(["heavy_one"])
    assert not sys.modules["heavy_one"].was_enabled
    assert gc.isenabled()
    assert gc.get_freeze_count() >= frozen + 5000
    frozen = gc.get_freeze_count()
    import_heavy(["heavy_one"])
    # Objects set aside by others may have been freed meanwhile; none are added.
    assert gc.get_freeze_count() <= frozen


def test_a_collector_that_was_off_stays_off(modules: Path) -> None:
    (modules / "heavy_two.py").write_text(MODULE, encoding="utf-8")
    gc.disable()
    try:
        import_heavy(["heavy_two"])
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize("text", [None, "raise ImportError('a part is missing')", "1 / 0"])
def test_a_failing_import_raises_and_the_collector_works_again(modules: Path, text: str | None) -> None:
    if text is not None:
        (modules / "heavy_three.py").write_text(text, encoding="utf-8")
    with pytest.raises(ZeroDivisionError if text == "1 / 0" else ImportError):
        import_heavy(["heavy_three"])
    assert gc.isenabled()


def test_warming_up_imports_in_order_and_stops_at_what_is_missing(modules: Path) -> None:
    for name in ("heavy_four", "heavy_five"):
        (modules / f"{name}.py").write_text(MODULE, encoding="utf-8")
    warm_up(["heavy_four", "heavy_nowhere", "heavy_five"]).join()
    assert "heavy_four" in sys.modules
    assert "heavy_five" not in sys.modules
