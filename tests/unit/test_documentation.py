"""The Python blocks of the README and the guides run, in order, as a reader would paste them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"(?:<!-- (?P<note>.+?) -->\n)?```python\n(?P<code>.*?)```", re.DOTALL)
_SKIPPED = "needs the server above"  # what the end-to-end tests do with a server of their own


def blocks(document: str) -> list[str]:
    found = _BLOCK.finditer((ROOT / document).read_text(encoding="utf-8"))
    return [match["code"] for match in found if match["note"] != _SKIPPED]


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        "docs/running-pipelines.md",
        "docs/adding-a-component.md",
        "docs/control-flow.md",
        "docs/from-tfx.md",
        "docs/ingestion.md",
    ],
)
def test_python_blocks_run(document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "document.py"
    program.write_text("\n".join(blocks(document)))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    done = subprocess.run(
        [sys.executable, str(program)], cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_model_of_the_readme_is_asked_as_the_readme_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlops_tfx.serving.local import serve

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    found = list(_BLOCK.finditer((ROOT / "README.md").read_text(encoding="utf-8")))
    (asking,) = (match["code"] for match in found if match["note"] == _SKIPPED)
    train = [sys.executable, "-c", found[0]["code"]]
    assert subprocess.run(train, cwd=tmp_path, check=False).returncode == 0
    with serve("penguins", tmp_path / "runs" / "readme" / "serving") as client:
        ask = [sys.executable, "-c", asking.replace("localhost:8500", client.address)]
        done = subprocess.run(ask, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stderr
        assert "probabilities" in done.stdout
        # What the README asks are measures, and no texts.
        inputs = client.get_model_metadata("penguins").signatures["serving_raw"].inputs
        assert (inputs["bill_length_mm"].dtype, inputs["island"].dtype) == ("DT_FLOAT", "DT_STRING")


def test_there_is_something_to_run() -> None:
    assert len(blocks("README.md")) == 2
    assert len(blocks("docs/adding-a-component.md")) == 4


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for document in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            if not (document.parent / target).exists():
                broken.append(f"{document.relative_to(ROOT)}: {target}")
    assert broken == []


def test_documented_test_of_a_component_passes(tmp_path: Path) -> None:
    scope: dict[str, object] = {"__name__": "documented"}
    exec("\n".join(blocks("docs/adding-a-component.md")), scope)
    test = scope["test_count"]
    assert callable(test)
    test(tmp_path)
