"""Small mistakes of preprocessing that was written twice: each is found, and what it looks like is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.skew import mistakes
from tests.unit.skew.world import World, make_world, validate

# A sample that has few of the places, and none of the values that tell.
SAMPLE = {"num_rows": 32, "one_by_one": 16}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(
        tmp_path_factory.mktemp("mistakes"),
        mistakes.preprocessing_fn,
        with_stale=False,
        spec=mistakes.feature_spec(),
        make_columns=mistakes.columns,
        rows=mistakes.ROWS,
    )


def test_without_a_mistake_it_is_blessed(made: World, tmp_path: Path) -> None:
    folder = mistakes.save(made, str(tmp_path / "right" / "Format-Serving"), ())
    blessing, report = validate(made, folder, tmp_path, **SAMPLE)
    assert report["reasons"] == []
    assert report["advice"] == []
    assert blessing.custom_properties["blessed"] == 1


def test_every_mistake_is_found_and_named(made: World, tmp_path: Path) -> None:
    planted = mistakes.cases()
    folder = mistakes.save(made, str(tmp_path / "wrong" / "Format-Serving"), {*planted, "place_xf"})
    blessing, report = validate(made, folder, tmp_path, **SAMPLE)
    assert blessing.custom_properties["blessed"] == 0
    assert set(report["skewed_features"]) == {*planted, "place_xf"}
    texts = {suspect["feature"]: suspect["text"] for suspect in report["suspects"]}
    for name, case in planted.items():
        rows = {row for place in report["skewed_features"][name] for row in place["rows"]}
        assert case.looks_like in texts[name], (name, texts[name], rows)
        assert report["skewed_features"][name][0]["worst"]["features"], "the row is told"
    assert "the vocabulary has another version or order" in texts["place_xf"]
    assert "computed from 'place'" in texts["place_xf"]
    assert "export with export_model" in report["advice"][0]
