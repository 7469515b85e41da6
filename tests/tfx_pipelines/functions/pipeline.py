"""Function components only: parameters, values, artifacts of standard and own types, fan-out and fan-in."""

import csv
import json
import os
import sys
from typing import Any, Dict, List, Optional

import tfx
from tfx import types, v1
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, OutputDict, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.orchestration import data_types
from tfx.types.artifact import Property, PropertyType
from tfx.types.experimental.simple_artifacts import Dataset, File


class Table(types.artifact.Artifact):
    """Rows as JSON lines."""

    TYPE_NAME = "PenguinTable"
    PROPERTIES = {
        "rows": Property(type=PropertyType.INT),
        "species": Property(type=PropertyType.STRING),
        "heaviest": Property(type=PropertyType.FLOAT),
    }


def _rows(path: str) -> List[Dict[str, str]]:
    with open(path) as file:
        return list(csv.DictReader(file))


@component
def ReadTable(source: Parameter[str], table: OutputArtifact[Table], limit: Parameter[int] = 1000) -> OutputDict(
    columns=List[str], rows=int
):
    rows = _rows(source)[:limit]
    with v1.dsl.io.fileio.open(os.path.join(table.uri, "rows.jsonl"), "w") as file:
        file.write("\n".join(json.dumps(row) for row in rows))
    table.rows = len(rows)
    table.species = "all"
    table.heaviest = max(float(row["body_mass_g"]) for row in rows)
    table.set_string_custom_property("source_name", os.path.basename(source))
    table.set_int_custom_property("limit", limit)
    return {"columns": list(rows[0]), "rows": len(rows)}


@v1.dsl.components.component
def OfSpecies(
    table: InputArtifact[Table],
    chosen: OutputArtifact[Table],
    species: Parameter[str],
    columns: Optional[List[str]] = None,
) -> OutputDict(mean_mass=float, islands=Dict[str, int], largest=Optional[str]):
    with open(os.path.join(table.uri, "rows.jsonl")) as file:
        rows = [json.loads(line) for line in file]
    rows = [{name: row[name] for name in columns or row} for row in rows if row["species"] == species]
    with open(os.path.join(chosen.uri, "rows.jsonl"), "w") as file:
        file.write("\n".join(json.dumps(row) for row in rows))
    masses = [float(row["body_mass_g"]) for row in rows]
    chosen.rows, chosen.species, chosen.heaviest = len(rows), species, max(masses)
    islands: Dict[str, int] = {}
    for row in rows:
        islands[row["island"]] = islands.get(row["island"], 0) + 1
    return {
        "mean_mass": sum(masses) / len(masses),
        "islands": islands,
        "largest": "Gentoo" if species == "Gentoo" else None,
    }


@component
def Report(
    tables: InputArtifact[List[Table]],
    first: float,
    second: float,
    total: int,
    islands: Dict[str, int],
    report: OutputArtifact[File],
    largest: Optional[str] = None,
    missing: Optional[int] = None,
    weights: Parameter[Dict[str, float]] = None,
    heading: Parameter[str] = "Penguins",
    verbose: Parameter[bool] = False,
) -> OutputDict(text=str, share=float, ok=bool, raw=bytes, found=Dict[str, Any]):
    lines = [heading, *sorted(f"{table.species}: {table.rows}" for table in tables)]
    os.makedirs(report.uri, exist_ok=True)
    with open(os.path.join(report.uri, "report.txt"), "w") as file:
        file.write("\n".join(lines))
    share = sum(table.rows for table in tables) / total
    return {
        "text": "\n".join(lines),
        "share": share,
        "ok": bool(first < second) and verbose,
        "raw": b"\x00\xff",
        "found": {"largest": largest, "missing": missing, "weights": weights, "islands": islands, "list": [1, [2.5]]},
    }


@component
def CountRows(table: InputArtifact[Table], dataset: OutputArtifact[Dataset]) -> v1.dsl.components.OutputDict(n=int):
    with open(os.path.join(table.uri, "rows.jsonl")) as file:
        count = len(file.readlines())
    with open(os.path.join(dataset.uri, "count"), "w") as file:
        file.write(str(count))
    return {"n": count}


@component
def Finish(report: InputArtifact[File], text: str, ok: bool, raw: bytes, found: Dict[str, Any], n: int):
    assert text.startswith("Measured"), text
    assert (ok, raw, n) == (True, b"\x00\xff", 333), (ok, raw, n)
    assert found["weights"] == {"a": 0.5} and found["largest"] == "Gentoo", found


def create_pipeline(data: str, out: str) -> v1.dsl.Pipeline:
    read = ReadTable(source=os.path.join(data, "penguins", "penguins.csv"))
    limit = data_types.RuntimeParameter(name="limit", default=100, ptype=int)
    some = ReadTable(source=os.path.join(data, "penguins", "penguins.csv"), limit=limit).with_id("ReadSome")
    gentoo = OfSpecies(table=read.outputs["table"], species="Gentoo", columns=read.outputs["columns"]).with_id("Gentoo")
    adelie = OfSpecies(table=read.outputs["table"], species="Adelie").with_id("Adelie")
    report = Report(
        tables=tfx.types.channel.union([gentoo.outputs["chosen"], adelie.outputs["chosen"]]),
        first=adelie.outputs["mean_mass"],
        second=gentoo.outputs["mean_mass"],
        total=read.outputs["rows"],
        islands=adelie.outputs["islands"],
        largest=gentoo.outputs["largest"],
        weights={"a": 0.5},
        heading="Measured penguins",
        verbose=True,
    )
    count = CountRows(table=read.outputs["table"])
    count.add_upstream_node(some)
    finish = Finish(
        report=report.outputs["report"],
        text=report.outputs["text"],
        ok=report.outputs["ok"],
        raw=report.outputs["raw"],
        found=report.outputs["found"],
        n=count.outputs["n"],
    )
    return v1.dsl.Pipeline(
        pipeline_name="functions",
        pipeline_root=os.path.join(out, "root"),
        components=[finish, count, report, adelie, gentoo, some, read],
        enable_cache=True,
        metadata_connection_config=v1.orchestration.metadata.sqlite_metadata_connection_config(
            os.path.join(out, "metadata.sqlite")
        ),
    )


if __name__ == "__main__":
    v1.orchestration.LocalDagRunner().run(create_pipeline(sys.argv[1], sys.argv[2]))
    v1.orchestration.LocalDagRunner().run(create_pipeline(sys.argv[1], sys.argv[2]))
