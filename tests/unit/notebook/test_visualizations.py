"""Users' own ways to show artifacts."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from mlops_tfx.artifacts import Integer, Schema, String
from mlops_tfx.errors import ConfigError
from mlops_tfx.function_component import OutputArtifact, component
from mlops_tfx.notebook import InteractiveContext, export, visualizations
from mlops_tfx.notebook.visualizations import ArtifactVisualization, get_registry


@component
def Two(text: OutputArtifact[String], number: OutputArtifact[Integer]) -> None:
    text.value, number.value = "words", 7


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> visualizations.ArtifactVisualizationRegistry:
    monkeypatch.setattr(get_registry(), "visualizations", {})
    return get_registry()


def test_what_is_registered_shows_its_type(registry: Any, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    class Loud(ArtifactVisualization):
        ARTIFACT_TYPE = String

        def display(self, artifact: String) -> None:
            sys.stdout.write(f"<<{artifact.value}>>\n")

    registry.register(Loud)
    two = Two()
    context = InteractiveContext("p", tmp_path)
    context.run(two)
    capsys.readouterr()
    context.show(two.outputs["text"])
    assert capsys.readouterr().out == "<<words>>\n"
    context.show(two.outputs["number"])
    assert "Integer 2" in capsys.readouterr().out
    context.show([*two.outputs["number"].get(), *two.outputs["text"].get()])
    shown = capsys.readouterr().out
    assert "Integer 2" in shown
    assert shown.endswith("<<words>>\n")


def test_standard_ones_show_what_the_context_shows(
    registry: Any, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = Schema()
    schema.uri = str(tmp_path)
    (tmp_path / "schema.pbtxt").write_text('feature { name: "age" type: INT }')
    context = InteractiveContext("p", tmp_path / "root")
    context.show(schema)
    before = capsys.readouterr().out
    visualizations.register_standard_visualizations()
    assert sorted(registry.visualizations) == ["ExampleAnomalies", "ExampleStatistics", "ModelEvaluation", "Schema"]
    registry.get_visualization("Schema").display(schema)
    assert capsys.readouterr().out == before
    assert registry.get_visualization("Model") is None


def test_a_visualization_without_a_type_is_refused(registry: Any) -> None:
    with pytest.raises(ConfigError, match="whose ARTIFACT_TYPE is a class of artifacts"):
        registry.register(type("Nothing", (), {"ARTIFACT_TYPE": str}))


def test_tfx_s_extension_is_loaded_without_a_notebook() -> None:
    export.load_ipython_extension(None)
