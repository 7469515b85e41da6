"""The whole chain on Parquet: one setting, and the same splits, statistics and quality as on TFRecord."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlops_tfx.components import CsvExampleGen
from mlops_tfx.components.evaluator import read_metrics
from mlops_tfx.config import FileFormat
from mlops_tfx.execution import LocalRunner, Observer
from mlops_tfx.io.protos import STATISTICS_FILE, read_statistics
from mlops_tfx.pipelines.tabular import tabular_pipeline
from tests.conformance.penguin_pipeline import write_inputs


def run(folder: Path, file_format: FileFormat) -> Any:
    pipeline = tabular_pipeline(
        name=file_format.name.lower().replace("_", "-"),
        data=folder / "csv",
        label="species",
        task="multiclass",
        pipeline_root=folder / file_format.name,
        push_to=folder / file_format.name / "serving",
        example_gen=CsvExampleGen(input_base=str(folder / "csv"), output_file_format=file_format),
    )
    return LocalRunner(observer=Observer()).run(pipeline).outputs


@pytest.fixture(scope="module")
def chains(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Path]:
    folder = tmp_path_factory.mktemp("formats")
    write_inputs(folder)
    parquet = run(folder, FileFormat.FILE_FORMAT_PARQUET)
    return parquet, run(folder, FileFormat.FORMAT_TFRECORDS_GZIP), folder


def artifact(outputs: Any, node: str, key: str) -> Any:
    return outputs[node][key][0]


def test_pandas_reads_the_payload_as_it_is(chains: tuple[Any, Any, Path]) -> None:
    parquet, _, folder = chains
    examples = artifact(parquet, "CsvExampleGen", "examples")
    parts = [pd.read_parquet(examples.path(split)) for split in ("train", "eval")]
    source = pd.read_csv(folder / "csv" / "penguins.csv")
    both = pd.concat(parts)
    assert len(both) == len(source)
    assert sorted(both.columns) == sorted(source.columns)
    for name in ("species", "body_mass_g", "year"):
        assert both[name].value_counts().to_dict() == source[name].value_counts().to_dict()
        assert both[name].isna().sum() == source[name].isna().sum()


def test_transformed_examples_are_parquet_too(chains: tuple[Any, Any, Path]) -> None:
    transformed = artifact(chains[0], "Transform", "transformed_examples")
    for split in ("train", "eval"):
        assert {os.path.splitext(name)[1] for name in os.listdir(transformed.path(split))} == {".parquet"}


def test_splits_and_statistics_are_those_of_tfrecord(chains: tuple[Any, Any, Path]) -> None:
    parquet, tfrecord, _ = chains
    for split in ("train", "eval"):
        first, second = (
            read_statistics(os.path.join(artifact(o, "StatisticsGen", "statistics").path(split), STATISTICS_FILE))
            for o in (parquet, tfrecord)
        )
        assert first.datasets[0].num_examples == second.datasets[0].num_examples
        by_name = [{f.path.step[0]: f for f in statistics.datasets[0].features} for statistics in (first, second)]
        assert by_name[0].keys() == by_name[1].keys()
        for name, feature in by_name[0].items():
            other = by_name[1][name]
            assert feature.num_stats.mean == pytest.approx(other.num_stats.mean)
            assert feature.string_stats.unique == other.string_stats.unique


def test_models_are_equally_good(chains: tuple[Any, Any, Path]) -> None:
    accuracy = [
        row["value"]
        for outputs in chains[:2]
        for row in read_metrics(artifact(outputs, "Evaluator", "evaluation").uri)
        if row["metric"] == "sparse_categorical_accuracy" and row["slice"] == "Overall"
    ]
    assert len(accuracy) == 2
    assert min(accuracy) > 0.9
    assert accuracy[0] == pytest.approx(accuracy[1], abs=0.03)


def test_model_is_pushed(chains: tuple[Any, Any, Path]) -> None:
    pushed = artifact(chains[0], "Pusher", "pushed_model")
    assert pushed.custom_properties["pushed"] == 1
    assert os.path.exists(os.path.join(pushed.custom_properties["pushed_destination"], "saved_model.pb"))
