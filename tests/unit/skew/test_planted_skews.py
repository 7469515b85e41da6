"""Preprocessing written twice: right, it is blessed; with one of six mistakes, the feature is named."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.skew.world import ROWS, Rewrite, World, columns, export, read_moments, save_rewritten, validate

SKEWS = {
    "other mean": (Rewrite(mean=0.25), "price_xf"),
    "mean of one unit in the last place": (Rewrite(mean=4e-6), "price_xf"),
    "other vocabulary order": (Rewrite(words=("blue", "red", "green")), "word_xf"),
    "missing default": (Rewrite(reduction=0.0), "reduction_xf"),
    "float64": (Rewrite(wide=True), "number_xf"),
    "sparse feature": (Rewrite(one_tag=True), "tags_xf"),
    "time zone": (Rewrite(zone=1), "hour_xf"),
}


def test_correct_rewrite_is_blessed(world: World, tmp_path: Path) -> None:
    model = save_rewritten(world, Rewrite(), "correct", features=True)
    blessing, report = validate(world, model, tmp_path)
    assert report["reasons"] == []
    assert blessing.custom_properties["blessed"] == 1
    assert report["trained_model"] == "its call"
    worst = [outcome["worst"] for result in report["results"]
             for outcome in (*result["outputs"], *result["inside_the_graph"])]  # fmt: skip
    assert len(worst) > 20
    assert worst == [None] * len(worst), "the same arithmetic gives the same bits"


@pytest.mark.parametrize("kind", SKEWS)
def test_skew_is_found_inside_the_graph(world: World, tmp_path: Path, kind: str) -> None:
    rewrite, feature = SKEWS[kind]
    model = save_rewritten(world, rewrite, f"planted {kind}")
    blessing, report = validate(world, model, tmp_path, num_rows=64)
    assert blessing.custom_properties["blessed"] == 0
    found = set(json.loads(str(blessing.custom_properties["skewed_features"])))
    assert feature in found
    assert found <= ({"price_xf", "number_xf"} if kind == "float64" else {feature})
    assert feature in str(blessing.custom_properties["not_blessed_reason"])
    places = [place["where"] for place in report["skewed_features"][feature]]
    assert all("inside its graph" in place for place in places)


def test_number_of_elements_that_float64_rounds_otherwise(world: World, tmp_path: Path) -> None:
    model = save_rewritten(world, Rewrite(wide=True), "wide")
    _, report = validate(world, model, tmp_path, num_rows=sum(ROWS.values()))
    place = next(place for place in report["skewed_features"]["number_xf"] if "sampled rows together" in place["where"])
    mean, deviation = read_moments(world.graph)["number"]
    lists = [columns(rows, seed)["number"].to_pylist() for seed, rows in enumerate(ROWS.values())]
    numbers = np.array([row[0] for part in lists for row in part if row], np.float32)
    narrow = (numbers - mean) / deviation
    wide = ((numbers.astype(np.float64) - float(mean)) / float(deviation)).astype(np.float32)
    assert (narrow != wide).sum() > 0
    assert place["differing"] == (narrow != wide).sum()
    assert place["worst"]["absolute"] <= np.abs(narrow - wide).max()


def test_worst_element_and_what_replacing_it_does(world: World, tmp_path: Path) -> None:
    model = save_rewritten(world, Rewrite(zone=1), "zone")
    _, report = validate(world, model, tmp_path, num_rows=64)
    place = next(place for place in report["skewed_features"]["hour_xf"] if "sampled rows together" in place["where"])
    assert (place["elements"], place["differing"], place["rows_differing"]) == (64, 64, 64)
    worst = place["worst"]
    seconds = worst["features"]["when"][0]
    assert worst["training"] == seconds // 3600 % 24
    assert worst["served"] == (seconds // 3600 + 1) % 24
    (suspect,) = report["suspects"]
    assert "replacing it by training's value removes the difference in all" in suspect["text"]
    _check_page((tmp_path / "SkewValidator" / "report" / "skew.html").read_text(), report, worst)


def _check_page(page: str, report: dict[str, Any], worst: dict[str, Any]) -> None:
    text = html.unescape(page)
    assert "skew: not blessed" in text
    assert all(reason in text for reason in report["reasons"])
    assert f"{worst['training']!r} -> {worst['served']!r}" in text
    assert "The worst row for hour_xf" in text
    digests = report["digests"]
    assert set(digests["vocabularies"]) == {"words", "tags"}
    shown = set(re.findall(r"\w{64}", text))
    assert {digests["transform_graph"], digests["model"], *digests["vocabularies"].values()} <= shown


def test_stale_graph(world: World, tmp_path: Path) -> None:
    model = export(world, world.stale, "stale")
    blessing, report = validate(world, model, tmp_path)
    assert blessing.custom_properties["blessed"] == 0
    assert {"price_xf", "number_xf"} <= set(report["skewed_features"])
    where = {place["where"].split(", ")[1] for place in report["skewed_features"]["price_xf"]}
    assert where == {"signature 'serving_default'", "signature 'serving_raw'", "signature 'transform_features'"}


@pytest.fixture(scope="module")
def exported(world: World) -> str:
    return export(world, world.graph, "exported")


def test_exported_model_is_blessed_on_all_paths(world: World, exported: str, tmp_path: Path) -> None:
    blessing, report = validate(
        world, exported, tmp_path, paths=("in_process", "grpc", "rest", "bulk_inferrer"), one_by_one=40
    )
    assert report["reasons"] == []
    assert blessing.custom_properties["blessed"] == 1
    compared = {(result["path"], result["signature"]) for result in report["results"] if result["count"]}
    assert compared == {
        (path, signature)
        for path in ("in_process", "grpc", "rest", "bulk_inferrer")
        for signature in ("serving_default", "serving_raw", "transform_features")
    }
    assert report["what_training_read"] is not None
    refused = report["rows"]["refused_by_training"]
    assert {"word: missing", "price: an empty list"} <= {row["row"] for row in refused}
    assert all(row["refused_by"] and not row["accepted_by"] for row in refused)
    _check_inexpressible(report)


def _check_inexpressible(report: dict[str, Any]) -> None:
    reasons = {(result["path"], reason) for result in report["results"] for reason in result["not_expressible"]}
    assert ("rest", "NaN as a value of 'number': it means missing") in reasons
    assert not any(path == "in_process" and "BulkInferrer" in reason for path, reason in reasons)
