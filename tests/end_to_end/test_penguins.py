"""Penguins: what the example prints and pushes, and what happens when it runs again."""

from __future__ import annotations

import re
import resource
import sys
from typing import Any

import pytest

from mlops_tfx.serving.local import serve
from tests.end_to_end.planted_skews import PENGUINS, SKEWS, Served, check_right_rewrite, check_skew

HEAVY = re.compile(r"\| +(tensorflow|apache_beam|tensorflow_transform|tensorflow_data_validation|tfx_bsl)$", re.M)


def states(printed: str) -> dict[str, str]:
    return dict(re.findall(r"│ (\w+) +│ (\w+) +│", printed))


def test_what_the_program_prints(penguins: tuple[Any, str]) -> None:
    _, printed = penguins
    assert set(states(printed).values()) == {"complete"}
    found = re.search(r"Overall +(\d\.\d+)", printed)
    assert found is not None and float(found.group(1)) > 0.95
    assert "asked over gRPC: Gentoo" in printed


def test_answers_name_the_classes(penguins: tuple[Any, str]) -> None:
    example, _ = penguins
    chinstrap = {"island": "Dream", "sex": "male", "bill_length_mm": 51.3, "bill_depth_mm": 19.2,
                 "flipper_length_mm": 193, "body_mass_g": 3650}  # fmt: skip
    unmeasured = {"island": "Torgersen"}
    with serve("penguins", example.pushed) as client:
        answer = client.predict("penguins", [chinstrap, unmeasured])
    assert answer["classes"][0] == b"Chinstrap"
    # Classes are ordered by how frequent they are in the training split.
    assert answer["all_classes"][0].tolist() == [b"Adelie", b"Gentoo", b"Chinstrap"]
    assert answer["probabilities"].sum(axis=1) == pytest.approx([1, 1], abs=1e-6)


@pytest.fixture(scope="module")
def served(penguins: tuple[Any, str], tmp_path_factory: pytest.TempPathFactory) -> Served:
    return Served(penguins[0], PENGUINS, tmp_path_factory.mktemp("planted"))


def test_preprocessing_written_twice_and_rightly_is_blessed(served: Served) -> None:
    check_right_rewrite(served)


@pytest.mark.parametrize("kind", SKEWS)
def test_planted_skew_is_refused_and_the_feature_named(served: Served, kind: str) -> None:
    check_skew(served, kind)


def test_a_run_with_nothing_to_do_is_quick_and_loads_neither_tensorflow_nor_beam(
    penguins: tuple[Any, str],
) -> None:
    example, _ = penguins
    assert example.run("--no-serving").returncode == 0
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    again = example.run("--no-serving", python=("-X", "importtime"))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert again.returncode == 0, again.stderr[-2000:]
    found = states(again.stdout)
    assert found.pop("latest_blessed_model") == "complete"
    assert set(found.values()) == {"cached"}
    assert HEAVY.findall(again.stderr) == []
    assert "mlops_tfx.execution.task" in again.stderr
    # Processor time, since a test must not depend on what else the machine does.
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 3


def test_a_push_that_is_gone_is_repeated(penguins: tuple[Any, str]) -> None:
    example, _ = penguins
    before = sorted(path.name for path in example.pushed.iterdir())
    for path in example.pushed.iterdir():
        path.rename(example.runs / f"moved-{path.name}")
    finished = example.run("--no-serving")
    found = states(finished.stdout)
    assert (found["Trainer"], found["Pusher"]) == ("cached", "complete")
    pushed = sorted(path.name for path in example.pushed.iterdir())
    assert len(pushed) == 1 and pushed[0] > before[-1]


def test_a_line_changed_in_a_helper_of_the_preprocessing_runs_transform_and_what_follows(
    penguins: tuple[Any, str],
) -> None:
    example, _ = penguins
    helper = example.project / "features.py"
    text = helper.read_text()
    try:
        helper.write_text(text.replace(', "body_mass_g")\nCAT', ")\nCAT"))
        assert helper.read_text() != text
        finished = example.run("--no-serving")
        why = example.execute(
            [sys.executable, "-m", "mlops_tfx.cli", "why", "Transform", "--root", str(example.runs / "pipeline")]
        )
    finally:
        helper.write_text(text)
    assert finished.returncode == 0, finished.stderr[-3000:]
    found = states(finished.stdout)
    assert {node for node, state in found.items() if state == "cached"} == {
        "CsvExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator",
    }  # fmt: skip
    assert {found[node] for node in ("Transform", "Trainer", "Evaluator", "Pusher")} == {"complete"}
    assert why.returncode == 0, why.stderr
    assert "features.py" in why.stdout
