"""The whole chain equals TFX 1.16's on the same CSV: records, statistics, schema, anomalies, Transform, metrics.

Expected files: ``tests/golden/chain/make.py``. What else is compared with TFX, and where: docs/tfx-equality.md.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlops_tfx.artifacts import Examples, Model
from mlops_tfx.components import (
    CsvExampleGen,
    Evaluator,
    ExampleValidator,
    SchemaGen,
    StatisticsGen,
    Transform,
)
from mlops_tfx.execution.testing import run_component
from mlops_tfx.io.examples import read_batches
from tests.golden.chain import data
from tests.unit.components.statistics_gen.cases import check_equal, common_of

GOLDEN = Path(data.__file__).parent
# An empty cell is an empty list in the file, which TFDV takes for present, without values; we take it for missing.
WITH_MISSING_CELLS = {"city", "tailnum", "temp", "wind_speed"}
SPLITS = ("train", "eval")


@pytest.fixture(scope="module")
def expected() -> Any:
    return json.loads(gzip.decompress((GOLDEN / "expected.json.gz").read_bytes()))


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Outputs by name, and those of the skewed input."""
    root = tmp_path_factory.mktemp("chain")
    outputs: dict[str, Any] = {}
    for name in ("flights", "skewed"):
        (root / name).mkdir()
        (root / name / f"{name}.csv").write_bytes(gzip.decompress((GOLDEN / f"{name}.csv.gz").read_bytes()))
        examples = run_component(CsvExampleGen(input_base=str(root / name)), {}, root / f"run-{name}")
        statistics = run_component(StatisticsGen(), examples, root / f"run-{name}")
        outputs[name] = {**examples, **statistics}
    examples = {"examples": outputs["flights"]["examples"]}
    outputs["schema"] = run_component(SchemaGen(), {"statistics": outputs["flights"]["statistics"]}, root)["schema"]
    inputs = {**examples, "schema": outputs["schema"]}
    outputs |= run_component(Transform(module_file=str(GOLDEN / "preprocessing.py")), inputs, root)
    inputs = {"statistics": outputs["skewed"]["statistics"], "schema": outputs["schema"]}
    outputs |= run_component(ExampleValidator(), inputs, root)
    return outputs | _evaluated(root, examples)


def _evaluated(root: Path, examples: Any) -> Any:
    import tensorflow_model_analysis as tfma
    from google.protobuf import json_format

    from tests.golden.chain import model

    model.save(str(root / "model" / "Format-Serving"))
    evaluator = Evaluator(eval_config=json_format.Parse(model.EVAL_CONFIG, tfma.EvalConfig()))
    return run_component(evaluator, {**examples, "model": Model(str(root / "model"))}, root)


def rows_of(examples: Any, split: str) -> Iterator[dict[str, Any]]:
    assert isinstance(examples, Examples)
    for batch in read_batches(examples, split):
        columns = [
            [[v.decode() if isinstance(v, bytes) else v for v in values or ()] for values in column.to_pylist()]
            for column in batch.columns
        ]
        for row in zip(*columns, strict=True):
            yield dict(sorted(zip(batch.schema.names, row, strict=True)))


@pytest.mark.parametrize("split", SPLITS)
def test_the_same_records_are_in_the_same_splits(chain: Any, expected: Any, split: str) -> None:
    rows = list(rows_of(chain["flights"]["examples"][0], split))
    lines = sorted(json.dumps({n: v for n, v in row.items() if v}, sort_keys=True) for row in rows)
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert {"count": len(lines), "digest": digest} == expected["records"][split]


@pytest.mark.parametrize("split", SPLITS)
def test_statistics(chain: Any, split: str) -> None:
    from mlops_tfx.io.protos import STATISTICS_FILE, read_statistics

    (ours,) = read_statistics(f"{chain['flights']['statistics'][0].path(split)}/{STATISTICS_FILE}").datasets
    (theirs,) = read_statistics(str(GOLDEN / f"statistics_{split}.pb")).datasets
    assert ours.num_examples == theirs.num_examples
    mine, other = ({f.path.step[0]: f for f in dataset.features} for dataset in (ours, theirs))
    assert mine.keys() == other.keys()
    rows = list(rows_of(chain["flights"]["examples"][0], split))
    for name, feature in mine.items():
        numeric = feature.WhichOneof("stats") == "num_stats"
        values = np.array([v for row in rows for v in row[name]]) if numeric else None
        if name in WITH_MISSING_CELLS:
            _as_missing(common_of(other[name]))
        check_equal(feature, other[name], values)


def _as_missing(common: Any) -> None:
    """Takes rows with an empty list as missing ones."""
    common.num_missing = common.num_non_missing - common.tot_num_values
    common.num_non_missing = common.tot_num_values
    common.min_num_values = common.max_num_values
    common.avg_num_values = 1.0


def test_the_schema(chain: Any) -> None:
    from mlops_tfx.io.protos import read_schema

    (schema,) = chain["schema"]
    ours, theirs = (read_schema(str(path)) for path in (Path(schema.uri, "schema.pbtxt"), GOLDEN / "schema.pbtxt"))
    assert [feature.name for feature in ours.feature] == [feature.name for feature in theirs.feature]
    for mine, other in zip(ours.feature, theirs.feature, strict=True):
        if mine.name in WITH_MISSING_CELLS:
            assert (mine.presence.min_fraction, mine.presence.min_count) == (0, 1)
            assert (mine.value_count.min, mine.value_count.max) == (1, 1)
            assert (other.presence.min_fraction, other.presence.min_count) == (1, 1)
            mine.ClearField("value_count")
            mine.presence.CopyFrom(other.presence)
    assert ours == theirs


@pytest.mark.parametrize("split", SPLITS)
def test_anomalies_of_skewed_data(chain: Any, split: str) -> None:
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    (anomalies,) = chain["anomalies"]
    files = (Path(anomalies.path(split)) / "SchemaDiff.pb", GOLDEN / f"anomalies_{split}.pb")
    ours, theirs = (anomalies_pb2.Anomalies.FromString(path.read_bytes()) for path in files)
    assert set(theirs.anomaly_info) == {"day", "gate", "origin"}
    for message in (ours, theirs):
        message.ClearField("baseline")  # the schema, which `test_the_schema` compares
    assert ours == theirs


def test_vocabularies_are_byte_equal(chain: Any, expected: Any) -> None:
    (graph,) = chain["transform_graph"]
    assets = Path(graph.uri, "transform_fn", "assets")
    assert {path.name: path.read_text(encoding="utf-8") for path in assets.iterdir()} == expected["vocabularies"]


@pytest.mark.parametrize("split", SPLITS)
def test_transformed_values(chain: Any, expected: Any, split: str) -> None:
    (examples,) = chain["transformed_examples"]
    # Sorted by whole numbers first, so that the last digit of a float cannot change the order.
    ours = sorted(rows_of(examples, split), key=_whole_numbers_first)
    theirs = sorted(expected["transformed"][split], key=_whole_numbers_first)
    assert len(ours) == len(theirs) > 500
    for name in theirs[0]:
        mine, other = ([row[name] for row in rows] for rows in (ours, theirs))
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-6, err_msg=name)


def _whole_numbers_first(row: dict[str, Any]) -> Any:
    values = [value for cells in row.values() for value in cells]
    return [v for v in values if isinstance(v, int)], [round(v, 4) for v in values if isinstance(v, float)]


def test_metrics_and_blessing(chain: Any, expected: Any) -> None:
    import tensorflow_model_analysis as tfma

    (evaluation,), (blessing,) = chain["evaluation"], chain["blessing"]
    found = {
        ",".join(f"{column}={value}" for column, value in key): {
            metric: float(value["doubleValue"]) for metric, value in values[""][""].items()
        }
        for key, values in tfma.load_eval_result(evaluation.uri).slicing_metrics
    }
    assert found.keys() == expected["metrics"].keys()
    assert len(found) == 4
    for key, metrics in expected["metrics"].items():
        wanted = {metric: float(value) for metric, value in metrics.items()}
        assert found[key] == pytest.approx(wanted, rel=1e-6, abs=1e-6, nan_ok=True), key
    assert expected["blessing"] == ["NOT_BLESSED"]
    assert [path.name for path in Path(blessing.uri).iterdir() if not path.name.startswith("reasons")] == [
        "NOT_BLESSED"
    ]
