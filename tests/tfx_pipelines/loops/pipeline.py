"""A node per element of a channel, and nodes under conditions within conditions.

usage: pipeline.py DATA OUT [TABLES]

TABLES says over how many tables the loop goes; TFX's local runner takes no more than one.
"""

import csv
import json
import os
import sys
from typing import Dict, List

from tfx import v1 as tfx
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, OutputDict, Parameter
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.dsl.control_flow.for_each import ForEach
from tfx.dsl.experimental.conditionals import conditional
from tfx.dsl.placeholder import placeholder as ph
from tfx.types import artifact_utils, component_spec, standard_artifacts
from tfx.types.artifact import Artifact, Property, PropertyType
from tfx.types.channel import Channel

component = tfx.dsl.components.component


class Table(Artifact):
    """Rows of one species."""

    TYPE_NAME = "SpeciesTable"
    PROPERTIES = {"rows": Property(type=PropertyType.INT), "species": Property(type=PropertyType.STRING)}


class DivideExecutor(base_executor.BaseExecutor):
    """Writes a table per species: as many artifacts as there are, under one key."""

    def Do(self, input_dict: Dict[str, List[Artifact]], output_dict: Dict[str, List[Artifact]], exec_properties):
        with open(exec_properties["source"]) as file:
            rows = list(csv.DictReader(file))
        first = artifact_utils.get_single_instance(output_dict["tables"])
        names = sorted({row["species"] for row in rows})[: exec_properties["limit"]]
        tables = [first]
        for number in range(1, len(names)):
            table = Table()
            table.uri = os.path.join(first.uri, str(number))
            tables.append(table)
        if len(names) > 1:
            first.uri = os.path.join(first.uri, "0")
        output_dict["tables"] = tables
        for name, table in zip(names, tables):  # noqa: B905
            of_species = [row for row in rows if row["species"] == name]
            tfx.dsl.io.fileio.makedirs(table.uri)
            with tfx.dsl.io.fileio.open(os.path.join(table.uri, "rows.json"), "w") as file:
                file.write(json.dumps(of_species))
            table.rows = len(of_species)
            table.species = name


class DivideSpec(component_spec.ComponentSpec):
    PARAMETERS = {
        "source": component_spec.ExecutionParameter(type=str),
        "limit": component_spec.ExecutionParameter(type=int),
    }
    INPUTS = {}
    OUTPUTS = {"tables": component_spec.ChannelParameter(type=Table)}


class Divide(base_component.BaseComponent):
    """Divides penguins by species."""

    SPEC_CLASS = DivideSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(DivideExecutor)

    def __init__(self, source: str, limit: int):
        super().__init__(DivideSpec(source=source, limit=limit, tables=Channel(type=Table)))


@component
def MeanMass(table: InputArtifact[Table], scale: Parameter[float]) -> OutputDict(mass=float, species=str, heavy=bool):
    """Mean mass of a table, in units of scale."""
    with open(os.path.join(table.uri, "rows.json")) as file:
        masses = [float(row["body_mass_g"]) / scale for row in json.load(file)]
    mean = sum(masses) / len(masses)
    return {"mass": mean, "species": table.species, "heavy": mean > 4}


@component
def Describe(mass: float, text: Parameter[str], unit: Parameter[str], note: OutputArtifact[standard_artifacts.String]):
    """A line about one species."""
    note.value = f"{text}: {mass:.3f} {unit}"


@component
def Answer(question: Parameter[str]) -> OutputDict(answer=str):
    return {"answer": question.upper()}


@component
def Number(value: Parameter[int]) -> OutputDict(number=int):
    return {"number": value}


def create_pipeline(data: str, out: str, limit: int) -> tfx.dsl.Pipeline:
    divide = Divide(source=os.path.join(data, "penguins", "penguins.csv"), limit=limit)
    with ForEach(divide.outputs["tables"]) as table:
        mean = MeanMass(table=table, scale=1000.0)
    with ForEach(mean.outputs["mass"]) as mass:
        describe = Describe(mass=mass, text="mean mass", unit="kg")

    number = Number(value=7)
    value = number.outputs["number"].future()[0].value
    with tfx.dsl.Cond(value > 5):
        with conditional.Cond(ph.logical_and(value != 6, ph.logical_not(value >= 9))):
            yes = Answer(question="seven?").with_id("Yes")
            with tfx.dsl.Cond(yes.outputs["answer"].future()[0].value == "SEVEN?"):
                inner = Answer(question="inner").with_id("Inner")
        with tfx.dsl.Cond(ph.logical_or(value < 6, value == 8)):
            never = Answer(question="never").with_id("Never")
    with tfx.dsl.Cond(value <= 5):
        small = Answer(question="small").with_id("Small")

    return tfx.dsl.Pipeline(
        pipeline_name="penguin_loops",
        pipeline_root=os.path.join(out, "root"),
        components=[divide, mean, describe, number, yes, inner, never, small],
        enable_cache=True,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            os.path.join(out, "metadata.sqlite")
        ),
    )


if __name__ == "__main__":
    tables = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    tfx.orchestration.LocalDagRunner().run(create_pipeline(sys.argv[1], sys.argv[2], tables))
