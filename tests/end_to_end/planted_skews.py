"""Skews planted into what the examples' pipelines exported, for the tests of each example.

The penguins have no time. An instrument with another zero stands for the clock of another time zone: a raw value is
moved by a constant before anything else happens to it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mlops_tfx.artifacts import Artifact, Model, Schema, TransformGraph
from mlops_tfx.components import SkewValidator
from mlops_tfx.execution.testing import run_component
from tests.end_to_end.conftest import Example
from tests.end_to_end.rewritten_preprocessing import (
    Rewrite,
    Trained,
    copy_with_other_constant,
    copy_with_other_vocabulary,
    older_graph,
)

SKEWS = ("one rounding", "other mean", "other vocabulary order", "missing default", "float64", "time zone",
         "stale graph")  # fmt: skip


@dataclass(frozen=True)
class Columns:
    """What is planted where.

    Attributes:
        label: the label.
        numbers: the scaled columns, in the order of the preprocessing function.
        mean: the number whose mean is changed in the exported graph, and by how much.
        order: the category whose vocabulary is reordered in the exported assets.
        default: the number that some rows lack.
        wide: the number that is scaled in float64, or multiplied and not divided.
        moved: the raw feature that is moved, how, and the transformed features that see it.
    """

    label: str
    numbers: tuple[str, ...]
    mean: tuple[str, float]
    order: str
    default: str
    wide: str
    moved: tuple[str, Any, set[str]]


FLIGHTS = Columns(
    label="late",
    numbers=("month", "day", "hour", "minute", "sched_arr_time", "distance", "temp", "dewp", "humid", "wind_dir",
             "wind_speed", "wind_gust", "precip", "pressure", "visib"),
    mean=("distance", 25.0),
    order="carrier",
    default="wind_gust",
    wide="pressure",
    # New York's hour of departure, taken for UTC's.
    moved=("hour", lambda hour: (hour + 5) % 24, {"hour_number", "hour_category"}),
)  # fmt: skip
PENGUINS = Columns(
    label="species",
    numbers=("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"),
    mean=("bill_depth_mm", 0.125),
    order="island",
    default="bill_length_mm",
    wide="body_mass_g",
    moved=("flipper_length_mm", lambda length: _moved_values(length, 1), {"flipper_length_mm_number"}),
)


def _moved_values(sparse: Any, by: Any) -> Any:
    return sparse.with_values(sparse.values + by)


class Served:
    """A finished run of an example, and places to plant skews in."""

    def __init__(self, example: Example, columns: Columns, folder: Path) -> None:
        self.example, self.columns, self.folder = example, columns, folder
        self.model = example.output("Trainer", "model") / "Format-Serving"
        self.graph = example.output("Transform", "transform_graph")

    @cached_property
    def trained(self) -> Trained:
        return Trained(self.model, self.graph, self.columns.numbers)

    def validate(self, model: Path, **parameters: Any) -> tuple[Artifact, dict[str, Any]]:
        """Runs SkewValidator as the pipeline does; returns the blessing and the report."""
        assert model.name == "Format-Serving"
        inputs = {
            "model": Model(str(model.parent)),
            "transform_graph": TransformGraph(str(self.graph)),
            "examples": self.example.examples("CsvExampleGen", "examples"),
            "transformed_examples": self.example.examples("Transform", "transformed_examples"),
            "schema": Schema(str(self.example.output("SchemaGen", "schema"))),
        }
        component = SkewValidator(label_key=self.columns.label, **parameters)
        outputs = run_component(component, inputs, model.parent / "validated")
        (blessing,), (report,) = outputs["blessing"], outputs["report"]
        return blessing, json.loads((Path(report.uri) / "skew.json").read_text())

    def rewritten(self, name: str, rewrite: Rewrite) -> Path:
        return self.trained.save(rewrite, self.folder / name / "Format-Serving")

    def plant(self, kind: str) -> tuple[Path, set[str]]:
        """The model with a skew, and the features that have it."""
        columns, folder = self.columns, self.folder / kind / "Format-Serving"
        if kind == "other mean":
            name, change = columns.mean
            mean = self.trained.moments[name][0]
            return copy_with_other_constant(self.model, mean, mean + change, folder), {f"{name}_number"}
        if kind == "other vocabulary order":
            name = columns.order
            return copy_with_other_vocabulary(self.model, f"{name}_vocabulary", folder), {f"{name}_category"}
        if kind == "stale graph":
            graph = older_graph(self.example, 0.5, self.folder / "older")
            moved = {f"{name}_number" for name in columns.numbers}
            return self.trained.export(graph, columns.label, folder), moved
        rewrites = {
            "missing default": (Rewrite(defaults={columns.default: 0.0}), {f"{columns.default}_number"}),
            "float64": (Rewrite(wide=(columns.wide,)), {f"{columns.wide}_number"}),
            "one rounding": (Rewrite(multiplied=(columns.wide,)), {f"{columns.wide}_number"}),
            "time zone": (Rewrite(moved=dict([columns.moved[:2]])), columns.moved[2]),
        }
        rewrite, features = rewrites[kind]
        return self.rewritten(kind, rewrite), features


def check_right_rewrite(served: Served) -> None:
    """Asserts that preprocessing which was written a second time, and rightly, is blessed."""
    blessing, report = served.validate(served.rewritten("right", Rewrite()), paths=("in_process",))
    assert report["reasons"] == []
    assert blessing.custom_properties["blessed"] == 1
    compared = [outcome for result in report["results"] for outcome in result["inside_the_graph"]]
    assert {outcome["name"] for outcome in compared} == set(served.trained.features)
    assert [outcome["worst"] for outcome in compared] == [None] * len(compared), "equal to the last bit"


def check_skew(served: Served, kind: str) -> None:
    """Plants a skew; asserts that the model is refused and the report names the feature, and no other."""
    model, features = served.plant(kind)
    blessing, report = served.validate(model, paths=("in_process",))
    assert blessing.custom_properties["blessed"] == 0
    found = set(json.loads(str(blessing.custom_properties["skewed_features"])))
    assert found >= features if kind == "stale graph" else found == features
    assert min(features) in str(blessing.custom_properties["not_blessed_reason"])
    for feature in features:
        places = report["skewed_features"][feature]
        assert any("sampled rows together, inside its graph" in place["where"] for place in places)
        if kind in ("float64", "one rounding"):
            assert {place["worst"]["ulps"] for place in places} == {1}, "found in the last place"
    texts = [suspect["text"] for suspect in report["suspects"]]
    assert any("removes the difference in all" in text for text in texts), texts
