"""Scripts written for TFX run here unedited, and leave behind what they leave behind under TFX 1.16.

``golden/`` was written by TFX (make.py). Where there is a Python with TFX, the slow tests run it again:
TFX_PYTHON=/path/to/python pytest -m slow tests/tfx_pipelines.
"""

from __future__ import annotations

import copy
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tfx_pipelines import cases, compare, make, summary

COMMANDS = {
    "command line": [sys.executable, "-m", "mlops_tfx.cli", "run", "--as-tfx"],
    "module": [sys.executable, "-m", "mlops_tfx.compat"],
}
TFX_PYTHON = os.environ.get("TFX_PYTHON", "")


def every_case() -> list[Any]:
    return [pytest.param(case, id=case.name, marks=marks(case)) for case in map(cases.load, cases.names())]


def marks(case: cases.Case) -> list[pytest.MarkDecorator]:
    unknown = pytest.mark.skipif(not case.golden.exists(), reason=f"TFX has not run it: make.py PYTHON {case.name}")
    return [unknown, pytest.mark.slow] if case.slow else [unknown]


def run(case: cases.Case, command: str, out: Path) -> Any:
    done = case.run(COMMANDS[command], out)
    assert done.returncode == 0, done.stderr[-8000:]
    return summary.summarize(str(out))


def expected(case: cases.Case) -> Any:
    return json.loads(case.golden.read_text())


def check(case: cases.Case, found: Any) -> None:
    golden = expected(case)
    differences = compare.differences(golden["summary"], found, golden["noise"], list(case.different))
    assert differences == [], "\n".join(differences)


@pytest.mark.parametrize("case", every_case())
def test_a_script_for_tfx_leaves_behind_what_it_does_under_tfx(case: cases.Case, tmp_path: Path) -> None:
    check(case, run(case, "command line", tmp_path))


def test_as_a_module(tmp_path: Path) -> None:
    case = cases.load("functions")
    check(case, run(case, "module", tmp_path))


@pytest.mark.slow
@pytest.mark.skipif(not TFX_PYTHON, reason="needs TFX 1.16: set TFX_PYTHON to a Python 3.10 with tfx==1.16.0 and dill")
@pytest.mark.parametrize("case", every_case())
def test_tfx_still_says_so(case: cases.Case, tmp_path: Path) -> None:
    done = case.run([TFX_PYTHON], tmp_path)
    assert done.returncode == 0, done.stderr[-8000:]
    (found,) = make.summarize(TFX_PYTHON, [tmp_path])
    golden = expected(case)
    assert compare.differences(golden["summary"], found, golden["noise"]) == []


# the comparison itself


def test_scripts_know_nothing_of_this_library() -> None:
    for name in cases.names():
        for path in (cases.HERE / name).glob("*.py"):
            assert "mlops_tfx" not in path.read_text(encoding="utf-8"), path


SMALL = {
    "artifacts": {
        "Gen.examples": {"type": "Examples", "custom": {"span": 0}, "content": {"train": {"records": 7, "mean": 2.5}}},
        "Eval.blessing": {"type": "ModelBlessing", "custom": {"blessed": 1}, "content": ["BLESSED"]},
        "SchemaGen.schema": {"type": "Schema", "custom": {}, "content": 'feature { name: "x" }'},
    },
    "runs": [{"Gen": [{"state": "COMPLETE", "outputs": {"examples": ["Gen.examples"]}}]}],
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("artifacts/Gen.examples/content/train/records", 8),
        ("artifacts/Gen.examples/content/train/mean", 2.501),
        ("artifacts/Gen.examples/content/eval", {"records": 0}),
        ("artifacts/Gen.examples/type", "Model"),
        ("artifacts/Eval.blessing/content", ["NOT_BLESSED"]),
        ("artifacts/Eval.blessing/custom/blessed", 0),
        ("artifacts/SchemaGen.schema/content", 'feature { name: "y" }'),
        ("artifacts/New.model", {"type": "Model"}),
        ("runs/0/Gen/0/state", "CACHED"),
        ("runs/0/Gen/0/outputs/examples", []),
    ],
)
def test_a_difference_is_seen(path: str, value: Any) -> None:
    changed = copy.deepcopy(SMALL)
    *folders, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    place: Any = changed
    for step in folders:
        place = place[step]
    place[last] = value
    assert len(compare.differences(SMALL, changed)) == 1
    assert len(compare.differences(changed, SMALL)) == 1
    assert compare.differences(SMALL, changed, different=[f"/{path}.*"]) == []


def test_a_summary_is_the_same_wherever_it_is_made() -> None:
    found = {"source": "/one/place/tests/tfx_pipelines/data/x.csv", "push": '{"base": "/tmp/out/serving"}'}
    assert summary.anywhere(found, "/tmp/out") == {"source": "data/x.csv", "push": '{"base": "OUT/serving"}'}


def test_noise_and_rounding() -> None:
    path = "/metrics/accuracy"

    def seen(received: float, noise: float | None) -> list[str]:
        known = None if noise is None else {path: noise}
        return compare.differences({"metrics": {"accuracy": 0.9}}, {"metrics": {"accuracy": received}}, known)

    assert seen(0.9000001, None) == []
    assert seen(0.91, None) == [f"{path}: expected 0.9, received 0.91"]
    assert seen(0.94, 0.01) == []
    assert len(seen(0.97, 0.01)) == 1
    assert compare.differences({"a": float("nan")}, {"a": float("nan")}) == []
    assert compare.differences({"a": 1}, {"a": True}) != []


def test_properties_of_ours_are_no_difference_but_tfx_s_must_be_there() -> None:
    changed = copy.deepcopy(SMALL)
    changed["artifacts"]["Gen.examples"]["custom"]["rows"] = 7
    assert compare.differences(SMALL, changed) == []
    assert len(compare.differences(changed, SMALL)) == 1


def test_splits_that_transform_names_in_the_order_of_a_set() -> None:
    def seen(name: str, splits: str) -> dict[str, Any]:
        return {"artifacts": {name: {"properties": {"split_names": splits}}}}

    one, other = '["train", "eval"]', '["eval", "train"]'
    assert compare.differences(seen("T.transformed_examples", one), seen("T.transformed_examples", other)) == []
    assert compare.differences(seen("T.transformed_examples", one), seen("T.transformed_examples", '["eval"]')) != []
    assert compare.differences(seen("Gen.examples", one), seen("Gen.examples", other)) != []


def test_the_noise_of_repeated_runs() -> None:
    runs = [{"a": {"metric": value, "count": 3}} for value in (0.5, 0.75, 0.625)]
    assert compare.ranges(runs) == {"/a/metric": 0.25}
    assert compare.ranges(runs, ["/./count"]) == {"/a/metric": 0.25, "/a/count": 0.0}
    with pytest.raises(ValueError, match="received /a="):
        compare.ranges([{"a": "x"}, {"a": "y"}])
